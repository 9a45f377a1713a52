//! What happens to a batch of a stream while a part of AWS is out of order.

use lambda_runtime::Context;
use serde_json::{Value, json};

use super::{
    aws_stand_in::{Archiving, AwsStandIn, EVENTS_QUEUE, UNPUBLISHED_QUEUE},
    order_tests::{happenings, message_record},
    *,
};

/// Hands a batch of messages to the function. Gives their ids.
async fn deliver(function: &PublishFunction) -> (Vec<String>, DynamoDbEventResponse) {
    let messages = happenings(5);
    let records: Vec<_> = messages.iter().map(message_record).collect();
    let event: StreamEvent = serde_json::from_value(json!({"Records": records})).unwrap();
    let response = function.handle(LambdaEvent::new(event, Context::default())).await.unwrap();
    (messages.into_iter().map(|message| message.sid).collect(), response)
}

fn ids<'a>(events: impl IntoIterator<Item = &'a Value>) -> Vec<&'a str> {
    events.into_iter().map(|event| event["event_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_go_on_while_the_archive_accepts_nothing() {
    let aws = AwsStandIn::start(Archiving::Fails).await;
    let (sids, response) = deliver(&aws.publish_function()).await;
    assert!(response.batch_item_failures.is_empty(), "the stream does not stop: {response:?}");
    assert_eq!(ids(&aws.messages_on(EVENTS_QUEUE)), sids);
    let notes = aws.messages_on(UNPUBLISHED_QUEUE);
    assert_eq!(notes.len(), 1);
    assert_eq!(ids(notes[0]["events"].as_array().unwrap()), sids, "nothing is lost to the archive");
    assert!(notes[0]["archive_key"].as_str().unwrap().starts_with("events/year=2026/"), "{}", notes[0]);
}

#[tokio::test]
async fn archived_events_need_no_note() {
    let aws = AwsStandIn::start(Archiving::Works).await;
    let (sids, response) = deliver(&aws.publish_function()).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(ids(&aws.messages_on(EVENTS_QUEUE)), sids);
    assert_eq!(aws.messages_on(UNPUBLISHED_QUEUE), [0_u8; 0]);
}
