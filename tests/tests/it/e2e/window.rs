//! The service window: of one sender on WhatsApp, opened by nothing else.

use serde_json::json;
use stack::run::ACCOUNT_SID;

use super::receive::{template, with_fallback};
use crate::world::{Person, World, new_id, of_notification, text_notification};

/// A sender that no other test uses.
async fn new_sender(world: &World) -> String {
    let sender = Person::new().address();
    world.control("POST", "senders", &json!({"address": sender})).await;
    sender
}

/// A person writes to this sender, which belongs to a Messaging Service that no notification names.
async fn write_to(world: &World, person: &Person, sender: &str) {
    // The sandbox opens its window. It has no webhook for this sender, so the webhook follows.
    let written = world.write_with(person, json!({"to": sender, "body": "hi"})).await;
    let parameters = [
        ("MessageSid", written["message_sid"].as_str().unwrap()),
        ("AccountSid", ACCOUNT_SID),
        ("MessagingServiceSid", "MG00000000000000000000000000000077"),
        ("From", &person.address()),
        ("To", sender),
        ("Body", "hi"),
        ("NumMedia", "0"),
    ];
    assert_eq!(world.post_signed("/twilio/inbound", &parameters).await.status(), 200);
}

async fn assert_closed(world: &World, person: &Person, from: Option<&str>) {
    let id = new_id("closed");
    let mut notification = text_notification(&id, person);
    if let Some(from) = from {
        notification["from"] = json!(from);
    }
    world.notify(&notification).await;
    let event = world.event("the refusal", of_notification("notification_failed", &id)).await;
    let reason = event["reason"].as_str().unwrap();
    assert!(reason.starts_with("content: free-form outside of the service window"), "{reason}");
    assert!(world.sent_to(person).await.is_empty());
}

#[tokio::test]
async fn answer_by_sms_opens_no_whatsapp_window() {
    let (world, person) = (World::new(), Person::new());
    let answered = world.write_with(&person, json!({"from": person.identity, "body": "Yes"})).await;
    assert_eq!(answered["status"], 200);
    assert_closed(&world, &person, None).await;
}

#[tokio::test]
async fn message_to_one_sender_opens_no_window_of_another() {
    let (world, person, id) = (World::new(), Person::new(), new_id("open"));
    let (asked, other) = (new_sender(&world).await, new_sender(&world).await);
    write_to(&world, &person, &asked).await;
    assert_closed(&world, &person, Some(&other)).await;
    assert_closed(&world, &person, None).await;
    let mut notification = text_notification(&id, &person);
    notification["from"] = json!(asked);
    world.notify(&notification).await;
    world.until_outcome(&id, "read").await;
    assert_eq!(world.sent_to(&person).await[0]["from"], asked);
}

#[tokio::test]
async fn window_of_another_sender_leads_to_the_template() {
    let (world, person, id) = (World::new(), Person::new(), new_id("template"));
    let other = new_sender(&world).await;
    world.open_window(&person).await;
    let mut notification = with_fallback(text_notification(&id, &person), &[("whatsapp", template())]);
    notification["from"] = json!(other);
    world.notify(&notification).await;
    world.until_outcome(&id, "read").await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["body"], "Hello Ava, your order 18473 is on its way.");
}
