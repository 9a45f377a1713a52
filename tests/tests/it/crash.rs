//! The send function's process is killed (SIGKILL) before or after any of its requests to AWS and Twilio, and its queue
//! messages are delivered again: each notification must be exactly one message at Twilio.
//!
//! Run by `make test`, and for longer by `make soak`. `CRASH_KILLS` is the number of kills. `CRASH_SEED` repeats the random
//! choices of an earlier run, except the order of concurrent requests within a batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::support::{batch::Batch, number_from_env, queue_of_the_test, stranger};
use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use serde_json::{Value, json};
use tests::harness::{
    sender::{ProcessStop, Record, Sender},
    wire::Side,
};

use crate::world::{DEADLINE, World, new_id, of_notification, text};

const LARGEST_BATCH: usize = 4;
/// From this number of kills on, every request must have been hit before and after at least once.
const ENOUGH_FOR_ALL: usize = 200;
/// Milliseconds within which the sandbox's first callbacks arrive, through the emulator.
const CALLBACKS_TAKE: u64 = 300;
/// Batches that are sent at the same time, each by separate processes.
const LANES: usize = 4;

/// The number of kills by operation and side.
type Tally = BTreeMap<(String, Side), usize>;

struct Crashes {
    world: World,
    queue_url: String,
    /// The number of moments in a batch of each size when no request fails.
    moments: BTreeMap<usize, usize>,
    /// The operations of these moments.
    operations: BTreeSet<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_is_sent_once_wherever_its_process_is_killed() {
    let kills = number_from_env("CRASH_KILLS", 60);
    let seed = number_from_env("CRASH_SEED", fastrand::u64(..));
    println!("CRASH_SEED={seed} CRASH_KILLS={kills}");
    let crashes = seeded(seed, Crashes::learn(seed).await);
    let share = usize::try_from(kills).unwrap().div_ceil(LANES);
    let lanes = (0..LANES).map(|lane| crashes.lane(Rng::with_seed(seed.wrapping_add(lane as u64)), share));
    let mut total = Tally::new();
    for tally in futures::future::join_all(lanes).await {
        for (place, count) in seeded(seed, tally) {
            *total.entry(place).or_default() += count;
        }
    }
    print_table(&total);
    crashes.assert_every_operation_was_hit(&total, seed);
}

fn seeded<T>(seed: u64, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("CRASH_SEED={seed}: {error:#}"))
}

impl Crashes {
    /// Sends a batch of each size without a fault.
    async fn learn(seed: u64) -> Result<Self> {
        let world = World::new();
        let queue_url = queue_of_the_test(&world).await;
        let (mut moments, mut operations) = (BTreeMap::new(), BTreeSet::new());
        for size in 1..=LARGEST_BATCH {
            let batch = Batch::prepare(&world, &mut Rng::with_seed(seed), size).await;
            let mut sender = Sender::start(&world.stack, &queue_url, &[]).await?;
            let returned = sender.deliver(&batch.records()).await?;
            ensure!(returned.is_empty(), "{returned:?} are returned to the queue without a fault");
            let passed = sender.wire.moments();
            moments.insert(size, passed.len());
            operations.extend(passed.into_iter().map(|moment| moment.operation));
        }
        println!("moments in a batch of each size: {moments:?}");
        Ok(Self { world, queue_url, moments, operations })
    }

    /// Sends batch after batch, until this number of processes has been killed.
    async fn lane(&self, mut rng: Rng, kills: usize) -> Result<Tally> {
        let mut tally = Tally::new();
        while tally.values().sum::<usize>() < kills {
            let size = rng.usize(1..=LARGEST_BATCH);
            let batch = Batch::prepare(&self.world, &mut rng, size).await;
            batch.plan_faults(&self.world, &mut rng).await;
            let result = self.round(&batch, &mut rng, &mut tally).await;
            result.with_context(|| format!("batch {:?}", batch.ids()))?;
        }
        Ok(tally)
    }

    /// Delivers one batch: kills the process up to three times, and then lets one finish.
    async fn round(&self, batch: &Batch, rng: &mut Rng, tally: &mut Tally) -> Result<()> {
        let records = batch.records();
        let mut kills = Vec::new();
        for _ in 0..rng.usize(1..=3) {
            let sender = Sender::start(&self.world.stack, &self.queue_url, &[]).await?;
            // After the last moment the process is killed when it has answered. That kill is not counted: it hits no request.
            let at = rng.usize(1..=self.moments[&records.len()] + 1);
            match sender.deliver_and_kill(&records, at).await? {
                ProcessStop::At(moment) => {
                    kills.push(format!("{:?} {}", moment.side, moment.operation));
                    *tally.entry((moment.operation, moment.side)).or_default() += 1;
                }
                ProcessStop::Answering => kills.push("as it answered".to_owned()),
            }
            // So that status callbacks arrive before, during and after the next delivery.
            tokio::time::sleep(Duration::from_millis(rng.u64(..CALLBACKS_TAKE))).await;
            self.end_all_waiting(batch).await;
        }
        let history = || format!("killed {}", kills.join(", then "));
        self.finish(batch, records).await.with_context(history)?;
        batch.check(&self.world).await.with_context(history)
    }

