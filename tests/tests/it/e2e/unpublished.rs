//! A record that can never be published is noted on the unpublished queue, and the other records are published.
//!
//! Most tests start the publish function themselves, with separate queues, because the deployed events queue accepts every
//! event that a person can cause.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName::{FifoQueue, MaximumMessageSize};
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use tests::harness::{
    bootstrap,
    function::FunctionProcess,
    wire::{Side, Wire},
};

use crate::world::{Person, World, new_id, new_sid, subject_of_message};

/// The longest message that the test's events queue accepts: SQS refuses a longer one as a fault of the message.
const LONGEST: usize = 4_096;

pub(super) struct Publisher {
    pub(super) wire: Wire,
    function: FunctionProcess,
    events_url: String,
    unpublished_url: String,
}

impl Publisher {
    async fn start(world: &World) -> Self {
        Self::start_with_archive(world, &world.stack.outputs.archive_bucket_name).await
    }

    async fn start_with_archive(world: &World, bucket: &str) -> Self {
        Self::start_with(world, &[("ARCHIVE_BUCKET", bucket)]).await
    }

    pub(super) async fn start_with_bus(world: &World, bus: &str) -> Self {
        Self::start_with(world, &[("EVENT_BUS_NAME", bus)]).await
    }

    pub(super) async fn start_with(world: &World, variables: &[(&str, &str)]) -> Self {
        let events = world.sqs.create_queue().queue_name(format!("{}.fifo", new_id("events")));
        let events = events.attributes(FifoQueue, "true").attributes(MaximumMessageSize, LONGEST.to_string());
        let events_url = events.send().await.unwrap().queue_url.unwrap();
        let unpublished = world.sqs.create_queue().queue_name(new_id("unpublished"));
        let unpublished_url = unpublished.send().await.unwrap().queue_url.unwrap();
        let wire = Wire::start(&world.stack).await.unwrap();
        let mut environment = world.stack.function_environments()["PublishFunction"].clone();
        environment["AWS_ENDPOINT_URL"] = json!(wire.aws_url);
        environment["EVENTS_QUEUE_URL"] = json!(events_url);
        environment["UNPUBLISHED_QUEUE_URL"] = json!(unpublished_url);
        for (name, value) in variables {
            environment[*name] = json!(value);
        }
        let function = FunctionProcess::start(&bootstrap("publish"), &[], &environment).await.unwrap();
        Self { wire, function, events_url, unpublished_url }
    }

    /// Delivers a batch of a stream and returns the sequence number from which it has to be retried.
    pub(super) async fn deliver(&mut self, records: &[Value]) -> Option<String> {
        let event = json!({"Records": records}).to_string().into();
        let (_, answer) = self.function.runtime.invoke(&event).await.unwrap();
        let failure = answer["batchItemFailures"].as_array().unwrap().first()?;
        Some(failure["itemIdentifier"].as_str().unwrap().to_owned())
    }

    /// The ids of the events on the queue.
    pub(super) async fn event_ids(&self, world: &World) -> Vec<String> {
        let events = received(world, &self.events_url).await;
        events.iter().map(|event| event["event_id"].as_str().unwrap().to_owned()).collect()
    }

    /// The messages of a batch are independent, so their events may come in any order.
    async fn sorted_event_ids(&self, world: &World) -> Vec<String> {
        sorted(self.event_ids(world).await)
    }

    pub(super) async fn notes(&self, world: &World) -> Vec<Value> {
        received(world, &self.unpublished_url).await
    }
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// Receives and deletes all messages of a queue.
pub(super) async fn received(world: &World, queue_url: &str) -> Vec<Value> {
    let mut bodies = Vec::new();
    loop {
        let received =
            world.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10).send().await.unwrap();
        if received.messages().is_empty() {
            return bodies;
        }
        for message in received.messages() {
            bodies.push(serde_json::from_str(message.body().unwrap()).unwrap());
            let handle = message.receipt_handle().unwrap();
            world.sqs.delete_message().queue_url(queue_url).receipt_handle(handle).send().await.unwrap();
        }
    }
}

