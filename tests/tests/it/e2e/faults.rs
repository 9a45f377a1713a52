//! The requests of the deployed functions to AWS fail in every way that a service can fail, for each permission that the policies of
//! the template give: nothing is lost, nothing is done twice, and no answer is wrong. What people and systems wrote is then looked for
//! in every log, metric, error, queue, event and item that should not have it.
//!
//! The rows of the matrix are the permissions of the deployed policies, which have exactly what the code uses (`tests/permissions`).
//! So a new call of the code is a new row, and [`coverage`] fails until the traffic of this test makes it.
//!
//! `FAULTS` names the kinds of faults, such as `hangs,lost`, or is `all`; by default they are [`SHORT_RUN`]. `FAULTS_SEED` repeats an
//! earlier run. Run by `make test`, and with all kinds by `make soak`.

use std::{path::Path, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};
use stack::{
    movable::{MovableStack, StackSettings},
    run::SEND_POLICY,
};
use tests::harness::faults::{FaultKind, FaultPlan, end_faults};

use crate::{support::number_from_env, world::World};

mod canaries;
mod coverage;
mod places;
mod restart;
mod settled;
mod traffic;

/// The worst: a request is executed, and the function does not hear of it.
const SHORT_RUN: [FaultKind; 1] = [FaultKind::Lost];
/// One more than the attempts that the SDK makes, so that the call of the code fails.
const ALL_ATTEMPTS: u32 = 4;
/// Some requests depend on which of two came first, so that not every round makes them.
const MAX_ROUNDS: usize = 3;
/// So old are the secrets and documents that a function keeps in its memory, at most.
const OUTDATED: Duration = Duration::from_mins(11);

fn kinds() -> Vec<FaultKind> {
    match std::env::var("FAULTS").as_deref() {
        Ok("all") => FaultKind::ALL.to_vec(),
        Ok(names) => {
            let name = |name: &str| serde_json::from_value(name.into()).unwrap_or_else(|_| panic!("no fault: {name}"));
            names.split(',').map(name).collect()
        }
        Err(_) => SHORT_RUN.to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_leaked_when_aws_fails() {
    let first = number_from_env("FAULTS_SEED", fastrand::u64(..));
    let mut rng = Rng::with_seed(first);
    let kinds = kinds();
    println!("FAULTS_SEED={first} {kinds:?}");
    let built = std::env::var_os("STACK_FOLDER").unwrap_or_else(|| panic!("STACK_FOLDER is not set"));
    let mut policy: Value = serde_json::from_str(SEND_POLICY).unwrap();
    // So that failures are counted.
    policy["pause_on_failures"] = json!({"share_percent": 100, "at_least": 1_000});
    let policy = policy.to_string();
    let settings = StackSettings { send_policy: Some(&policy), ..StackSettings::default() };
    let stack = MovableStack::start(Path::new(&built), "faults", &settings).await.unwrap();
    let world = World::of(stack.stack.clone());
    let mut seen = places::Seen::default();
    for kind in kinds.iter().copied() {
        for _ in 0..MAX_ROUNDS {
            Box::pin(round(&stack, &world, &mut seen, kind, rng.u64(..))).await;
            let report = end_faults(&stack.stack).await.unwrap();
            if coverage::missing(&report, &[kind]).is_empty() {
                break;
            }
        }
    }
    let report = end_faults(&stack.stack).await.unwrap();
    coverage::print(&report);
    seen.read_all(&world).await;
    let (missing, leaked) = (coverage::missing(&report, &kinds), canaries::problems(&seen));
    assert!(missing.is_empty() && leaked.is_empty(), "not hit: {missing:#?}\nleaked: {leaked:#?}");
}

/// Traffic of all sorts while one kind of fault happens, until everything has its outcome.
async fn round(stack: &MovableStack, world: &World, seen: &mut places::Seen, kind: FaultKind, random: u64) {
    let begin = std::time::Instant::now();
    let traffic = traffic::prepare(world).await;
    stack.advance(OUTDATED).await.unwrap();
    let calls = if random.is_multiple_of(2) { ALL_ATTEMPTS } else { 1 };
    let plan = FaultPlan { kind, calls, share: 0.02, seed: random };
    plan.begin(&world.stack).await.unwrap();
    // Afterwards, because a process that starts between would have read its secrets without a fault.
    restart::all(world, &format!("{kind:?} {random}")).await;
    let traffic = Box::pin(traffic.run(world, seen)).await;
    // A notification loses its content when it is delivered.
    seen.read_tables(world).await;
    settled::wait(stack, world, &traffic).await;
    end_faults(&world.stack).await.unwrap();
    settled::check(world, seen, &traffic).await;
    println!("{kind:?}: {calls} calls, settled after {:?}", begin.elapsed());
}
