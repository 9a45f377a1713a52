//! Records in an order that AWS allows. It keeps the order of the changes of one item, and of nothing else: two items are
//! in different shards, or in different lanes of one shard (AWS Lambda, "Using AWS Lambda with Amazon DynamoDB",
//! `ParallelizationFactor`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Context;
use serde_json::{Value, json};

use super::{
    aws_stand_in::{Archiving, AwsStandIn, EVENTS_QUEUE},
    *,
};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const PERSON: &str = "+14155550123";
/// Two shards with a parallelization factor of 4.
const LANES: usize = 8;
const BATCH: usize = 3;

/// What the person did: `number` messages, two a second, of which every third is a STOP or a START, in turn.
pub(crate) struct Happening {
    pub(crate) sid: String,
    at: Timestamp,
    preference: Option<&'static str>,
}

pub(crate) fn happenings(number: usize) -> Vec<Happening> {
    let start: Timestamp = "2026-11-20T09:00:00.5Z".parse().unwrap();
    let preference = |index: usize| match index % 6 {
        2 => Some("opted_out"),
        5 => Some("opted_in"),
        _ => None,
    };
    (0..number)
        .map(|index| Happening {
            // The SIDs are in no order.
            sid: format!("SM{:032x}", (index * 7_919 + 13) % 1_009),
            at: start + SignedDuration::from_millis(500 * i64::try_from(index).unwrap()),
            preference: preference(index),
        })
        .collect()
}

pub(crate) fn message_record(happening: &Happening) -> Value {
    let Happening { sid, at, .. } = happening;
    let text = |value: &str| json!({"S": value});
    let raw = json!({
        "MessageSid": text(sid), "AccountSid": text(ACCOUNT), "From": text(&format!("whatsapp:{PERSON}")),
        "To": text("whatsapp:+14155238886"), "Body": text("Hello"), "NumMedia": text("0")
    });
    let keys = json!({"subject": text(&format!("{ACCOUNT}#{sid}")), "event": text("inbound")});
    let mut image = json!({
        "message_sid": text(sid), "account_sid": text(ACCOUNT), "received_at": text(&at.to_string()),
        "expires_at": {"N": "1799000000"}, "raw": {"M": raw}
    });
    image.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    record("INSERT", "messages", &keys, &image)
}

fn preference_record(happening: &Happening) -> Option<Value> {
    let preference = happening.preference?;
    let text = |value: &str| json!({"S": value});
    let change = json!({
        "event_id": text(&format!("{}.contact_{preference}", happening.sid)), "preference": text(preference),
        "channel": text("whatsapp"), "identity": text(PERSON), "scopes": {"L": [text("all")]},
        "message_sid": text(&happening.sid), "at": text(&happening.at.to_string())
    });
    let keys = json!({"contact": text(&format!("{ACCOUNT}#{PERSON}")), "facet": text("person")});
    let mut image = json!({"last_change": text("preference"), "preference_change": {"M": change}});
    image.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    Some(record("MODIFY", "contacts", &keys, &image))
}

fn record(name: &str, table: &str, keys: &Value, image: &Value) -> Value {
    json!({
        "awsRegion": "us-east-1", "eventID": "1", "eventName": name, "eventSource": "aws:dynamodb",
        "dynamodb": {"Keys": keys, "NewImage": image, "SequenceNumber": "1", "SizeBytes": 1},
        "eventSourceARN": format!("arn:aws:dynamodb:us-east-1:123456789012:table/{table}/stream/2026-11-20")
    })
}

/// The records of each lane: all records of one item are in one lane, in their order.
fn lanes(records: impl Iterator<Item = Value>) -> Vec<Vec<Value>> {
    let mut lanes: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for record in records {
        let keys = record["dynamodb"]["Keys"].to_string();
        let lane = keys.bytes().fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % LANES;
        lanes.entry(lane).or_default().push(record);
    }
    lanes.into_values().collect()
}

/// Hands each lane its batches, one after another. The lanes of one table are concurrent, and the last one is ahead.
async fn deliver(function: &PublishFunction, lanes: Vec<Vec<Value>>) {
    let delivered = lanes.into_iter().rev().map(async |lane| {
        for batch in lane.chunks(BATCH) {
            let event: StreamEvent = serde_json::from_value(json!({"Records": batch})).unwrap();
            let response = function.handle(LambdaEvent::new(event, Context::default())).await.unwrap();
            assert!(response.batch_item_failures.is_empty());
        }
    });
    join_all(delivered).await;
}

fn texts(events: &[Value], field: &str) -> Vec<String> {
    events.iter().map(|event| event[field].as_str().unwrap().to_owned()).collect()
}

/// The published events of a person's messages and of their preferences, in the order of their arrival.
async fn published_events(happenings: &[Happening]) -> Vec<Value> {
    let aws = AwsStandIn::start(Archiving::Works).await;
    let function = aws.publish_function();
    let messages = lanes(happenings.iter().map(message_record));
    let people = lanes(happenings.iter().filter_map(preference_record));
    tokio::join!(deliver(&function, messages), deliver(&function, people));
    aws.messages_on(EVENTS_QUEUE)
}

#[tokio::test]
async fn swapped_messages_sort_by_sequence_into_their_order() {
    let happenings = happenings(60);
    let mut events = published_events(&happenings).await;
    let expected: Vec<String> = happenings
        .iter()
        .flat_map(|happening| {
            let derived = happening.preference.map(|preference| format!("{}.contact_{preference}", happening.sid));
            [happening.sid.clone()].into_iter().chain(derived)
        })
        .collect();
    assert_ne!(texts(&events, "event_id"), expected, "the lanes swap nothing, so the test shows nothing");
    events.sort_by(|one, other| one["sequence"].as_str().cmp(&other["sequence"].as_str()));
    assert_eq!(texts(&events, "event_id"), expected);
}

#[tokio::test]
async fn opt_outs_and_opt_ins_of_a_person_come_in_their_order() {
    let happenings = happenings(60);
    let events = published_events(&happenings).await;
    let changes: Vec<Value> = events.into_iter().filter(|event| event["event_type"] != "twilio_inbound").collect();
    let expected: Vec<String> = happenings
        .iter()
        .filter_map(|happening| Some(format!("{}.contact_{}", happening.sid, happening.preference?)))
        .collect();
    assert_eq!(texts(&changes, "event_id"), expected);
    assert_eq!(changes.last().unwrap()["event_type"], "contact_opted_in", "what the person said last");
}
