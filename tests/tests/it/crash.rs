//! The send function's process is killed (SIGKILL) before or after any of its requests to AWS and Twilio, and its queue
//! messages are delivered again: each notification must be exactly one message at Twilio, or one for each of its steps, have
//! one outcome, and nothing may be claimed after a STOP or a withdrawn consent was answered.
//!
//! Run by `make test`, and for longer by `make soak`. `CRASH_KILLS` is the number of kills. `CRASH_SEED` repeats the random
//! choices of an earlier run, except the order of concurrent requests within a batch.
//!
//! Late failures and answers to templates go to the deployed functions, which put the notification on the deployed queue. So
//! two functions often work on the same notification, as when SQS delivers a message twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use domain::progress::Phase;
use fastrand::Rng;
use futures::{StreamExt as _, TryStreamExt as _};
use tests::harness::{
    sender::{ProcessStop, Record, Sender},
    wire::{KillPoint, Side},
};

use crate::{
    support::{
        batch::{Batch, Open},
        kind::Kind,
        number_from_env, queue_of_the_test,
    },
    world::World,
};

mod files;
mod refused;
mod unknown;

const LARGEST_BATCH: usize = 10;
/// How often a process is killed before one may finish, at most.
const MOST_DELIVERIES: usize = 5;
/// From this number of kills on, every request must have been hit before and after at least once.
const ENOUGH_FOR_ALL: usize = 1_000;
/// Milliseconds within which the sandbox's first callbacks arrive, through the emulator.
const CALLBACKS_TAKE: u64 = 300;
/// Longer than the lease of a claim by a deployed function.
const FINISHED_WITHIN: Duration = Duration::from_mins(4);
/// Callbacks that have not arrived by then were lost.
const CALLBACKS_WITHIN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// The number of kills by operation and side.
type Tally = BTreeMap<(String, Side), usize>;

/// What a send function requests, found by sending each kind of notification without a kill.
#[derive(Debug, Default)]
struct Learned {
    /// The number of moments of the first delivery, by kind.
    moments: BTreeMap<Kind, usize>,
    /// All operations, also those that resolve an unknown outcome, each with a kind and a course that request it.
    operations: BTreeMap<String, (Kind, Course)>,
}

struct Crashes {
    world: World,
    queue_url: String,
    learned: Learned,
}

/// How many batches are sent at the same time, each by separate processes.
fn lanes() -> usize {
    number_from_env("CRASH_LANES", 4)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_is_sent_once_wherever_its_process_is_killed() {
    let kills = number_from_env("CRASH_KILLS", 60);
    let seed = number_from_env("CRASH_SEED", fastrand::u64(..));
    println!("CRASH_SEED={seed} CRASH_KILLS={kills}");
    let world = World::new();
    let queue_url = queue_of_the_test(&world).await;
    let learned = seeded(seed, learn(&world, &queue_url).await);
    let crashes = Crashes { world, queue_url, learned };
    let share = usize::try_from(kills).unwrap().div_ceil(lanes());
    let lanes = (0..lanes()).map(|lane| crashes.lane(Rng::with_seed(seed.wrapping_add(lane as u64)), share));
    let tallies = seeded(seed, futures::future::try_join_all(lanes).await);
    let mut total = Tally::new();
    for (place, count) in tallies.into_iter().flatten() {
        *total.entry(place).or_default() += count;
    }
    print_table(&total);
    crashes.assert_every_operation_was_hit(&total, seed);
}

fn seeded<T>(seed: u64, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("CRASH_SEED={seed}: {error:#}"))
}

/// How the requests of a kind are learned.
#[derive(Debug, Clone, Copy)]
enum Course {
    Answered,
    /// Twilio's answer is lost, and a callback says that the message exists.
    Reported,
    /// Twilio's answer is lost, and only the list shows the message.
    Listed,
}

