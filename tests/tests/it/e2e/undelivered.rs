//! An option follows a message that is accepted and not delivered in time.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    clock::{icelander, time},
    reconcile::{lose, sweep},
};
use crate::world::{Person, new_id, template_notification, text};

const SMS: &str = "Your order is on its way.";

/// A template, and after ten minutes without a delivery an SMS.
fn with_sms_after(id: &str, person: &Person) -> Value {
    let mut notification = template_notification(id, person);
    let content = json!({"type": "text", "body": SMS});
    notification["fallback"] = json!([{"channel": "sms", "content": content, "after": "10m"}]);
    notification
}

#[tokio::test]
async fn sms_follows_ten_minutes_without_a_delivery() {
    let (time, person, id) = (time().await, icelander(), new_id("phone-off"));
    let world = &time.world;
    // The phone is off: WhatsApp has the message and reports nothing more.
    world.plan(&person, 1, json!({"kind": "report", "statuses": ["queued", "sent"]})).await;
    world.notify(&with_sms_after(&id, &person)).await;
    let accepted = world.notification_in(&id, "accepted").await;
    assert_eq!(text(&accepted, "waits_for"), Some("delivery"));
    time.advance(Duration::from_mins(9)).await;
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 0, "one minute is left");
    time.advance(Duration::from_mins(2)).await;
    let log = world.until_outcome(&id, "delivered").await;
    let [template] = world.sent_to(&person).await.try_into().unwrap();
    let [sms] = world.sent_by_sms_to(&person).await.try_into().unwrap();
    assert_eq!(sms["body"], SMS);
    let [first, second] = log["attempts"].as_array().unwrap().as_slice() else { panic!("{log}") };
    assert_eq!((&first["message_sid"], &first["outcome"]), (&template["sid"], &json!("accepted")));
    assert_eq!(first["reason"], "no delivery was reported in time, so the next option was sent");
    assert_eq!((&second["message_sid"], &second["channel"]), (&sms["sid"], &json!("sms")));
    time.advance(Duration::from_mins(30)).await;
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 1, "each option once");
}

#[tokio::test]
async fn option_that_follows_silence_is_cancelled() {
    let (time, person, id) = (time().await, icelander(), new_id("cancelled-option"));
    let world = &time.world;
    world.plan(&person, 1, json!({"kind": "report", "statuses": ["queued", "sent"]})).await;
    world.notify(&with_sms_after(&id, &person)).await;
    world.notification_in(&id, "accepted").await;
    let path = format!("/notifications/{id}");
    let (status, log) = world.call("DELETE", &path, "").await;
    assert_eq!((status, &log["state"], &log["outcome"]), (200, &json!("accepted"), &Value::Null), "{log}");
    assert!(log["reason"].as_str().unwrap().starts_with("cancelled by arn:aws:"), "{log}");
    assert!(log["cancelled_at"].is_string() && log["due_at"].is_null(), "{log}");
    let (status, again) = world.call("DELETE", &path, "").await;
    let of = |log: &Value| (log["reason"].clone(), log["cancelled_at"].clone());
    assert_eq!((status, of(&again)), (200, of(&log)), "a repeated request changes nothing");
    time.advance(Duration::from_mins(20)).await;
    let later = new_id("later");
    world.notify(&template_notification(&later, &person)).await;
    world.until_outcome(&later, "read").await;
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 0);
}

/// The phone is off, the SMS is refused, and then the phone is on again, and its callbacks are lost.
#[tokio::test]
async fn refused_option_and_lost_callbacks_still_end() {
    let (time, person, id) = (time().await, icelander(), new_id("refused-option"));
    let world = &time.world;
    world.plan(&person, 1, json!({"kind": "report", "statuses": ["queued", "sent"]})).await;
    world.plan_at(&person.identity, 1, json!({"kind": "refuse", "status": 400, "code": 21211})).await;
    world.notify(&with_sms_after(&id, &person)).await;
    world.notification_in(&id, "accepted").await;
    lose(world, &person.identity, 1.0, 1).await;
    time.advance(Duration::from_mins(11)).await;
    world
        .until("a refused SMS", async || {
            let log = world.log(&id).await;
            (log["attempts"][1]["outcome"] == "rejected").then_some(())
        })
        .await;
    assert_eq!(world.outcome(&id).await, None, "the template may arrive");
    let [template] = world.sent_to(&person).await.try_into().unwrap();
    let report = json!({"status": "delivered"});
    world.control("POST", &format!("messages/{}/status", template["sid"].as_str().unwrap()), &report).await;
    time.advance(Duration::from_mins(10)).await;
    sweep(world).await;
    lose(world, &person.identity, 0.0, 1).await;
    world.until_outcome(&id, "delivered").await;
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 0);
}

#[tokio::test]
async fn delivered_message_is_followed_by_nothing() {
    let (time, person, id) = (time().await, icelander(), new_id("delivered"));
    let world = &time.world;
    world.notify(&with_sms_after(&id, &person)).await;
    world.until_outcome(&id, "read").await;
    let item = world.notification(&id).await.unwrap();
    assert!(!item.contains_key("due_at"), "nothing is due any more");
    time.advance(Duration::from_mins(30)).await;
    let later = new_id("later");
    world.notify(&template_notification(&later, &person)).await;
    world.until_outcome(&later, "read").await;
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 0);
}
