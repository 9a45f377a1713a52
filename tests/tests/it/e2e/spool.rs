//! The spool of webhooks, as it is deployed: the queues and `apply-webhooks`.

use std::time::{Duration, Instant};

use aws_sdk_sqs::types::Message;
use domain::preference::Preference;
use jiff::Timestamp;
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use tests::harness::{
    emulator::{RefusalReason, RefusedRequests, end_refusal},
    outages::{AwsService, Fault},
    receiver::Receiver,
    wire::{Side, Wire},
};

use crate::{
    support::queue_of_the_test,
    world::{Person, World, new_sid, text},
};

/// The request of `inbound`, and those of the first two tries of `apply-webhooks`. The SDK repeats no cancelled transaction.
const REFUSED: u32 = 3;

#[tokio::test]
async fn throttled_stop_is_spooled_and_then_applied() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let refused = RefusedRequests::containing(&sid, RefusalReason::ProvisionedThroughputExceeded, REFUSED);
    let number = refused.begin(&world.stack).await.unwrap();
    let address = person.address();
    let form = [
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT_SID),
        ("From", &address),
        ("To", "whatsapp:+14155238886"),
        ("Body", "STOP"),
        ("NumMedia", "0"),
    ];
    let answer = world.post_signed("/twilio/inbound", &form).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().ends_with("<Response/>"), "not confirmed, because it does not hold yet");
    let event = world.event("the opt-out", |event: &Value| event["message_sid"] == sid.as_str()).await;
    assert!(event["event_type"] == "contact_opted_out" || event["event_type"] == "twilio_inbound");
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
    let left = end_refusal(&world.stack, number).await.unwrap();
    assert_eq!(
        (left, world.items(&sid).await.len()),
        (0, 1),
        "the function and its retries were refused, and it is stored once"
    );
}

/// The body of a spooled message of a person.
fn body(sid: &str, from: &str, arrived_at: Timestamp) -> String {
    let form = [("MessageSid", sid), ("AccountSid", ACCOUNT_SID), ("From", from), ("To", "whatsapp:+14155238886")];
    let form: twilio_webhook::form::Form =
        form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    json!({"format": 1, "arrived_at": arrived_at, "path": "/twilio/inbound", "form": form.encode()}).to_string()
}

async fn receive(world: &World, queue_url: &str) -> Vec<Message> {
    let receive = world.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10);
    let receive = receive.visibility_timeout(60).wait_time_seconds(1).message_attribute_names("All");
    receive.send().await.unwrap().messages.unwrap_or_default()
}

/// The queues of a test, and the function's process between them.
struct Consumer {
    spool_url: String,
    dead_letters_url: String,
    receiver: Receiver,
}

async fn consumer(world: &World) -> Consumer {
    let (spool_url, dead_letters_url) = (queue_of_the_test(world).await, queue_of_the_test(world).await);
    let different =
        [("SPOOL_QUEUE_URL", spool_url.as_str()), ("SPOOL_DEAD_LETTER_QUEUE_URL", dead_letters_url.as_str())];
    let wire = Wire::start(&world.stack).await.unwrap();
    let function = ("apply-webhooks", "ApplyWebhooksFunction");
    let receiver = Receiver::start(wire, &world.stack, function, &different).await.unwrap();
    Consumer { spool_url, dead_letters_url, receiver }
}

impl Consumer {
    async fn put(&self, world: &World, body: &str) {
        world.sqs.send_message().queue_url(&self.spool_url).message_body(body).send().await.unwrap();
    }
}

#[tokio::test]
async fn webhook_that_cannot_be_applied_comes_again_soon() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let mut consumer = consumer(&world).await;
    let arrived_at = Timestamp::now() - Duration::from_hours(1);
    consumer.put(&world, &body(&sid, &person.address(), arrived_at)).await;
    for fault in [Fault::Throttled, Fault::Hang] {
        let received = receive(&world, &consumer.spool_url).await;
        assert_eq!(received.len(), 1, "the only message");
        consumer.receiver.wire.arm_to_fail(vec![(AwsService::DynamoDb, Side::Before, fault)]);
        let failed = consumer.receiver.deliver(&received).await.unwrap();
        assert_eq!(failed, [received[0].message_id.clone().unwrap()], "{fault:?}");
        // Its visibility timeout was a minute.
        let begin = Instant::now();
        world
            .until("the message again", async || {
                let get = world.sqs.get_queue_attributes().queue_url(&consumer.spool_url);
                let get = get.attribute_names(aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages);
                let found = get.send().await.unwrap().attributes.unwrap_or_default();
                found.into_values().any(|number| number == "1").then_some(())
            })
            .await;
        assert!(begin.elapsed() < Duration::from_secs(30), "{fault:?}: {:?}", begin.elapsed());
    }
    let received = receive(&world, &consumer.spool_url).await;
    consumer.receiver.wire.arm();
    for _ in 0..2 {
        // SQS may deliver a message twice.
        assert!(consumer.receiver.deliver(&received).await.unwrap().is_empty());
    }
    let items = world.items(&sid).await;
    assert_eq!(items.len(), 1);
    assert_eq!(text(&items[0], "received_at"), Some(arrived_at.to_string().as_str()));
    let window = world.person(&person).await.person.windows.into_values().next();
    assert_eq!(window.unwrap().as_millisecond(), arrived_at.as_millisecond(), "open since the webhook arrived");
}

#[tokio::test]
async fn unreadable_webhook_is_set_aside_alone() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let mut consumer = consumer(&world).await;
    let newer = json!({"format": 2, "webhook": sid}).to_string();
    for body in [&newer, &body(&sid, &person.address(), Timestamp::now()), "no JSON"] {
        consumer.put(&world, body).await;
    }
    let received = world.until("all messages", async || {
        let received = receive(&world, &consumer.spool_url).await;
        (received.len() == 3).then_some(received)
    });
    let received = received.await;
    assert!(consumer.receiver.deliver(&received).await.unwrap().is_empty(), "none comes again");
    assert_eq!(world.items(&sid).await.len(), 1, "the one that can be read is applied");
    let mut letters = receive(&world, &consumer.dead_letters_url).await;
    letters.sort_by_key(|letter| letter.body.clone());
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[1].body.as_deref(), Some(newer.as_str()));
    let reason = |letter: &Message| {
        letter.message_attributes.as_ref().and_then(|found| found.get("reason")?.string_value.clone()).unwrap()
    };
    let later = "a spooled webhook has the format 2, and this release reads 1: deploy the release that wrote it";
    assert_eq!(reason(&letters[1]), later);
    assert!(reason(&letters[0]).starts_with("expected the JSON of a spooled webhook"), "{}", reason(&letters[0]));
}

#[tokio::test]
async fn unreadable_message_of_the_deployed_queue_is_set_aside() {
    let world = World::new();
    let queue = &world.stack.outputs.spool_queue_url;
    world.sqs.send_message().queue_url(queue).message_body("no webhook").send().await.unwrap();
    let letters = &world.stack.outputs.spool_dead_letter_queue_url;
    let letter = world
        .until("the dead letter", async || {
            let found = receive(&world, letters).await;
            found.into_iter().find(|letter| letter.body.as_deref() == Some("no webhook"))
        })
        .await;
    let handle = letter.receipt_handle.unwrap_or_default();
    world.sqs.delete_message().queue_url(letters).receipt_handle(handle).send().await.unwrap();
}