    /// Delivers what the function returns to the queue, until it returns nothing.
    async fn finish(&self, batch: &Batch, mut pending: Vec<Record>) -> Result<()> {
        let end = Instant::now() + DEADLINE;
        let mut sender = Sender::start(&self.world.stack, &self.queue_url, &[]).await?;
        loop {
            let returned = sender.deliver(&pending).await?;
            for record in pending.iter().filter(|record| !returned.contains(&record.message_id)) {
                let state = batch.state(&self.world, &record.message_id).await;
                ensure!(state.as_deref() == Some("accepted"), "{} left the queue {state:?}", record.message_id);
            }
            pending.retain(|record| returned.contains(&record.message_id));
            if pending.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{returned:?} are still returned to the queue after {DEADLINE:?}");
            self.end_all_waiting(batch).await;
        }
    }

    async fn end_all_waiting(&self, batch: &Batch) {
        for id in batch.ids() {
            crate::support::end_waiting(&self.world, id).await;
        }
    }

    fn assert_every_operation_was_hit(&self, tally: &Tally, seed: u64) {
        if tally.values().sum::<usize>() < ENOUGH_FOR_ALL {
            return;
        }
        for operation in &self.operations {
            for side in [Side::Before, Side::After] {
                let hit = tally.contains_key(&(operation.clone(), side));
                assert!(hit, "CRASH_SEED={seed}: no process was killed {side:?} {operation}");
            }
        }
    }
}

fn print_table(tally: &Tally) {
    println!("| killed | operation | times |\n|---|---|---|");
    for ((operation, side), count) in tally {
        let side = if *side == Side::Before { "before" } else { "after" };
        println!("| {side} | {operation} | {count} |");
    }
    println!("{} in all", tally.values().sum::<usize>());
}

/// A notification with an unknown outcome: Twilio created the message but answered with 500, the status callbacks do not
/// arrive, and Twilio's list of messages fails.
struct UnknownOutcome {
    world: World,
    person: crate::world::Person,
    id: String,
    records: Vec<Record>,
    sender: Sender,
}

impl UnknownOutcome {
    async fn arrange(name: &str, category: &str, content: Value) -> Self {
        let (world, person, id) = (World::new(), stranger(), new_id(name));
        world.plan(&person, 1, json!({"kind": "accept_then_refuse", "status": 500, "code": 20500})).await;
        crate::support::break_list(&world, &person).await;
        let body = json!({"id": id, "to": person.identity, "category": category, "content": content}).to_string();
        let queue_url = queue_of_the_test(&world).await;
        let nowhere = ("PUBLIC_BASE_URL", "http://127.0.0.1:9");
        let sender = Sender::start(&world.stack, &queue_url, &[nowhere]).await.unwrap();
        let records = vec![Record { message_id: id.clone(), body }];
        Self { world, person, id, records, sender }
    }

    /// Delivers until the function no longer returns the message to the queue.
    async fn deliver(&mut self) {
        let Self { world, id, records, sender, .. } = self;
        world
            .until("the end of the redeliveries", async || {
                crate::support::end_waiting(world, id).await;
                sender.deliver(records).await.unwrap().is_empty().then_some(())
            })
            .await;
    }

    /// Delivers twice while the claim is recent, when the function must still look for the message.
    async fn deliver_too_early(&mut self) {
        for _ in 0..2 {
            assert!(!self.sender.deliver(&self.records).await.unwrap().is_empty(), "still looked for");
            crate::support::end_waiting(&self.world, &self.id).await;
        }
        assert_eq!(self.world.sent_to(&self.person).await.len(), 1, "not sent again while the message may be found");
        crate::support::claim_was_long_ago(&self.world, &self.id).await;
    }
}

#[tokio::test]
async fn unresolvable_outcome_is_held_with_a_dead_letter() {
    let content = json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"2": "1"}});
    let mut unknown = UnknownOutcome::arrange("held", "utility", content).await;
    unknown.deliver_too_early().await;
    unknown.deliver().await;
    let UnknownOutcome { world, person, id, .. } = &unknown;
    world.notification_in(id, "unknown").await;
    let event = world.event("the failure", of_notification("notification_failed", id)).await;
    assert_eq!(event["state"], "unknown");
    let letter = world.dead_letter(|letter| letter.body.contains(id.as_str())).await;
    assert!(letter.reason.is_some());
    assert_eq!(world.sent_to(person).await.len(), 1, "not sent again");
}

