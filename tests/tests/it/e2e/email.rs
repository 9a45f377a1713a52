//! E-mails by SendGrid, as fallbacks: sent, reported, passed over, and what happens when SendGrid fails.

use std::time::Duration;

use serde_json::{Value, json};

use super::clock::{Time, icelander, time};
use crate::world::{Person, World, new_id, of_notification, template_notification, text};

const TEMPLATE_ID: &str = "d-00000000000000000000000000000001";

/// An address that no other test uses.
fn new_address() -> String {
    format!("{}@example.com", new_id("ava"))
}

fn email(to: &str) -> Value {
    let content =
        json!({"type": "email_template", "template_id": TEMPLATE_ID, "variables": {"order": {"number": 18473}}});
    json!({"channel": "email", "to": to, "content": content})
}

fn sms() -> Value {
    json!({"channel": "sms", "content": {"type": "text", "body": "Your order is on its way."}})
}

/// A template that fails, with these fallbacks.
async fn notify(world: &World, person: &Person, id: &str, fallback: &[Value]) {
    world.plan(person, 1, json!({"kind": "fail", "code": 63003})).await;
    let mut notification = template_notification(id, person);
    notification["fallback"] = json!(fallback);
    world.notify(&notification).await;
}

async fn emails_to(world: &World, address: &str) -> Vec<Value> {
    let emails = world.control("GET", &format!("emails?to={address}"), &json!(null)).await;
    emails.as_array().unwrap().clone()
}

async fn plan(world: &World, address: &str, fault: Value) {
    world.control("POST", "email-faults", &json!({"to": address, "fault": fault})).await;
}

#[tokio::test]
async fn email_follows_a_message_that_fails() {
    let (world, person, id, address) = (World::new(), Person::new(), new_id("email"), new_address());
    notify(&world, &person, &id, &[email(&address), sms()]).await;
    let log = world.until_outcome(&id, "delivered").await;
    let [sent] = emails_to(&world, &address).await.try_into().unwrap();
    assert_eq!((&sent["template_id"], &sent["variables"]["order"]["number"]), (&json!(TEMPLATE_ID), &json!(18473)));
    let attempt = &log["attempts"][1];
    assert_eq!((&attempt["channel"], &attempt["outcome"]), (&json!("email"), &json!("accepted")));
    assert_eq!(attempt["external_id"], sent["id"]);
    let wanted = of_notification("email_status", &id);
    let event = world.event("the delivery of an e-mail", |event| wanted(event) && event["status"] == "delivered").await;
    assert_eq!((&event["schema"], &event["attempt"]), (&json!("email.status.v1"), &json!(1)));
    assert_eq!(event["metadata"]["order"], json!(id));
    world.control("POST", &format!("emails/{}/open", sent["id"].as_str().unwrap()), &json!(null)).await;
    world.until_outcome(&id, "read").await;
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 0, "nothing follows it");
}

#[tokio::test]
async fn suppressed_address_is_passed_over_before_the_claim() {
    let (world, person, id, address) = (World::new(), Person::new(), new_id("suppressed"), new_address());
    world.control("PUT", "email-lists", &json!({"list": "bounces", "address": address, "listed": true})).await;
    notify(&world, &person, &id, &[email(&address), sms()]).await;
    let log = world.until_outcome(&id, "delivered").await;
    assert_eq!(emails_to(&world, &address).await.len(), 0, "SendGrid is not asked to send it");
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 1);
    let passed_over = &log["attempts"][1];
    assert_eq!(passed_over["outcome"], "suppressed");
    assert_eq!(passed_over["reason"], "the address is on SendGrid's list of bounces");
}

#[tokio::test]
async fn email_that_bounces_is_followed_by_an_sms() {
    let (world, person, id, address) = (World::new(), Person::new(), new_id("bounce"), new_address());
    plan(&world, &address, json!({"kind": "bounce"})).await;
    notify(&world, &person, &id, &[email(&address), sms()]).await;
    let log = world.until_outcome(&id, "delivered").await;
    let bounced = &log["attempts"][1];
    assert_eq!(
        (&bounced["current_status"], &bounced["reason"]),
        (&json!("bounced"), &json!("the e-mail bounced, status 5.1.1"))
    );
    assert_eq!((emails_to(&world, &address).await.len(), world.sent_by_sms_to(&person).await.len()), (1, 1));
}

