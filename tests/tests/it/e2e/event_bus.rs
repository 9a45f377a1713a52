//! The event bus: the deployed function puts every event on it, and rules deliver it to other systems.
//!
//! The tests that need a bus out of order start the publish function themselves.

use serde_json::{Value, json};
use stack::REGION;
use tests::harness::wire::Side;

use super::unpublished::{Publisher, inbound, received};
use crate::world::{Person, World, new_id, new_sid};

const BUS: &str = "default";
/// The account of the emulator.
const AWS_ACCOUNT: &str = "000000000000";

/// A rule on the bus, and the queue that it delivers to.
struct Subscription {
    queue_url: String,
}

impl Subscription {
    async fn to(world: &World, pattern: &Value) -> Self {
        let name = new_id("subscription");
        let rule = format!("arn:aws:events:{REGION}:{AWS_ACCOUNT}:rule/{name}");
        let queue = format!("arn:aws:sqs:{REGION}:{AWS_ACCOUNT}:{name}");
        let statement = json!({
            "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": queue, "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        });
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let create = world.sqs.create_queue().queue_name(&name);
        let create = create.attributes(aws_sdk_sqs::types::QueueAttributeName::Policy, policy);
        let queue_url = create.send().await.unwrap().queue_url.unwrap();
        let put_rule = json!({"Name": name, "EventBusName": BUS, "EventPattern": pattern.to_string()});
        call(world, "PutRule", &put_rule).await;
        let targets = json!({"Rule": name, "EventBusName": BUS, "Targets": [{"Id": "queue", "Arn": queue}]});
        call(world, "PutTargets", &targets).await;
        Self { queue_url }
    }

    /// Waits for an event.
    async fn event(&self, world: &World, wanted: impl Fn(&Value) -> bool) -> Value {
        world
            .until("an event on the bus", async || {
                received(world, &self.queue_url).await.into_iter().find(|envelope| wanted(&envelope["detail"]))
            })
            .await
    }
}

/// Calls EventBridge as the administrator.
pub(super) async fn call(world: &World, action: &str, request: &Value) -> Value {
    let request = request.to_string();
    let signed = world.signed("events", "POST", &world.stack.aws_endpoint, &request);
    let signed = signed.header("X-Amz-Target", format!("AWSEvents.{action}"));
    let answer = signed.header("Content-Type", "application/x-amz-json-1.1").send().await.unwrap();
    let (status, answer) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{action}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test]
async fn deployed_function_puts_every_event_on_the_bus() {
    let world = World::new();
    let person = Person::new();
    let pattern = json!({"source": ["whatsapp-on-lambda"], "detail": {"from": [person.address()]}});
    let of_person = Subscription::to(&world, &pattern).await;
    let pattern = json!({"source": ["whatsapp-on-lambda"], "detail-type": ["contact.opted_out.v1"]});
    let opt_outs = Subscription::to(&world, &pattern).await;
    world.write(&person, "Where is my order?").await;
    world.write(&person, "STOP").await;
    let is_message = |event: &Value| event["from"] == person.address() && event["body"] == "Where is my order?";
    let of_queue = world.event("the message on the events queue", is_message).await;
    let on_bus = of_person.event(&world, is_message).await;
    assert_eq!(on_bus["detail"], of_queue, "the detail is the event");
    assert_eq!(
        (&on_bus["source"], &on_bus["detail-type"]),
        (&json!("whatsapp-on-lambda"), &json!("twilio.inbound.v1"))
    );
    let is_of_person = |event: &Value| event["contact"] == person.identity;
    let opt_out = opt_outs.event(&world, is_of_person).await;
    assert_eq!(opt_out["detail"]["event_type"], "contact_opted_out");
}

#[tokio::test]
async fn event_comes_again_until_the_bus_has_it() {
    let world = World::new();
    let mut publisher = Publisher::start_with_bus(&world, BUS).await;
    let sid = new_sid();
    let every = Subscription::to(&world, &json!({"detail": {"message_sid": [sid]}})).await;
    let records = [inbound(&world, &sid, "hello")];
    publisher.wire.arm_to_throttle("PutEvents", Side::Before);
    assert_eq!(publisher.deliver(&records).await.as_deref(), Some(sid.as_str()), "the record comes again");
    publisher.wire.arm();
    assert_eq!(publisher.deliver(&records).await, None);
    every.event(&world, |event| event["message_sid"] == sid.as_str()).await;
    // The process has not put it on the queue again, and the queue would drop the repetition.
    assert_eq!(publisher.event_ids(&world).await, [sid]);
}

#[tokio::test]
async fn event_too_large_for_the_bus_is_set_aside_by_itself() {
    let world = World::new();
    let mut publisher = Publisher::start_with_bus(&world, BUS).await;
    let [too_large, last] = std::array::from_fn(|_| new_sid());
    let every = Subscription::to(&world, &json!({"detail": {"message_sid": [too_large, last]}})).await;
    // The body is in the event twice, so that the entry is larger than a megabyte.
    let records = [inbound(&world, &too_large, &"x".repeat(525_000)), inbound(&world, &last, "hello")];
    assert_eq!(publisher.deliver(&records).await, None, "the stream does not stop");
    every.event(&world, |event| event["message_sid"] == last.as_str()).await;
    let notes = publisher.notes(&world).await;
    assert_eq!((notes.len(), &notes[0]["event_id"]), (1, &json!(too_large)));
    assert!(notes[0]["reason"].as_str().unwrap().ends_with("EventBridge accepts less than 1 MB"), "{}", notes[0]);
}