#[tokio::test]
async fn authentication_with_an_unresolvable_outcome_is_sent_again() {
    let content =
        json!({"type": "template", "content_sid": sandbox::VERIFICATION_CODE_SID, "variables": {"1": "4711"}});
    let mut unknown = UnknownOutcome::arrange("again", "authentication", content).await;
    unknown.deliver().await;
    let UnknownOutcome { world, person, id, .. } = &unknown;
    let accepted = world.notification_in(id, "accepted").await;
    let sent = world.sent_to(person).await;
    assert_eq!(sent.len(), 2, "twice does less harm than not at all");
    assert_eq!(text(&accepted, "message_sid"), sent[1]["sid"].as_str());
}

#[tokio::test]
async fn identical_notifications_get_two_messages_when_one_was_lost() {
    let lost = json!({"kind": "refuse", "status": 500, "code": 20500});
    identical_notifications_are_resolved(
        [json!({"kind": "accept_then_refuse", "status": 500, "code": 20500}), lost],
        ["second", "first"],
    )
    .await;
}

#[tokio::test]
async fn identical_notifications_each_get_their_own_message() {
    let made = json!({"kind": "accept_then_refuse", "status": 500, "code": 20500});
    identical_notifications_are_resolved([made.clone(), made], ["first", "second"]).await;
}

/// Two identical notifications with unknown outcomes, delivered in this order: `finder` is resolved as the message of
/// `owner`. A late status callback then names `owner`, which needs another message, and no third one may be created.
async fn identical_notifications_are_resolved(faults: [Value; 2], [finder, owner]: [&str; 2]) {
    let (world, person) = (World::new(), stranger());
    for fault in faults {
        world.plan(&person, 1, fault).await;
    }
    let queue_url = queue_of_the_test(&world).await;
    let nowhere = ("PUBLIC_BASE_URL", "http://127.0.0.1:9");
    let mut sender = Sender::start(&world.stack, &queue_url, &[nowhere]).await.unwrap();
    let record = |id: &str| {
        let content = json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava"}});
        let body = json!({"id": id, "to": person.identity, "category": "utility", "content": content}).to_string();
        vec![Record { message_id: id.to_owned(), body }]
    };
    let ids = std::collections::BTreeMap::from([("first", new_id("first")), ("second", new_id("second"))]);
    for id in ids.values() {
        assert!(!sender.deliver(&record(id)).await.unwrap().is_empty(), "unknown outcome");
        crate::support::end_waiting(&world, id).await;
    }
    let (finder, owner) = (&ids[finder], &ids[owner]);
    assert!(sender.deliver(&record(finder)).await.unwrap().is_empty(), "resolved by Twilio's list of messages");
    let message_sid = text(&world.notification_in(finder, "accepted").await, "message_sid").unwrap().to_owned();
    // A late status callback: the message belongs to the other notification.
    let address = person.address();
    let parameters = [
        ("MessageSid", message_sid.as_str()),
        ("AccountSid", stack::run::ACCOUNT_SID),
        ("MessageStatus", "sent"),
        ("To", &address),
    ];
    let reported = world.post_signed(&format!("/twilio/status?notification={owner}"), &parameters).await;
    assert!(reported.status().is_success());

    assert!(sender.deliver(&record(owner)).await.unwrap().is_empty(), "resolved or sent");
    let accepted = world.notification_in(owner, "accepted").await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 2, "one message for each");
    assert_ne!(text(&accepted, "message_sid"), Some(message_sid.as_str()), "different messages");
}

/// DynamoDB throttles each request of a send, before and after it has executed the request.
#[tokio::test]
async fn notification_throttled_by_dynamodb_is_sent_once_on_retry() {
    let world = World::new();
    let queue_url = queue_of_the_test(&world).await;
    let operations = [
        "BatchGetItem of Contacts and Notifications and RateLimits",
        "UpdateItem of RateLimits",
        "TransactWriteItems of Contacts and Notifications and RateLimits",
        "UpdateItem of Notifications",
    ];
    let cases = operations.iter().flat_map(|operation| [(*operation, Side::Before), (*operation, Side::After)]);
    futures::future::join_all(cases.map(|(operation, side)| send_throttled(&world, &queue_url, operation, side))).await;
}

async fn send_throttled(world: &World, queue_url: &str, operation: &str, side: Side) {
    let (person, id) = (stranger(), new_id("throttled"));
    let content = json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava"}});
    let body = json!({"id": id, "to": person.identity, "category": "utility", "content": content}).to_string();
    let records = vec![Record { message_id: id.clone(), body }];
    let mut sender = Sender::start(&world.stack, queue_url, &[]).await.unwrap();
    let returned = sender.deliver_throttled(&records, operation, side).await.unwrap();
    // A write that DynamoDB executed may be recognised as done, and then no retry is necessary.
    assert!(side == Side::After || returned.len() == 1, "{side:?} {operation}: returned to the queue");
    world
        .until("the notification accepted", async || {
            crate::support::end_waiting(world, &id).await;
            sender.deliver(&records).await.unwrap().is_empty().then_some(())
        })
        .await;
    world.notification_in(&id, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1, "{side:?} {operation}");
}
