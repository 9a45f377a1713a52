//! Random schedules of everything that happens to one notification, against a store in memory: functions that stop at any
//! point, lost, late, repeated and reordered callbacks, answers of Twilio that are lost, replies, a STOP, a cancellation,
//! redeliveries, retries by an operator, and a sweep that finds what was lost.
//!
//! `PROGRESS_SCHEDULES` is the number of schedules, `PROGRESS_SEED` repeats one of them.

mod world;

use world::World;

fn run(seed: u64) {
    let result = std::panic::catch_unwind(|| {
        let mut world = World::new(seed);
        let steps = world.rng.usize(5..60);
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..steps {
                world.step();
            }
            world.finish();
            world.check_end();
        }));
        if run.is_err() {
            eprintln!("PROGRESS_SEED={seed}\n{:?}\n{}\n{:?}", world.notification, world.log.join("\n"), world.progress);
        }
        assert!(run.is_ok());
    });
    assert!(result.is_ok(), "PROGRESS_SEED={seed}");
}

#[test]
fn every_schedule_ends_with_one_outcome_and_no_double() {
    let from_env = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    if let Some(seed) = from_env("PROGRESS_SEED") {
        return run(seed);
    }
    let first = fastrand::u64(..u64::MAX / 2);
    for seed in first..first + from_env("PROGRESS_SCHEDULES").unwrap_or(10_000) {
        run(seed);
    }
}
