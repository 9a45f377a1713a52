//! `wait_for_reply`: a template asks, and the content follows the answer, once, whatever fails and in whichever order.

use serde_json::{Value, json};

use super::receive::{template, with_fallback};
use crate::world::{Person, World, new_id, text_notification};

const ASKED: &str = "Hello Ava, your order 18473 is on its way.";
const CONTENT: &str = "On its way.";
const BY_SMS: &str = "Your order is on its way.";

/// A text that a template asks for, with an SMS for the case that WhatsApp fails.
fn question(id: &str, person: &Person) -> Value {
    let sms = json!({"type": "text", "body": BY_SMS});
    let mut notification = with_fallback(text_notification(id, person), &[("whatsapp", template()), ("sms", sms)]);
    notification["wait_for_reply"] = json!(true);
    notification
}

async fn bodies(world: &World, person: &Person) -> Vec<Value> {
    world.sent_to(person).await.iter().map(|message| message["body"].clone()).collect()
}

async fn bodies_by_sms(world: &World, person: &Person) -> Vec<Value> {
    world.sent_by_sms_to(person).await.iter().map(|message| message["body"].clone()).collect()
}

/// The outcomes of the attempts in a log.
fn outcomes(log: &Value) -> Vec<&str> {
    log["attempts"].as_array().unwrap().iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn template_that_failed_is_replaced_by_the_sms() {
    let world = World::new();
    for code in [63003, 63024] {
        let (person, id) = (Person::new(), new_id("failed-question"));
        world.plan(&person, 1, json!({"kind": "fail", "code": code})).await;
        world.notify(&question(&id, &person)).await;
        let log = world.until_outcome(&id, "delivered").await;
        assert_eq!(outcomes(&log), ["failed", "accepted"], "{code}: {log}");
        assert_eq!(bodies(&world, &person).await, [ASKED], "{code}");
        assert_eq!(bodies_by_sms(&world, &person).await, [BY_SMS], "{code}");
    }
}

#[tokio::test]
async fn content_that_failed_after_the_answer_is_replaced_once() {
    let world = World::new();
    for code in [63019, 63005] {
        let (person, id) = (Person::new(), new_id("failed-content"));
        world.notify(&question(&id, &person)).await;
        world.notification_in(&id, "awaiting_reply").await;
        world.plan(&person, 9, json!({"kind": "fail", "code": code})).await;
        world.write(&person, "Yes please").await;
        let log = world.until_outcome(&id, "delivered").await;
        assert_eq!(outcomes(&log), ["accepted", "failed", "accepted"], "{code}: {log}");
        assert_eq!(log["attempts"][1]["code"], code);
        assert_eq!(bodies(&world, &person).await, [ASKED, CONTENT], "{code}");
        assert_eq!(bodies_by_sms(&world, &person).await, [BY_SMS], "{code}");
    }
}

#[tokio::test]
async fn content_follows_a_reply_after_a_lost_template_answer() {
    let (world, person, id) = (World::new(), Person::new(), new_id("lost-answer"));
    world.plan(&person, 1, json!({"kind": "accept_then_hang"})).await;
    world.notify(&question(&id, &person)).await;
    world.until("the template", async || (!world.sent_to(&person).await.is_empty()).then_some(())).await;
    world.write(&person, "Yes please").await;
    let log = world.until_outcome(&id, "read").await;
    assert_eq!(outcomes(&log), ["accepted", "accepted"], "{log}");
    assert_eq!(bodies(&world, &person).await, [ASKED, CONTENT]);
    assert_eq!(bodies_by_sms(&world, &person).await, Vec::<Value>::new());
}

#[tokio::test]
async fn content_follows_an_answer_that_was_faster_than_twilio() {
    let (world, person, id) = (World::new(), Person::new(), new_id("fast-answer"));
    world.plan(&person, 1, json!({"kind": "slow", "milliseconds": 3_000})).await;
    world.notify(&question(&id, &person)).await;
    world.until("the template", async || (!world.sent_to(&person).await.is_empty()).then_some(())).await;
    world.write(&person, "Yes please").await;
    let log = world.until_outcome(&id, "read").await;
    assert_eq!(outcomes(&log), ["accepted", "accepted"], "{log}");
    assert_eq!(bodies(&world, &person).await, [ASKED, CONTENT]);
}

#[tokio::test]
async fn answer_by_sms_releases_no_content() {
    let (world, person, id) = (World::new(), Person::new(), new_id("sms-answer"));
    world.notify(&question(&id, &person)).await;
    world.notification_in(&id, "awaiting_reply").await;
    world.write_with(&person, json!({"from": person.identity, "body": "Yes"})).await;
    // A message on WhatsApp opens the window, and brings the content: only one.
    world.write(&person, "Yes please").await;
    world.until_outcome(&id, "read").await;
    assert_eq!(bodies(&world, &person).await, [ASKED, CONTENT]);
}