impl Course {
    /// A batch of one person.
    async fn batch(self, world: &World, kind: Kind) -> Batch {
        let batch = Batch::of_kind(world, kind).await;
        match self {
            Self::Answered => {}
            Self::Reported => batch.lose_answers(world, true).await,
            Self::Listed => batch.lose_answers(world, false).await,
        }
        batch
    }
}

/// Sends one notification of each kind on each course, and kills nothing.
async fn learn(world: &World, queue_url: &str) -> Result<Learned> {
    let courses = [Course::Answered, Course::Reported, Course::Listed];
    let cases = Kind::ALL.iter().flat_map(|kind| courses.map(|course| (*kind, course)));
    let learn = async |(kind, course): (Kind, Course)| {
        let mut batch = course.batch(world, kind).await;
        let (first, operations) = finish(world, queue_url, &mut batch).await?;
        batch.check(world).await.with_context(|| format!("{kind:?} {course:?}"))?;
        anyhow::Ok((kind, course, first, operations))
    };
    let all: Vec<_> = futures::stream::iter(cases.map(learn)).buffer_unordered(lanes()).try_collect().await?;
    let mut learned = Learned::default();
    for (kind, course, first, operations) in all {
        if let Course::Answered = course {
            learned.moments.insert(kind, first);
        }
        learned.operations.extend(operations.into_iter().map(|operation| (operation, (kind, course))));
    }
    println!("moments of each kind: {:?}", learned.moments);
    Ok(learned)
}

impl Crashes {
    /// Sends batch after batch, until this number of processes has been killed.
    async fn lane(&self, mut rng: Rng, kills: usize) -> Result<Tally> {
        let mut tally = Tally::new();
        while tally.values().sum::<usize>() < kills {
            let size = rng.usize(1..=LARGEST_BATCH);
            let mut batch = Batch::prepare(&self.world, &mut rng, size).await;
            batch.plan_faults(&self.world, &mut rng).await;
            let result = self.round(&mut batch, &mut rng, &mut tally).await;
            result.with_context(|| batch.describe())?;
            let so_far: usize = tally.values().sum();
            println!("a lane: {so_far} of {kills} kills");
        }
        Ok(tally)
    }

    /// Delivers one batch: kills a process at each of some deliveries, and then lets one finish.
    async fn round(&self, batch: &mut Batch, rng: &mut Rng, tally: &mut Tally) -> Result<()> {
        let records = batch.records();
        let mut kills = Vec::new();
        for _ in 0..rng.usize(1..=MOST_DELIVERIES) {
            let sender = Sender::start(&self.world.stack, &self.queue_url, &[]).await?;
            let at = self.kill_point(batch, rng);
            let (stop, moments) = sender.deliver_and_kill(&records, at).await?;
            batch.note_claims(&moments);
            match stop {
                ProcessStop::At(moment) => {
                    kills.push(format!("{:?} {}", moment.side, moment.operation));
                    *tally.entry((moment.operation, moment.side)).or_default() += 1;
                }
                // It hit no request, so it is not counted.
                ProcessStop::Answering => kills.push("as it answered".to_owned()),
            }
            // So that status callbacks arrive before, during and after the next delivery.
            tokio::time::sleep(Duration::from_millis(rng.u64(..CALLBACKS_TAKE))).await;
            batch.refuse_some(&self.world, rng).await;
            batch.let_time_pass(&self.world).await?;
        }
        let history = || format!("killed {}", kills.join(", then "));
        finish(&self.world, &self.queue_url, batch).await.with_context(history)?;
        batch.check(&self.world).await.with_context(history)
    }

    /// Any moment of the batch, or any operation, so that the rare ones are hit as often as the others.
    fn kill_point(&self, batch: &Batch, rng: &mut Rng) -> KillPoint {
        if rng.bool() {
            let moments: usize = batch.kinds().filter_map(|kind| self.learned.moments.get(&kind)).sum();
            // Notifications of one batch share some requests, so there are fewer moments than that.
            return KillPoint::Moment(rng.usize(1..=moments * 2 / 3));
        }
        let operation = rng.choice(self.learned.operations.keys()).unwrap().clone();
        let side = if rng.bool() { Side::Before } else { Side::After };
        KillPoint::Request { operation, side, number: rng.usize(0..=2).max(1) }
    }