#[tokio::test]
async fn email_that_sendgrid_refuses_is_followed_by_an_sms() {
    for status in [400, 403, 429] {
        let (world, person, id, address) = (World::new(), Person::new(), new_id("refused"), new_address());
        plan(&world, &address, json!({"kind": "refuse", "status": status})).await;
        notify(&world, &person, &id, &[email(&address), sms()]).await;
        let log = world.until_outcome(&id, "delivered").await;
        assert_eq!(emails_to(&world, &address).await.len(), 0);
        assert_eq!(log["attempts"].as_array().unwrap().len(), 3, "{status}: nothing is repeated: {log}");
        assert!(log["attempts"][1]["reason"].as_str().unwrap().contains(&format!("HTTP {status}")), "{log}");
    }
}

#[tokio::test]
async fn lost_answer_of_an_email_is_resolved_by_its_events() {
    let (world, person, id, address) = (World::new(), Person::new(), new_id("lost"), new_address());
    plan(&world, &address, json!({"kind": "lose_answer", "status": 500})).await;
    notify(&world, &person, &id, &[email(&address), sms()]).await;
    world.until_outcome(&id, "delivered").await;
    assert_eq!((emails_to(&world, &address).await.len(), world.sent_by_sms_to(&person).await.len()), (1, 0));
}

/// No event says what became of the e-mail, so that it is not repeated, and the SMS is not held up.
#[tokio::test]
async fn email_of_unknown_outcome_is_followed_once_and_not_repeated() {
    let (time, person, id, address): (Time, _, _, _) = (time().await, icelander(), new_id("vanished"), new_address());
    let world = &time.world;
    plan(world, &address, json!({"kind": "vanish", "status": 500})).await;
    notify(world, &person, &id, &[email(&address), sms()]).await;
    world.until("a claimed e-mail", async || (emails_to(world, &address).await.len() == 1).then_some(())).await;
    time.advance(Duration::from_mins(20)).await;
    let log = world.until_outcome(&id, "delivered").await;
    assert_eq!((emails_to(world, &address).await.len(), world.sent_by_sms_to(&person).await.len()), (1, 1));
    assert_eq!(log["attempts"][1]["outcome"], "claimed", "it may exist: {log}");
}

/// SendGrid counts its own tries in the field `attempt` of the event.
#[tokio::test]
async fn deferred_email_is_followed_at_its_time() {
    let (time, person, id, address) = (time().await, icelander(), new_id("deferred"), new_address());
    let world = &time.world;
    plan(world, &address, json!({"kind": "defer"})).await;
    let mut fallback = sms();
    fallback["after"] = json!("10m");
    notify(world, &person, &id, &[email(&address), fallback]).await;
    world
        .until("a deferred e-mail", async || {
            (world.log(&id).await["attempts"][1]["current_status"] == "deferred").then_some(())
        })
        .await;
    time.advance(Duration::from_mins(11)).await;
    world.until_outcome(&id, "delivered").await;
    assert_eq!((emails_to(world, &address).await.len(), world.sent_by_sms_to(&person).await.len()), (1, 1));
}

#[tokio::test]
async fn email_follows_ten_minutes_without_a_delivery() {
    let (time, person, id, address) = (time().await, icelander(), new_id("silent"), new_address());
    let world = &time.world;
    world.plan(&person, 1, json!({"kind": "report", "statuses": ["queued", "sent"]})).await;
    let mut notification = template_notification(&id, &person);
    let mut fallback = email(&address);
    fallback["after"] = json!("10m");
    notification["fallback"] = json!([fallback]);
    world.notify(&notification).await;
    let accepted = world.notification_in(&id, "accepted").await;
    assert_eq!(text(&accepted, "waits_for"), Some("delivery"));
    time.advance(Duration::from_mins(11)).await;
    world.until_outcome(&id, "delivered").await;
    assert_eq!((emails_to(world, &address).await.len(), world.sent_to(&person).await.len()), (1, 1));
}

#[tokio::test]
async fn events_without_sendgrids_signature_are_refused() {
    let world = World::new();
    let id = new_id("forged");
    let body = json!([{"event": "delivered", "account_sid": stack::run::ACCOUNT_SID, "notification_id": id, "notification_attempt": "0"}]);
    let url = format!("{}/sendgrid/events", world.stack.api_url);
    let unsigned = world.http.post(&url).json(&body).send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
    let signed = world.http.post(&url).json(&body).header("X-Twilio-Email-Event-Webhook-Timestamp", "1588788367");
    let signature = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0=";
    let signed = signed.header("X-Twilio-Email-Event-Webhook-Signature", signature).send().await.unwrap();
    assert_eq!(signed.status(), 403);
    assert_eq!(world.callbacks(&id, 0).await.len(), 0);
}
