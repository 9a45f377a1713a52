//! A notification is cancelled before it is sent, and nothing of it is sent then.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use tests::harness::{
    sender::{Record, Sender},
    wire::Side,
};

use super::{
    clock::{icelander, time},
    receive::{template, with_fallback},
};
use crate::{
    support::{queue_of_the_test, store_waiting},
    world::{Person, World, new_id, of_notification, template_notification, text_notification},
};

/// Cancels a notification, and returns the status and the body of the answer.
async fn cancel(world: &World, id: &str) -> (u16, Value) {
    world.call("DELETE", &format!("/notifications/{id}"), "").await
}

/// Cancels a notification that may be sent meanwhile. Returns whether it is cancelled.
pub(crate) async fn cancelled(world: &World, id: &str) -> bool {
    let (status, answer) = cancel(world, id).await;
    match status {
        200 => assert_eq!(answer["outcome"], "cancelled"),
        409 => assert_eq!(answer["error"]["field"], "id"),
        _ => panic!("{status} {answer}"),
    }
    status == 200
}

fn later(id: &str, person: &Person, send_at: Timestamp) -> Value {
    let mut notification = template_notification(id, person);
    notification["send_at"] = json!(send_at.to_string());
    notification
}

async fn bodies(world: &World, person: &Person) -> Vec<Value> {
    world.sent_to(person).await.iter().map(|message| message["body"].clone()).collect()
}

#[tokio::test]
async fn waiting_notification_is_cancelled_with_an_event() {
    let (world, person, id) = (World::new(), Person::new(), new_id("cancelled"));
    let send_at = Timestamp::now() + SignedDuration::from_hours(24);
    world.notify(&later(&id, &person, send_at)).await;
    world.notification_in(&id, "waiting").await;
    let (_, waiting) = world.call("GET", &format!("/notifications/{id}"), "").await;
    assert_eq!(waiting["waits_for"], "send_at", "{waiting}");
    assert_eq!(waiting["due_at"].as_str().unwrap()[..19], send_at.to_string()[..19], "{waiting}");
    let (status, log) = cancel(&world, &id).await;
    assert_eq!((status, &log["state"], &log["outcome"]), (200, &json!("cancelled"), &json!("cancelled")), "{log}");
    assert!(log["reason"].as_str().unwrap().starts_with("cancelled by arn:aws:"), "{log}");
    assert_eq!((&log["waits_for"], &log["due_at"]), (&Value::Null, &Value::Null));
    assert_eq!(cancel(&world, &id).await, (200, log), "a repeated request changes nothing");
    let event = world.event("the event about the cancellation", of_notification("notification_failed", &id)).await;
    assert_eq!((&event["outcome"], &event["state"]), (&json!("cancelled"), &json!("cancelled")), "{event}");
    assert_eq!((&event["metadata"]["order"], &event["message_sid"]), (&json!(id), &Value::Null), "{event}");
}

#[tokio::test]
async fn cancelled_notification_is_not_sent_at_its_time() {
    let (time, person) = (time().await, icelander());
    let world = &time.world;
    let (kept, dropped) = (new_id("kept"), new_id("dropped"));
    let send_at = time.now() + SignedDuration::from_hours(24);
    for id in [&kept, &dropped] {
        world.notify(&later(id, &person, send_at)).await;
        world.notification_in(id, "waiting").await;
    }
    assert_eq!(cancel(world, &dropped).await.0, 200);
    time.advance(Duration::from_hours(24)).await;
    world.notification_in(&kept, "accepted").await;
    assert_eq!(cancel(world, &kept).await.0, 409);
    world.notification_in(&dropped, "cancelled").await;
    assert_eq!(bodies(world, &person).await.len(), 1);
}

