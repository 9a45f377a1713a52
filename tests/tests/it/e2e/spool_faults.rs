//! DynamoDB, and SQS too, fails for the processes of `inbound` and `status`: each webhook is stored once all the same, with the time of
//! its arrival, or answered with 500 so that Twilio brings it again. The deployed `apply-webhooks` applies what is spooled.

use std::time::Duration;

use domain::preference::Preference;
use jiff::Timestamp;
use stack::run::ACCOUNT_SID;
use stores::dynamodb::Item;
use tests::harness::{
    outages::{AwsService, Fault},
    receiver::{Answered, Receiver},
    wire::{KillPoint, Side, Wire},
};

use crate::world::{Person, World, events_so_far, is, new_sid, text};

const EMPTY: &str = twilio_webhook::twiml::EMPTY;
const INBOUND: (&str, &str) = ("inbound", "InboundFunction");
const STATUS: (&str, &str) = ("status", "StatusFunction");

/// Half of the time for which Twilio waits. The function gives up after six and a half seconds at most.
const ANSWERED_WITHIN: Duration = Duration::from_millis(7_500);

/// The faults of DynamoDB: without the request, and after it was executed, where it is not known whether it was.
const FAULTS: [(Side, Fault); 9] = [
    (Side::Before, Fault::Throttled),
    (Side::Before, Fault::Conflict),
    (Side::Before, Fault::ServerError),
    (Side::Before, Fault::Hang),
    (Side::Before, Fault::Reset),
    (Side::Before, Fault::HalfAnswer),
    (Side::After, Fault::ServerError),
    (Side::After, Fault::Hang),
    (Side::After, Fault::Reset),
];

fn failing(service: AwsService, (side, fault): (Side, Fault)) -> Vec<(AwsService, Side, Fault)> {
    vec![(service, side, fault)]
}

fn message<'a>(sid: &'a str, from: &'a str, body: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("MessageSid", sid),
        ("AccountSid", ACCOUNT_SID),
        ("From", from),
        ("To", "whatsapp:+14155238886"),
        ("Body", body),
        ("NumMedia", "0"),
    ]
}

fn delivered(sid: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("MessageSid", sid),
        ("AccountSid", ACCOUNT_SID),
        ("From", "whatsapp:+14155238886"),
        ("To", "whatsapp:+14155550123"),
        ("MessageStatus", "delivered"),
    ]
}

async fn start(world: &World, function: (&str, &str)) -> Receiver {
    let wire = Wire::start(&world.stack).await.unwrap();
    Receiver::start(wire, &world.stack, function, &[]).await.unwrap()
}

/// The only item of a message, once it is stored.
async fn stored(world: &World, sid: &str) -> Item {
    world
        .until("the item of the message", async || {
            let mut items = world.items(sid).await;
            assert!(items.len() < 2, "stored twice");
            items.pop()
        })
        .await
}

/// The item arrived when the webhook was posted, and not when it was applied.
fn assert_arrived_between(item: &Item, begin: Timestamp, end: Timestamp, case: &str) {
    let arrived: Timestamp = text(item, "received_at").unwrap().parse().unwrap();
    assert!(begin <= arrived && arrived <= end, "{case}: {begin} {arrived} {end}");
}

fn assert_answered(answered: &Answered, status: u64, body: &str, case: &str) {
    assert_eq!((answered.status, answered.body.as_str()), (status, body), "{case}");
    assert!(answered.after < ANSWERED_WITHIN, "{case}: {:?}", answered.after);
}

#[tokio::test]
async fn message_is_stored_once_however_dynamodb_fails() {
    let world = World::new();
    let mut receiver = start(&world, INBOUND).await;
    for fault in FAULTS {
        let (case, person, sid) = (format!("{fault:?}"), Person::new(), new_sid());
        receiver.wire.arm_to_fail(failing(AwsService::DynamoDb, fault));
        let begin = Timestamp::now();
        let address = person.address();
        let answered = receiver.post("/twilio/inbound", &message(&sid, &address, "Where is my order?")).await.unwrap();
        let end = Timestamp::now();
        println!("{case}: answered after {:?}", answered.after);
        assert_answered(&answered, 200, EMPTY, &case);
        let item = stored(&world, &sid).await;
        assert_arrived_between(&item, begin, end, &case);
        let event = world.event("the event", is("event_id", &sid)).await;
        assert_eq!(event["occurred_at"].as_str(), text(&item, "received_at"), "{case}");
        let window = world.person(&person).await.person.windows.into_values().next().unwrap();
        assert!(
            begin.duration_since(window).as_secs() < 1 && window <= end,
            "{case}: the window is open since {window}"
        );
    }
}

#[tokio::test]
async fn status_is_stored_once_however_dynamodb_fails() {
    let world = World::new();
    let mut receiver = start(&world, STATUS).await;
    for fault in FAULTS {
        let (case, sid) = (format!("{fault:?}"), new_sid());
        receiver.wire.arm_to_fail(failing(AwsService::DynamoDb, fault));
        let begin = Timestamp::now();
        let answered = receiver.post("/twilio/status", &delivered(&sid)).await.unwrap();
        let end = Timestamp::now();
        println!("{case}: answered after {:?}", answered.after);
        assert_answered(&answered, 204, "", &case);
        assert_arrived_between(&stored(&world, &sid).await, begin, end, &case);
    }
}