    fn assert_every_operation_was_hit(&self, tally: &Tally, seed: u64) {
        if tally.values().sum::<usize>() < ENOUGH_FOR_ALL {
            return;
        }
        for operation in self.learned.operations.keys() {
            for side in [Side::Before, Side::After] {
                let hit = tally.contains_key(&(operation.clone(), side));
                assert!(hit, "CRASH_SEED={seed}: no process was killed {side:?} {operation}");
            }
        }
    }
}

/// Delivers what the function returns to the queue, until every notification has its outcome. Gives the number of moments of
/// the first delivery, and all operations.
async fn finish(world: &World, queue_url: &str, batch: &mut Batch) -> Result<(usize, BTreeSet<String>)> {
    let (mut first, mut operations) = (None, BTreeSet::new());
    let mut sender = Sender::start(&world.stack, queue_url, &[]).await?;
    finish_with(world, &mut sender, batch, async |sender, records| {
        let returned = sender.deliver(records).await?;
        let moments = sender.wire.moments();
        first.get_or_insert(moments.len());
        operations.extend(moments.into_iter().map(|moment| moment.operation));
        Ok(returned)
    })
    .await?;
    Ok((first.unwrap_or_default(), operations))
}

/// Delivers by `deliver` what it returns to the queue, until every notification has its outcome.
pub(crate) async fn finish_with(
    world: &World,
    sender: &mut Sender,
    batch: &mut Batch,
    mut deliver: impl AsyncFnMut(&mut Sender, &[Record]) -> Result<BTreeSet<String>>,
) -> Result<()> {
    let begin = Instant::now();
    let mut queued = batch.records();
    loop {
        if !queued.is_empty() {
            let returned = deliver(sender, &queued).await?;
            batch.note_claims(&sender.wire.moments());
            queued.retain(|record| returned.contains(&record.message_id));
        }
        let open = batch.open(world).await?;
        if open.is_empty() && queued.is_empty() {
            return Ok(());
        }
        ensure!(begin.elapsed() < FINISHED_WITHIN, "without an outcome: {:?}", states(&open));
        let again: Vec<_> = open.iter().filter_map(|open| reference_to(open, &queued)).collect();
        queued.extend(again);
        batch.let_time_pass(world).await?;
        if begin.elapsed() > CALLBACKS_WITHIN {
            batch.release_held(world).await;
            batch.bring_outcomes(world, &open).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The message that brings a waiting notification back: the function has put it on the queue of the test, from which nothing is
/// received, or `publish` on a deployed queue. The delay is over here.
fn reference_to(open: &Open, queued: &[Record]) -> Option<Record> {
    let stored = open.stored.as_ref()?;
    let waits = stored.due.is_some() && matches!(stored.progress.phase, Phase::Ready { .. } | Phase::Claimed);
    let is_queued = queued.iter().any(|record| record.message_id == open.record.message_id);
    (waits && !is_queued).then(|| open.record.reference(stored))
}

fn states(open: &[Open]) -> Vec<String> {
    let state = |open: &Open| {
        let state = open.stored.as_ref().map(|stored| stored.state().as_str());
        format!("{} is {}", open.record.message_id, state.unwrap_or("not stored"))
    };
    open.iter().map(state).collect()
}

fn print_table(tally: &Tally) {
    println!("| killed | operation | times |\n|---|---|---|");
    for ((operation, side), count) in tally {
        let side = if *side == Side::Before { "before" } else { "after" };
        println!("| {side} | {operation} | {count} |");
    }
    println!("{} in all", tally.values().sum::<usize>());
}
