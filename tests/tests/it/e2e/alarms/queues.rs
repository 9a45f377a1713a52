//! Alarms of queues: what was given up, and what is not read.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use stack::run::ACCOUNT_SID;

use super::{Alarms, alarms};
use crate::{
    e2e::waiting::until_queues_are_empty,
    world::{Person, new_sid},
};

pub(super) const ALARMS: &[&str] = &[
    "DeadLettersAlarm",
    "UnpublishedAlarm",
    "MediaDeadLettersAlarm",
    "SpoolDeadLettersAlarm",
    "EventsDeadLettersAlarm",
    "UrgentQueueLateAlarm",
    "OutboundQueueLateAlarm",
    "MarketingQueueLateAlarm",
    "MediaQueueLateAlarm",
    "SpoolLateAlarm",
    "EventsUnreadAlarm",
];

/// Receives from a queue and deletes nothing, until an alarm rings.
async fn receive_until(alarms: &Alarms, queue_url: &str, alarm: &str) {
    let receive = async || {
        for _ in 0..100 {
            let receive = alarms.world.sqs.receive_message().queue_url(queue_url).visibility_timeout(0);
            receive.send().await.unwrap();
        }
        alarms.world.alarm_rings(alarm).await.then_some(())
    };
    alarms.world.until(alarm, receive).await;
}

#[tokio::test]
async fn alarms_of_what_was_given_up_ring() {
    let alarms = alarms().await;
    let outputs = &alarms.world.stack.outputs;
    alarms.assert_quiet(&["EventsDeadLettersAlarm", "MediaDeadLettersAlarm"]).await;

    alarms.world.enqueue("no notification").await;
    alarms.rings("DeadLettersAlarm").await;

    let item = [("subject", format!("{ACCOUNT_SID}#{}", new_sid())), ("event", "inbound".to_owned())];
    let item = item.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
    let put = alarms.world.dynamodb.put_item().table_name(&outputs.messages_table_name);
    put.set_item(Some(item.into())).send().await.unwrap();
    alarms.rings("UnpublishedAlarm").await;

    alarms.world.sqs.send_message().queue_url(&outputs.spool_queue_url).message_body("{}").send().await.unwrap();
    alarms.rings("SpoolDeadLettersAlarm").await;

    assert_eq!(alarms.world.write(&Person::new(), "Hello").await["status"], 200);
    receive_until(&alarms, &outputs.events_queue_url, "EventsDeadLettersAlarm").await;

    alarms.set_triggers("MediaQueue", false).await;
    alarms.world.sqs.send_message().queue_url(&outputs.media_queue_url).message_body("{}").send().await.unwrap();
    receive_until(&alarms, &outputs.media_queue_url, "MediaDeadLettersAlarm").await;
    alarms.set_triggers("MediaQueue", true).await;
}

#[tokio::test]
async fn alarms_of_what_is_not_read_ring() {
    const QUEUES: [(&str, &str); 5] = [
        ("UrgentQueue", "UrgentQueueLateAlarm"),
        ("OutboundQueue", "OutboundQueueLateAlarm"),
        ("MarketingQueue", "MarketingQueueLateAlarm"),
        ("MediaQueue", "MediaQueueLateAlarm"),
        ("SpoolQueue", "SpoolLateAlarm"),
    ];
    let alarms = alarms().await;
    let outputs = &alarms.world.stack.outputs;
    // What an earlier test left on the queues is not old any more in the periods of the alarms.
    until_queues_are_empty(&alarms.world).await;
    alarms.advance(Duration::from_mins(4)).await;
    for (queue, alarm) in QUEUES {
        alarms.assert_quiet(&[alarm]).await;
        alarms.set_triggers(queue, false).await;
    }
    assert_eq!(alarms.world.write(&Person::new(), "Hello").await["status"], 200);
    let urls = [
        &outputs.urgent_queue_url,
        &outputs.outbound_queue_url,
        &outputs.marketing_queue_url,
        &outputs.media_queue_url,
        &outputs.spool_queue_url,
    ];
    for url in urls {
        let body = json!({"id": "late"}).to_string();
        alarms.world.sqs.send_message().queue_url(url).message_body(body).send().await.unwrap();
    }
    alarms.advance(Duration::from_hours(2)).await;
    for (queue, alarm) in QUEUES {
        alarms.rings(alarm).await;
        alarms.set_triggers(queue, true).await;
    }
    alarms.rings("EventsUnreadAlarm").await;
}
