//! What became of a notification: one outcome in the API and in the event, and one attempt for each request.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::receive::{agree, marketing, with_fallback};
use crate::world::{Person, World, events_so_far, new_id, of_notification, template_notification, text};

/// "Meta chose not to deliver this WhatsApp marketing message" (Twilio, error 63049).
const WITHHELD: u32 = 63049;

async fn log(world: &World, id: &str) -> Value {
    world.call("GET", &format!("/notifications/{id}"), "").await.1
}

#[tokio::test]
async fn delivered_message_is_the_outcome_without_an_event() {
    let (world, person, id) = (World::new(), Person::new(), new_id("delivered"));
    world.plan(&person, 1, json!({"kind": "report", "statuses": ["queued", "sent", "delivered"]})).await;
    world.notify(&template_notification(&id, &person)).await;
    let log = world.until_outcome(&id, "delivered").await;
    assert_eq!((&log["state"], &log["attempts"][0]["current_status"]), (&json!("accepted"), &json!("delivered")));
    assert_eq!(log["attempts"].as_array().unwrap().len(), 1, "{log}");
    assert_eq!(events_so_far(of_notification("notification_failed", &id)), Vec::<Value>::new());
}

#[tokio::test]
async fn late_failure_is_an_outcome_with_its_code_and_an_event() {
    let world = World::new();
    let failed = json!({"kind": "fail", "code": 30007});
    let undelivered = json!({"kind": "fail_after", "code": 30007, "after": "sent"});
    for (outcome, fault) in [("failed", failed), ("undelivered", undelivered)] {
        let (person, id) = (Person::new(), new_id(outcome));
        world.plan(&person, 1, fault).await;
        world.notify(&template_notification(&id, &person)).await;
        let event = world.event("the failure", of_notification("notification_failed", &id)).await;
        let expected = (&json!("accepted"), &json!(outcome), &json!(30007));
        assert_eq!((&event["state"], &event["outcome"], &event["code"]), expected, "{event}");
        assert_eq!(event["attempts"].as_array().unwrap().len(), 1, "{event}");
        let log = log(&world, &id).await;
        assert_eq!((&log["state"], &log["outcome"], &log["code"]), expected, "{log}");
        let attempts = log["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{log}");
        assert_eq!((&attempts[0]["outcome"], &attempts[0]["code"]), (&json!("failed"), &json!(30007)));
        assert_eq!(world.sent_to(&person).await.len(), 1, "not sent again");
    }
}

#[tokio::test]
async fn failed_fallback_is_the_outcome_after_both_attempts() {
    let (world, person, id) = (World::new(), Person::new(), new_id("both-failed"));
    world.plan(&person, 1, json!({"kind": "fail", "code": 63003})).await;
    world.plan_at(&person.identity, 1, json!({"kind": "fail", "code": 30007})).await;
    let sms = json!({"type": "text", "body": "Your order is on its way."});
    world.notify(&with_fallback(template_notification(&id, &person), &[("sms", sms)])).await;
    let event = world.event("the failure", of_notification("notification_failed", &id)).await;
    assert_eq!((&event["outcome"], &event["code"]), (&json!("failed"), &json!(30007)), "{event}");
    let log = log(&world, &id).await;
    let attempts = log["attempts"].as_array().unwrap();
    let tried: Vec<_> = attempts.iter().map(|tried| (tried["channel"].clone(), tried["code"].clone())).collect();
    assert_eq!(tried, [(json!("whatsapp"), json!(63003)), (json!("sms"), json!(30007))], "in order, each once");
    assert_eq!(world.events("one event", of_notification("notification_failed", &id), 1).await.len(), 1);
}

#[tokio::test]
async fn failure_known_before_or_without_the_answer_leads_on() {
    let world = World::new();
    for answer in ["accept_then_hang", "report_first"] {
        let (person, id) = (Person::new(), new_id(answer));
        let faults = json!([{"kind": answer}, {"kind": "fail", "code": 63003}]);
        world.plan(&person, 1, json!({"kind": "together", "faults": faults})).await;
        let sms = json!({"type": "text", "body": "Your order is on its way."});
        world.notify(&with_fallback(template_notification(&id, &person), &[("sms", sms)])).await;
        let log = world.until_outcome(&id, "delivered").await;
        let attempts = log["attempts"].as_array().unwrap();
        let tried: Vec<_> = attempts.iter().map(|tried| (tried["outcome"].clone(), tried["code"].clone())).collect();
        assert_eq!(tried, [(json!("failed"), json!(63003)), (json!("accepted"), json!(null))], "{answer}");
        assert_eq!(world.sent_to(&person).await.len(), 1, "{answer}");
        assert_eq!(world.sent_by_sms_to(&person).await.len(), 1, "{answer}");
    }
}

#[tokio::test]
async fn withheld_marketing_goes_by_sms_in_the_us() {
    let (world, person, id) = (World::new(), Person::new(), new_id("withheld"));
    agree(&world, &person).await;
    world.plan(&person, 1, json!({"kind": "fail", "code": WITHHELD})).await;
    let sms = json!({"type": "text", "body": "Our offer"});
    world.notify(&with_fallback(marketing(&id, &person), &[("sms", sms)])).await;
    let log = world.until_outcome(&id, "delivered").await;
    assert_eq!(log["attempts"][0]["code"], WITHHELD);
    assert_eq!(world.sent_to(&person).await.len(), 1, "not again on WhatsApp");
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 1);
}

#[tokio::test]
async fn withheld_marketing_ends_in_the_us_and_waits_elsewhere() {
    let world = World::new();
    let digits = uuid::Uuid::new_v4().as_u128() % 10_000_000;
    let (american, german) = (Person::new(), Person { identity: format!("+49151{digits:07}") });
    let (ends, waits) = (new_id("withheld-us"), new_id("withheld-de"));
    for (person, id) in [(&american, &ends), (&german, &waits)] {
        agree(&world, person).await;
        world.plan(person, 1, json!({"kind": "fail", "code": WITHHELD})).await;
        world.notify(&marketing(id, person)).await;
    }
    let event = world.event("the failure", of_notification("notification_failed", &ends)).await;
    assert_eq!((&event["outcome"], &event["code"]), (&json!("failed"), &json!(WITHHELD)), "{event}");
    let waiting = world.notification_in(&waits, "waiting").await;
    let not_before: Timestamp = text(&waiting, "not_before").unwrap().parse().unwrap();
    assert!(not_before > Timestamp::now() + SignedDuration::from_hours(3), "{not_before}");
    let log = log(&world, &waits).await;
    assert_eq!((&log["outcome"], &log["code"]), (&json!(null), &json!(WITHHELD)), "{log}");
    assert_eq!(world.sent_to(&german).await.len(), 1, "not sent again at once");
}