#[tokio::test]
async fn sent_notification_is_not_cancelled() {
    let (world, person, id) = (World::new(), Person::new(), new_id("sent"));
    world.notify(&template_notification(&id, &person)).await;
    let sent = world.until_outcome(&id, "read").await;
    let (status, answer) = cancel(&world, &id).await;
    let (sid, message) = (&sent["attempts"][0]["message_sid"], answer["error"]["message"].as_str().unwrap());
    assert_eq!((status, &answer["error"]["field"]), (409, &json!("id")), "{answer}");
    let expected = format!("cannot be cancelled: Twilio has accepted its message ({})", sid.as_str().unwrap());
    assert!(message.ends_with(&expected), "{message}");
    assert_eq!(world.outcome(&id).await.as_deref(), Some("read"), "nothing changed");
}

#[tokio::test]
async fn notification_with_an_odd_id_is_found_by_its_query() {
    let (world, person) = (World::new(), Person::new());
    let id = format!("50% off? a/b {}", new_id("odd"));
    let query = format!(
        "/notifications?id={}",
        id.replace('%', "%25").replace(' ', "%20").replace('?', "%3F").replace('/', "%2F")
    );
    world.notify(&later(&id, &person, Timestamp::now() + SignedDuration::from_hours(24))).await;
    world.notification_in(&id, "waiting").await;
    let (status, log) = world.call("GET", &query, "").await;
    assert_eq!((status, &log["id"]), (200, &json!(id)), "{log}");
    let (status, log) = world.call("DELETE", &query, "").await;
    assert_eq!((status, &log["outcome"]), (200, &json!("cancelled")), "{log}");
    let (status, problem) = world.call("DELETE", "/notifications", "").await;
    assert_eq!((status, &problem["error"]["field"]), (400, &json!("id")), "{problem}");
}

#[tokio::test]
async fn notification_that_is_not_stored_is_not_found() {
    let world = World::new();
    let (status, answer) = cancel(&world, &new_id("never")).await;
    assert_eq!((status, &answer["error"]["field"]), (404, &json!("id")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().starts_with("there is no such notification"), "{answer}");
}

#[tokio::test]
async fn content_of_a_cancelled_notification_follows_no_reply() {
    let (world, person) = (World::new(), Person::new());
    let (id, next) = (new_id("question"), new_id("next"));
    let mut question = with_fallback(text_notification(&id, &person), &[("whatsapp", template())]);
    question["wait_for_reply"] = json!(true);
    world.notify(&question).await;
    world.notification_in(&id, "awaiting_reply").await;
    let (status, log) = cancel(&world, &id).await;
    assert_eq!((status, &log["outcome"]), (200, &json!("cancelled")), "{log}");
    assert_eq!(log["attempts"][0]["outcome"], "accepted", "the template was sent: {log}");
    assert!(world.person(&person).await.person.awaiting.is_empty(), "a reply wakes nothing");
    world.open_window(&person).await;
    let mut text = text_notification(&next, &person);
    text["content"]["body"] = json!("Something else.");
    world.notify(&text).await;
    world.notification_in(&next, "accepted").await;
    world.notification_in(&id, "cancelled").await;
    assert_eq!(bodies(&world, &person).await[1..], ["Something else."]);
}

#[tokio::test]
async fn queued_message_of_a_cancelled_notification_is_dropped() {
    let (world, person, id) = (World::new(), Person::new(), new_id("queued"));
    let whole = template_notification(&id, &person).to_string();
    store_waiting(&world, &whole).await;
    assert!(cancelled(&world, &id).await);
    let reference = json!({"stored_notification": {"account_sid": ACCOUNT_SID, "id": id, "hops": 1}}).to_string();
    let mut sender = Sender::start(&world.stack, &queue_of_the_test(&world).await, &[]).await.unwrap();
    for body in [reference, whole] {
        let returned = sender.deliver(&[Record { message_id: id.clone(), body }]).await.unwrap();
        assert!(returned.is_empty(), "the message does not come again");
        let moments = sender.wire.moments();
        let requested =
            moments.iter().find(|moment| moment.side == Side::Before && !moment.operation.starts_with("BatchGetItem"));
        assert!(requested.is_none(), "nothing is written or sent: {:?}", requested.map(|moment| &moment.operation));
    }
}
