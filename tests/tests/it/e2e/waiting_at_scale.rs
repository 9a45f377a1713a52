//! More notifications wait than a queue can have in flight, and another one is sent at once.
//!
//! The quota of the test's queue is 50 instead of AWS's 120,000 (Amazon SQS Developer Guide, "Amazon SQS standard queue quotas").
//! Beyond it a queue returns no message and no error.

use std::time::Duration;

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::harness::emulator::set_in_flight_quota;

use super::{clock::time, waiting::release};
use crate::world::{Person, World, new_id, template_notification};

const QUOTA: u32 = 50;
const WAITING: usize = 60;

/// Puts notifications on the outbound queue, ten in a request.
async fn notify_all(world: &World, notifications: &[Value]) {
    for batch in notifications.chunks(10) {
        let mut send = world.sqs.send_message_batch().queue_url(&world.stack.outputs.outbound_queue_url);
        for (number, notification) in batch.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            send = send.entries(entry.message_body(notification.to_string()).build().unwrap());
        }
        assert!(send.send().await.unwrap().failed().is_empty());
    }
}

/// The number of messages of the outbound queue that were received and not deleted.
async fn in_flight(world: &World) -> u32 {
    let attributes = world.sqs.get_queue_attributes().queue_url(&world.stack.outputs.outbound_queue_url);
    let attributes = attributes.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
    attributes[&QueueAttributeName::ApproximateNumberOfMessagesNotVisible].parse().unwrap()
}

#[tokio::test]
async fn one_time_password_passes_more_waiting_than_can_be_in_flight() {
    let time = time().await;
    let world = &time.world;
    set_in_flight_quota(&world.sqs, &world.stack.outputs.outbound_queue_url, QUOTA).await.unwrap();
    let send_at = (time.now() + SignedDuration::from_hours(24)).to_string();
    let tomorrow: Vec<_> = (0..WAITING).map(|_| (new_id("tomorrow"), Person::new())).collect();
    let notifications = tomorrow.iter().map(|(id, person)| {
        let mut notification = template_notification(id, person);
        notification["send_at"] = json!(send_at);
        notification
    });
    notify_all(world, &notifications.collect::<Vec<_>>()).await;
    for (id, _) in &tomorrow {
        world.notification_in(id, "waiting").await;
    }

    let (id, person) = (new_id("one-time-password"), Person::new());
    let mut password = template_notification(&id, &person);
    password["category"] = json!("authentication");
    world.notify(&password).await;
    world.notification_in(&id, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
    world.until("no message in flight", async || (in_flight(world).await == 0).then_some(())).await;

    time.advance(Duration::from_hours(24)).await;
    release(world).await;
    for (id, person) in &tomorrow {
        world.notification_in(id, "accepted").await;
        assert_eq!(world.sent_to(person).await.len(), 1, "{id}");
    }
}
