//! Waiting until a round is over, and what has to be so then.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use stack::movable::MovableStack;
use stores::dynamodb::Item;

use super::{
    places::Seen,
    traffic::{Traffic, notifications_without_outcome, run_schedules},
};
use crate::{
    e2e::waiting::until_queues_are_empty,
    world::{World, is, text},
};

/// A one-time password is sent within its ten minutes, and a lost answer to one is decided after four.
const SHORT_STEP: Duration = Duration::from_mins(1);
const SHORT_STEPS: usize = 8;
const LONG_STEP: Duration = Duration::from_mins(20);
const MOST_STEPS: usize = 40;
/// What a step brings has arrived after this time, or the next step begins.
const POLLS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Lets time pass until every notification has its outcome, and Twilio's list has been read.
pub(super) async fn wait(stack: &MovableStack, world: &World, traffic: &Traffic) {
    for step in 0..MOST_STEPS {
        run_schedules(world).await;
        for _ in 0..POLLS {
            if is_over(world, traffic).await && run_schedules(world).await {
                until_queues_are_empty(world).await;
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        stack.advance(if step < SHORT_STEPS { SHORT_STEP } else { LONG_STEP }).await.unwrap();
    }
    let mut open = notifications_without_outcome(world, traffic).await;
    for batch in &traffic.batches {
        if !batch.open(world).await.unwrap().is_empty() {
            open.push(batch.describe());
        }
    }
    panic!("without an outcome: {}", open.join("; "));
}

async fn is_over(world: &World, traffic: &Traffic) -> bool {
    let mut is_over = notifications_without_outcome(world, traffic).await.is_empty();
    for batch in &traffic.batches {
        let open = batch.open(world).await.unwrap();
        batch.bring_outcomes(world, &open).await;
        is_over &= open.is_empty();
    }
    is_over
}

/// Nothing is lost, and nothing is done twice.
pub(super) async fn check(world: &World, seen: &mut Seen, traffic: &Traffic) {
    for batch in &traffic.batches {
        batch.check(world).await.unwrap();
    }
    let mut stored_at = BTreeMap::new();
    for (sid, event) in traffic.stored_items() {
        let is_it = |item: &Item| text(item, "event").is_some_and(|found| found == event);
        let stored = async || Some(world.items(sid).await).filter(|items| items.iter().any(is_it));
        let items = world.until(&format!("{sid} in the table"), stored).await;
        let items: Vec<_> = items.into_iter().filter(is_it).collect();
        assert_eq!(items.len(), 1, "{sid} is stored once");
        stored_at.insert(sid, time(text(&items[0], "received_at")));
    }
    for (id, outcome, person) in &traffic.notifications {
        if let Some(person) = person {
            assert_eq!(world.sent_to(person).await.len(), 0, "{id} is {outcome}");
        }
    }
    for person in &traffic.verified {
        assert_eq!(world.sent_to(person).await.len(), 1, "one code");
    }
    for person in &traffic.stopped {
        let stopped =
            async || (world.preference(person).await == Some(domain::preference::Preference::OptedOut)).then_some(());
        world.until("the STOP", stopped).await;
    }
    for address in &traffic.emails {
        let emails = world.control("GET", &format!("emails?to={address}"), &Value::Null).await;
        assert_eq!(emails.as_array().unwrap().len(), 1, "one e-mail");
    }
    check_events(world, seen, traffic).await;
    for sid in &traffic.messages {
        let event = seen.events.iter().find(|event| is("event_id", sid)(event)).unwrap();
        assert_eq!(stored_at[sid], time(event["received_at"].as_str()), "{sid} is as its first webhook");
    }
    check_queues(world, seen, traffic).await;
}

/// Each event is on the queue, and all its repetitions and its copy in the archive are the same.
async fn check_events(world: &World, seen: &mut Seen, traffic: &Traffic) {
    let wanted: Vec<_> =
        traffic.messages.iter().cloned().chain(traffic.files.iter().map(|sid| format!("{sid}.media.0"))).collect();
    let all_there = async || {
        seen.receive_events(world).await;
        wanted.iter().all(|id| seen.events.iter().any(is("event_id", id))).then_some(())
    };
    world.until("the events", all_there).await;
    let archived = seen.read_archive(world).await;
    let archived: Vec<_> = archived.iter().map(without_progress).collect();
    let published: Vec<_> = seen.events.iter().map(without_progress).collect();
    let mut by_id = BTreeMap::new();
    for event in published.iter().chain(&archived) {
        let id = event["event_id"].as_str().unwrap();
        let first = by_id.entry(id).or_insert(event);
        assert_eq!(*first, event, "an event and its repetition");
    }
    for event in &published {
        assert!(archived.contains(event), "not archived: {}", event["event_id"]);
    }
}

fn time(text: Option<&str>) -> Timestamp {
    text.unwrap().parse().unwrap()
}

/// Without the furthest status so far, which a repetition may see later.
fn without_progress(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(fields) = event.as_object_mut() {
        fields.remove("current_status");
    }
    event
}

/// Only what is wrong was given up.
async fn check_queues(world: &World, seen: &mut Seen, traffic: &Traffic) {
    let outputs = &world.stack.outputs;
    // It is set aside again if the answer was lost.
    let unreadable = seen.receive(world, &outputs.spool_dead_letter_queue_url).await;
    let is_a_webhook = |body: &String| body.contains("arrived_at");
    assert!(!unreadable.is_empty() && !unreadable.iter().any(is_a_webhook), "given up: {unreadable:?}");
    for url in [&outputs.media_dead_letter_queue_url, &outputs.events_dead_letter_queue_url] {
        assert_eq!(seen.receive(world, url).await, [""; 0], "given up");
    }
    let mut missing: BTreeSet<_> = traffic.dead_letters.iter().collect();
    let all_there = async || {
        for letter in seen.receive(world, &outputs.outbound_dead_letter_queue_url).await {
            let id = traffic.dead_letters.iter().find(|id| letter.contains(id.as_str()));
            missing.remove(id.unwrap_or_else(|| panic!("given up: {letter}")));
        }
        missing.is_empty().then_some(())
    };
    world.until("the dead letters", all_there).await;
    let noted = async || (!seen.receive(world, &outputs.unpublished_queue_url).await.is_empty()).then_some(());
    world.until("the unreadable item", noted).await;
}
