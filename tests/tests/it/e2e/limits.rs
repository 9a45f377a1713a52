//! DynamoDB's limit of 100 keys in a `BatchGetItem`: the emulator refuses more, and the largest batch needs fewer.

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata as _,
    types::{AttributeValue, KeysAndAttributes},
};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::future::join_all;
use serde_json::{Value, json};
use stack::run::MESSAGING_SERVICE_SID;
use tests::harness::{
    sender::{Record, Sender},
    wire::{Moment, Side},
};

use crate::{
    e2e::receive::agree,
    support::{end_waiting, queue_of_the_test},
    world::{Person, World, new_id},
};

fn keys(name: &str, count: usize) -> KeysAndAttributes {
    let key = |number: usize| [(name.to_owned(), AttributeValue::S(format!("limits-{number}")))].into();
    KeysAndAttributes::builder().set_keys(Some((0..count).map(key).collect())).build().unwrap()
}

#[tokio::test]
async fn read_of_101_keys_from_two_tables_is_refused() {
    let world = World::without_consumers();
    let outputs = &world.stack.outputs;
    let read = async |notifications, buckets| {
        let read = world.dynamodb.batch_get_item();
        let read = read.request_items(&outputs.notifications_table_name, keys("notification", notifications));
        read.request_items(&outputs.rate_limits_table_name, keys("sender", buckets)).send().await
    };
    assert!(read(60, 40).await.is_ok(), "100 are allowed");
    let refusal = read(60, 41).await.unwrap_err();
    assert_eq!(refusal.code(), Some("ValidationException"));
    assert_eq!(refusal.message(), Some("Too many items requested for the BatchGetItem call"));
}

/// A notification whose decision depends on the most: every scope of an opt-out, the service window, the consent and the
/// frequency cap.
fn richest(person: &Person) -> Record {
    let id = new_id("richest");
    let template =
        json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "18473"}});
    let notification = json!({
        "id": id, "to": person.identity, "category": "marketing",
        "from": "whatsapp:+14155238886", "messaging_service_sid": MESSAGING_SERVICE_SID,
        "content": {"type": "media", "media": [{"url": "https://example.com/offer.jpg"}], "body": "Our offer"},
        "fallback": [
            {"channel": "whatsapp", "content": template},
            {"channel": "sms", "content": {"type": "text", "body": "Our offer"}},
        ],
    });
    Record { message_id: id, body: notification.to_string() }
}

/// The numbers of keys in the reads that passed the wire.
fn keys_read(moments: &[Moment]) -> Vec<usize> {
    let reads = moments.iter().filter(|moment| moment.side == Side::Before);
    let reads = reads.filter(|moment| moment.operation.starts_with("BatchGetItem"));
    let keys = |read: &Moment| {
        let request: Value = serde_json::from_slice(&read.body).unwrap();
        let tables = request["RequestItems"].as_object().unwrap().values();
        tables.map(|table| table["Keys"].as_array().unwrap().len()).sum::<usize>()
    };
    reads.map(keys).collect()
}

#[tokio::test]
async fn largest_batch_is_read_at_once_and_sent_completely() {
    let world = World::new();
    let queue_url = queue_of_the_test(&world).await;
    let people: Vec<_> = (0..10).map(|_| Person::new()).collect();
    join_all(people.iter().map(|person| agree(&world, person))).await;
    let records: Vec<_> = people.iter().map(richest).collect();
    let policy = json!({"default": {"marketing_cap": {"messages": 2, "days": 7}}}).to_string();
    let mut sender = Sender::start(&world.stack, &queue_url, &[("SEND_POLICY", &policy)]).await.unwrap();
    let mut first = None;
    world
        .until("the whole batch sent", async || {
            let returned = sender.deliver(&records).await.unwrap();
            first.get_or_insert_with(|| keys_read(&sender.wire.moments()));
            for record in &records {
                end_waiting(&world, &record.message_id).await;
            }
            returned.is_empty().then_some(())
        })
        .await;
    // A notification and its person are an item each, and the pauses are another one.
    assert_eq!(first.unwrap(), [21], "one read for the whole batch");
    for (person, record) in people.iter().zip(&records) {
        world.notification_in(&record.message_id, "accepted").await;
        assert_eq!(world.sent_to(person).await.len(), 1, "{}", record.message_id);
    }
}

#[tokio::test]
async fn largest_batch_on_the_marketing_queue_is_sent_completely() {
    let world = World::new();
    let people: Vec<_> = (0..10).map(|_| Person::new()).collect();
    join_all(people.iter().map(|person| agree(&world, person))).await;
    let records: Vec<_> = people.iter().map(richest).collect();
    let entries = records.iter().enumerate().map(|(number, record)| {
        let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
        entry.message_body(&record.body).build().unwrap()
    });
    let send = world.sqs.send_message_batch().queue_url(&world.stack.outputs.marketing_queue_url);
    send.set_entries(Some(entries.collect())).send().await.unwrap();
    for (person, record) in people.iter().zip(&records) {
        world.notification_in(&record.message_id, "accepted").await;
        assert_eq!(world.sent_to(person).await.len(), 1, "{}", record.message_id);
    }
}
