//! What happens to a batch of a stream while a part of AWS is out of order.

use domain::{account_settings::AccountSettings, media_settings::MediaSettings};
use lambda_runtime::Context;
use serde_json::{Value, json};
use shared::tenants::TenantCache;

use super::{
    aws_stand_in::{Archiving, AwsStandIn, BusState, EVENTS_QUEUE, MEDIA_QUEUE, UNPUBLISHED_QUEUE},
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

/// Hands a message with two files to the function, whose event is published in any case.
async fn deliver_with_files(function: &PublishFunction, aws: &AwsStandIn) -> String {
    let messages = happenings(1);
    let mut record = message_record(&messages[0]);
    let raw = &mut record["dynamodb"]["NewImage"]["raw"]["M"];
    for (name, value) in [("NumMedia", "2"), ("MediaUrl0", "https://api.twilio.com/a"), ("MediaUrl1", "gopher://b")] {
        raw[name] = json!({"S": value});
    }
    let event: StreamEvent = serde_json::from_value(json!({"Records": [record]})).unwrap();
    let response = function.handle(LambdaEvent::new(event, Context::default())).await.unwrap();
    assert!(response.batch_item_failures.is_empty(), "{response:?}");
    assert_eq!(ids(&aws.messages_on(EVENTS_QUEUE)), [messages[0].sid.as_str()]);
    messages[0].sid.clone()
}

#[tokio::test]
async fn files_of_a_message_are_named_on_the_media_queue() {
    let aws = AwsStandIn::start(Archiving::Works).await;
    let sid = deliver_with_files(&aws.publish_function(), &aws).await;
    let account = "AC00000000000000000000000000000001";
    let expected = [0, 1].map(|index| json!({"account_sid": account, "message_sid": sid, "index": index, "format": 1}));
    assert_eq!(aws.messages_on(MEDIA_QUEUE), expected);
}

#[tokio::test]
async fn files_are_left_at_twilio_where_none_is_to_be_stored() {
    let aws = AwsStandIn::start(Archiving::Works).await;
    let mut function = aws.publish_function();
    let media = MediaSettings { store_inbound: false, ..MediaSettings::default() };
    function.builder.tenants =
        TenantCache::of_parameters(AccountSettings { media, ..AccountSettings::default() }, None);
    deliver_with_files(&function, &aws).await;
    assert_eq!(aws.messages_on(MEDIA_QUEUE), [0_u8; 0]);
}

#[tokio::test]
async fn every_event_is_on_the_queue_and_on_the_bus() {
    let aws = AwsStandIn::start(Archiving::Works).await;
    let (sids, response) = deliver(&aws.function_with_bus()).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(ids(&aws.messages_on(EVENTS_QUEUE)), sids);
    assert_eq!(aws.events_on_bus(), aws.messages_on(EVENTS_QUEUE), "the detail is the event");
}

#[tokio::test]
async fn record_counts_as_done_when_the_bus_has_its_event() {
    let aws = AwsStandIn::start(Archiving::Works).await;
    let function = aws.function_with_bus();
    aws.set_bus(BusState::Fails);
    let (sids, response) = deliver(&function).await;
    // The sequence number of every record of the test.
    assert_eq!(response.batch_item_failures[0].item_identifier.as_deref(), Some("1"));
    // Another process puts them on the queue too, which drops the repetition.
    deliver(&aws.function_with_bus()).await;
    let deduplication_ids = aws.deduplication_ids();
    assert_eq!(deduplication_ids[..sids.len()], deduplication_ids[sids.len()..]);
    aws.set_bus(BusState::Works);
    let (_, response) = deliver(&function).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(ids(&aws.events_on_bus()), sids);
}

/// The bus may be out of order for longer than the queue remembers what it has.
#[tokio::test]
async fn record_that_comes_again_for_the_bus_is_on_the_queue_once() {
    let aws = AwsStandIn::start(Archiving::Works).await;
    let function = aws.function_with_bus();
    aws.set_bus(BusState::Fails);
    for _ in 0..3 {
        let (sids, response) = deliver(&function).await;
        assert_eq!(response.batch_item_failures.len(), 1);
        assert_eq!(ids(&aws.messages_on(EVENTS_QUEUE)), sids);
    }
    aws.set_bus(BusState::Works);
    let (sids, _) = deliver(&function).await;
    assert_eq!((ids(&aws.messages_on(EVENTS_QUEUE)), ids(&aws.events_on_bus())), (ids_of(&sids), ids_of(&sids)));
    // An operator may publish an item again.
    deliver(&function).await;
    assert_eq!(aws.messages_on(EVENTS_QUEUE).len(), 2 * sids.len());
}

fn ids_of(sids: &[String]) -> Vec<&str> {
    sids.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn throttled_entries_are_put_again_within_the_invocation() {
    let aws = AwsStandIn::start(Archiving::Works).await;
    aws.set_bus(BusState::Throttles);
    let (sids, response) = deliver(&aws.function_with_bus()).await;
    assert_eq!(ids(&aws.events_on_bus()), sids[..3], "one of each of three requests");
    assert_eq!(response.batch_item_failures.len(), 1, "and the rest comes again");
}

#[tokio::test]
async fn event_that_the_bus_refuses_is_set_aside_by_itself() {
    let aws = AwsStandIn::start(Archiving::Works).await;
    let refused: &'static str = happenings(5)[2].sid.clone().leak();
    aws.set_bus(BusState::Refuses(refused));
    let (sids, response) = deliver(&aws.function_with_bus()).await;
    assert!(response.batch_item_failures.is_empty(), "the stream does not stop: {response:?}");
    assert_eq!(ids(&aws.messages_on(EVENTS_QUEUE)), sids);
    assert_eq!(ids(&aws.events_on_bus()), [&sids[..2], &sids[3..]].concat());
    let notes = aws.messages_on(UNPUBLISHED_QUEUE);
    assert_eq!((notes.len(), notes[0]["event_id"].as_str()), (1, Some(refused)));
    assert_eq!(notes[0]["reason"], "EventBridge refused it with the code MalformedDetail");
}
