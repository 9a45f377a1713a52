//! A message waits for its slot after it was decided about, and the person refuses it meanwhile. Its claim finds that out,
//! because it has the person as a condition.

use domain::{lane::Lane, planning::Arrival, token_bucket::RateLimit};
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use stores::rate_limits::{BucketKey, RateLimits, SendTime};
use tests::harness::{
    sender::{Record, Sender},
    wire::Side,
};

use crate::{
    support::{faults::control, queue_of_the_test, stranger_with, write_until_answered},
    world::{Person, World, new_id, text},
};

/// How many slots are reserved before the message's slot: nearly as far ahead as an urgent message may reserve.
const SLOTS: usize = 350;

/// An answer within a conversation needs a consent.
const POLICY: &str = r#"{"default": {"consent": {"service": {}}}}"#;

#[tokio::test]
async fn withdrawal_during_the_wait_for_a_slot_is_found_by_the_claim() {
    refused_while_it_waits(async |world, person| consent(world, person, "withdrawn").await).await;
}

#[tokio::test]
async fn stop_during_the_wait_for_a_slot_is_found_by_the_claim() {
    refused_while_it_waits(async |world, person| write_until_answered(world, person, &json!({"body": "STOP"})).await)
        .await;
}

/// Repeats until the refusal is answered before the claim is requested, which a busy machine may miss.
async fn refused_while_it_waits(mut refuse: impl AsyncFnMut(&World, &Person)) {
    let world = World::new();
    world
        .until("a refusal that is answered during the wait", async || {
            refused_in_time(&world, &mut refuse).await.then_some(())
        })
        .await;
}

/// Whether the refusal was answered before the claim was requested. If it was, no message is requested.
async fn refused_in_time(world: &World, mut refuse: impl AsyncFnMut(&World, &Person)) -> bool {
    let (person, id) = (stranger_with("+49157", 5), new_id("ahead"));
    let from = sender_ahead(world, SLOTS).await;
    consent(world, &person, "given").await;
    let content =
        json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "18473"}});
    let notification =
        json!({"id": id, "to": person.identity, "category": "service", "from": from, "content": content});
    let records = [Record { message_id: id.clone(), body: notification.to_string() }];
    let mut sender =
        Sender::start(&world.stack, &queue_of_the_test(world).await, &[("SEND_POLICY", POLICY)]).await.unwrap();
    let recorder = sender.wire.recorder();
    let requested = |operation: &str, side| {
        recorder.moments().iter().any(|moment| moment.operation.starts_with(operation) && moment.side == side)
    };
    let refusal = async {
        let reserved = async || requested("UpdateItem of RateLimits", Side::After).then_some(());
        world.until("the slot of the message", reserved).await;
        refuse(world, &person).await;
        !requested("TransactWriteItems", Side::Before)
    };
    let (returned, was_in_time) = tokio::join!(sender.deliver(&records), refusal);
    if !was_in_time {
        return false;
    }
    assert!(returned.unwrap().is_empty(), "the notification is done");
    assert!(requested("TransactWriteItems", Side::Before), "the claim was requested");
    assert!(!requested("POST Messages.json", Side::Before), "no message was requested after the answer");
    let stored = world.notification(&id).await.unwrap();
    assert_eq!(text(&stored, "state"), Some("suppressed"));
    assert_eq!(world.sent_to(&person).await.len(), 0);
    true
}

/// A WhatsApp sender whose next slots are reserved.
async fn sender_ahead(world: &World, slots: usize) -> String {
    let address = format!("whatsapp:{}", stranger_with("+1415556", 4).identity);
    control(world, "POST", "senders", &json!({"address": address})).await;
    let limits = RateLimits::new(world.dynamodb.clone(), world.stack.outputs.rate_limits_table_name.clone());
    let bucket = BucketKey::of_sender(&ACCOUNT_SID.parse().unwrap(), &address);
    let now = jiff::Timestamp::now();
    let reserved = limits.reserve_or_plan(&bucket, RateLimit::default(), Lane::Urgent, Arrival::Unplanned, slots, now);
    let reserved = reserved.await.unwrap();
    assert!(reserved.iter().all(|time| matches!(time, SendTime::Slot(_))));
    address
}

async fn consent(world: &World, person: &Person, state: &str) {
    let consent: Value = json!({"category": "service", "state": state, "source": "form", "text": "Send me messages."});
    let (status, answer) =
        world.call("PUT", &format!("/contacts/{}/consent", person.identity), &consent.to_string()).await;
    assert_eq!(status, 201, "{answer}");
}