/// The stream record of an inbound message.
pub(super) fn inbound(world: &World, sid: &str, body: &str) -> Value {
    let text = |text: &str| json!({"S": text});
    let raw = json!({
        "MessageSid": text(sid), "AccountSid": text(ACCOUNT_SID), "From": text(&Person::new().address()),
        "To": text("whatsapp:+14155238886"), "NumMedia": text("0"), "Body": text(body)
    });
    let table = &world.stack.outputs.messages_table_name;
    json!({
        "eventID": new_id("record"), "eventName": "INSERT", "awsRegion": "us-east-1", "eventSource": "aws:dynamodb",
        "eventSourceARN": format!("arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/2026-11-20"),
        "dynamodb": {
            "Keys": {"subject": text(&subject_of_message(sid)), "event": text("inbound")},
            "NewImage": {
                "subject": text(&subject_of_message(sid)), "message_sid": text(sid), "event": text("inbound"), "account_sid": text(ACCOUNT_SID),
                "received_at": text("2026-11-20T09:00:00Z"), "expires_at": {"N": "1795000000"}, "raw": {"M": raw}
            },
            "SequenceNumber": sid, "SizeBytes": 1
        }
    })
}

/// As [`inbound`], with an item that cannot be parsed.
fn unreadable(world: &World, sid: &str) -> Value {
    let mut record = inbound(world, sid, "hello");
    record["dynamodb"]["NewImage"]["received_at"] = json!({"S": "yesterday"});
    record
}

fn note_of<'a>(notes: &'a [Value], sid: &str) -> &'a Value {
    notes.iter().find(|note| note["keys"]["subject"]["S"] == subject_of_message(sid).as_str()).unwrap()
}

#[tokio::test]
async fn unpublishable_records_do_not_block_the_others() {
    let world = World::new();
    let mut publisher = Publisher::start(&world).await;
    let [first, refused, unreadable_sid, too_long, last] = std::array::from_fn(|_| new_sid());
    let records = [
        inbound(&world, &first, "hello"),
        inbound(&world, &refused, &"x".repeat(LONGEST)),
        unreadable(&world, &unreadable_sid),
        // An event has the body twice, and SQS accepts 1 MiB.
        inbound(&world, &too_long, &"x".repeat(600_000)),
        inbound(&world, &last, "hello"),
    ];
    assert_eq!(publisher.deliver(&records).await, None);
    assert_eq!(publisher.sorted_event_ids(&world).await, sorted(vec![first, last]));

    let notes = publisher.notes(&world).await;
    assert_eq!(notes.len(), 3);
    for (sid, reason) in
        [(&refused, "SQS refused it with the code InvalidParameterValue"), (&too_long, "its JSON has 12")]
    {
        let note = note_of(&notes, sid);
        assert!(note["reason"].as_str().unwrap().starts_with(reason), "{note}");
        assert_eq!(note["event_id"], json!(sid));
        assert_eq!(note["sequence_number"], json!(sid));
        assert!(archived(&world, note).await["body"].as_str().unwrap().starts_with("xxx"));
    }
    let note = note_of(&notes, &unreadable_sid);
    assert!(note["reason"].as_str().unwrap().starts_with("an item of the Messages table cannot be read"), "{note}");
    assert_eq!(note["table"], world.stack.outputs.messages_table_name);
    assert_eq!(note["event_id"], Value::Null);
    assert_eq!(note["archive_key"], Value::Null);
}

/// The archived event that a note refers to.
async fn archived(world: &World, note: &Value) -> Value {
    let get = world.s3.get_object().bucket(&world.stack.outputs.archive_bucket_name);
    let object = get.key(note["archive_key"].as_str().unwrap()).send().await.unwrap();
    let lines = object.body.collect().await.unwrap().into_bytes();
    let mut events = lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    events.find(|event| event["event_id"] == note["event_id"]).unwrap()
}