#[tokio::test]
async fn spooled_callback_keeps_its_notification_and_attempt() {
    let (world, sid, id) = (World::new(), new_sid(), crate::world::new_id("spooled"));
    let mut receiver = start(&world, STATUS).await;
    receiver.wire.arm_to_fail(failing(AwsService::DynamoDb, (Side::Before, Fault::Throttled)));
    let query = format!("/twilio/status?attempt=2&notification={id}");
    assert_answered(&receiver.post(&query, &delivered(&sid)).await.unwrap(), 204, "", "throttled");
    let callbacks =
        world.until("the callback", async || Some(world.callbacks(&id, 2).await).filter(|all| !all.is_empty()));
    assert_eq!(text(&callbacks.await[0], "message_sid"), Some(sid.as_str()));
}

#[tokio::test]
async fn spooled_form_of_unknown_kind_is_stored() {
    let (world, reference) = (World::new(), new_sid());
    let mut receiver = start(&world, STATUS).await;
    receiver.wire.arm_to_fail(failing(AwsService::DynamoDb, (Side::Before, Fault::Throttled)));
    let form = [("AccountSid", ACCOUNT_SID), ("EventType", "onMessageAdded"), ("Reference", reference.as_str())];
    assert_answered(&receiver.post("/twilio/status", &form).await.unwrap(), 200, EMPTY, "throttled");
    let of_form = |event: &serde_json::Value| event["raw"]["Reference"] == reference.as_str();
    let event = world.event("the form", of_form).await;
    assert_eq!(
        (event["event_type"].as_str(), event["path"].as_str()),
        (Some("twilio_unknown"), Some("/twilio/status"))
    );
}

/// A confirmation would say that the STOP holds.
#[tokio::test]
async fn spooled_stop_is_applied_and_not_confirmed() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let mut receiver = start(&world, INBOUND).await;
    receiver.wire.arm_to_fail(failing(AwsService::DynamoDb, (Side::Before, Fault::Hang)));
    let address = person.address();
    let begin = Timestamp::now();
    let answered = receiver.post("/twilio/inbound", &message(&sid, &address, "STOP")).await.unwrap();
    let end = Timestamp::now();
    assert_answered(&answered, 200, EMPTY, "a STOP");
    let item = stored(&world, &sid).await;
    assert_eq!((text(&item, "preference"), text(&item, "answer")), (Some("opted_out"), None));
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
    let stopped_at = world.person(&person).await.person.last_stop_at.unwrap();
    assert!(begin <= stopped_at && stopped_at <= end, "when the person wrote it");
    let event = world.event("the opt-out", is("message_sid", &sid)).await;
    assert!(event["occurred_at"].is_string());
}

#[tokio::test]
async fn webhook_is_answered_with_500_when_sqs_fails_too() {
    let world = World::new();
    let mut receiver = start(&world, INBOUND).await;
    for fault in [(Side::Before, Fault::ServerError), (Side::Before, Fault::Hang), (Side::After, Fault::Hang)] {
        let (case, address, sid) = (format!("{fault:?}"), Person::new().address(), new_sid());
        let form = message(&sid, &address, "Where is my order?");
        let hang = (AwsService::DynamoDb, Side::Before, Fault::Hang);
        receiver.wire.arm_to_fail([vec![hang], failing(AwsService::Sqs, fault)].concat());
        let answered = receiver.post("/twilio/inbound", &form).await.unwrap();
        println!("{case}: answered after {:?}", answered.after);
        assert_answered(&answered, 500, "internal error", &case);
        // Twilio's fallback URL, or its retry.
        receiver.wire.arm();
        assert_answered(&receiver.post("/twilio/inbound", &form).await.unwrap(), 200, EMPTY, &case);
        stored(&world, &sid).await;
        world.event("the event", is("event_id", &sid)).await;
        assert_eq!(events_so_far(is("event_id", &sid)).len(), 1, "{case}");
    }
}

#[tokio::test]
async fn process_killed_after_spooling_loses_nothing() {
    let (world, address, sid) = (World::new(), Person::new().address(), new_sid());
    let form = message(&sid, &address, "Where is my order?");
    let receiver = start(&world, INBOUND).await;
    let at = KillPoint::Request { operation: "SendMessage".to_owned(), side: Side::After, number: 1 };
    let outages = failing(AwsService::DynamoDb, (Side::Before, Fault::ServerError));
    receiver.post_and_kill("/twilio/inbound", &form, at, outages).await.unwrap();
    stored(&world, &sid).await;
    // Twilio got no answer, and asks its fallback URL.
    let mut receiver = start(&world, INBOUND).await;
    assert_answered(&receiver.post("/twilio/inbound", &form).await.unwrap(), 200, EMPTY, "the fallback");
    stored(&world, &sid).await;
}

#[tokio::test]
async fn function_starts_and_spools_while_dynamodb_fails() {
    let world = World::new();
    for fault in [Fault::Hang, Fault::ServerError] {
        let (address, sid) = (Person::new().address(), new_sid());
        let wire = Wire::start(&world.stack).await.unwrap();
        wire.arm_to_fail(failing(AwsService::DynamoDb, (Side::Before, fault)));
        let mut receiver = Receiver::start(wire, &world.stack, INBOUND, &[]).await.unwrap();
        let form = message(&sid, &address, "Where is my order?");
        assert_answered(&receiver.post("/twilio/inbound", &form).await.unwrap(), 200, EMPTY, &format!("{fault:?}"));
        stored(&world, &sid).await;
        receiver.wire.arm();
        let next = new_sid();
        let form = message(&next, &address, "Hello?");
        assert_answered(&receiver.post("/twilio/inbound", &form).await.unwrap(), 200, EMPTY, "once it works again");
        assert_eq!(world.items(&next).await.len(), 1, "stored before it was answered");
    }
}