#[tokio::test]
async fn events_go_on_while_the_archive_refuses_them() {
    let world = World::new();
    let mut publisher = Publisher::start_with_archive(&world, &new_id("there-is-none")).await;
    let [first, too_long, last] = std::array::from_fn(|_| new_sid());
    let records = [
        inbound(&world, &first, "hello"),
        inbound(&world, &too_long, &"x".repeat(600_000)),
        inbound(&world, &last, "hello"),
    ];
    assert_eq!(publisher.deliver(&records).await, None, "the stream does not stop");
    let expected = sorted(vec![first, last]);
    assert_eq!(publisher.sorted_event_ids(&world).await, expected);
    let notes = publisher.notes(&world).await;
    assert_eq!(notes.len(), 2);
    assert_eq!(note_of(&notes, &too_long)["archive_key"], Value::Null);
    let missing = notes.iter().find(|note| note["events"].is_array()).unwrap();
    assert!(missing["archive_key"].as_str().unwrap().starts_with("events/year="), "{missing}");
    let kept = missing["events"].as_array().unwrap().iter();
    let mut kept: Vec<_> = kept.map(|event| event["event_id"].as_str().unwrap().to_owned()).collect();
    kept.sort();
    assert_eq!(kept, expected, "what the archive lacks is kept");
}

#[tokio::test]
async fn throttled_queue_returns_the_records_for_retry() {
    let world = World::new();
    let mut publisher = Publisher::start(&world).await;
    let [first, unreadable_sid, last] = std::array::from_fn(|_| new_sid());
    let records =
        [inbound(&world, &first, "hello"), unreadable(&world, &unreadable_sid), inbound(&world, &last, "hello")];
    publisher.wire.arm_to_throttle("SendMessageBatch", Side::Before);
    assert_eq!(publisher.deliver(&records).await.as_deref(), Some(first.as_str()));
    // Only the note names the table, so the wire calls its request this.
    publisher.wire.arm_to_throttle("SendMessageBatch of Messages", Side::Before);
    assert_eq!(publisher.deliver(&records[1..]).await.as_deref(), Some(unreadable_sid.as_str()));
    assert_eq!(publisher.notes(&world).await.len(), 0);
    publisher.wire.arm();
    assert_eq!(publisher.deliver(&records).await, None);
    let event_ids = publisher.event_ids(&world).await;
    assert_eq!(event_ids, [last, first], "the second delivery published the last one already");
    assert_eq!(publisher.notes(&world).await.len(), 1);
}

#[tokio::test]
async fn item_is_published_again_from_a_record_made_by_hand() {
    let world = World::new();
    let mut publisher = Publisher::start(&world).await;
    let sid = new_sid();
    let image = inbound(&world, &sid, "hello")["dynamodb"]["NewImage"].clone();
    // As the README describes.
    let again = json!({
        "eventID": "again-1", "eventName": "INSERT", "awsRegion": "",
        "dynamodb": {"NewImage": image, "SequenceNumber": new_id("again"), "SizeBytes": 0}
    });
    assert_eq!(publisher.deliver(&[again]).await, None);
    assert_eq!(publisher.event_ids(&world).await, [sid]);
}

#[tokio::test]
async fn deployed_function_may_note_an_unreadable_item() {
    let world = World::new();
    let sid = new_sid();
    let put = world.dynamodb.put_item().table_name(&world.stack.outputs.messages_table_name);
    let subject = subject_of_message(&sid);
    let put =
        put.item("subject", AttributeValue::S(subject.clone())).item("event", AttributeValue::S("inbound".into()));
    put.send().await.unwrap();
    let of_item = |note: &Value| note["keys"]["subject"]["S"] == subject.as_str();
    let queue_url = &world.stack.outputs.unpublished_queue_url;
    let note = world.until("the note", async || received(&world, queue_url).await.into_iter().find(of_item)).await;
    assert_eq!(note["table"], world.stack.outputs.messages_table_name);
}
