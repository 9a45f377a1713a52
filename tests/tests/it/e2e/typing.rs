//! Typing indicators: a person sees that an answer is being written, and that the message was read.

use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;

use crate::world::{Person, World, new_sid};

async fn show(world: &World, message_sid: &str, query: &str) -> (u16, Value) {
    world.call("POST", &format!("/messages/{message_sid}/typing{query}"), "").await
}

/// The message as the person's phone shows it.
async fn on_the_phone(world: &World, person: &Person, message_sid: &str) -> Value {
    let messages = world.messages_at_twilio(person).await;
    messages.into_iter().find(|message| message["sid"] == message_sid).unwrap()
}

#[tokio::test]
async fn message_is_marked_as_read_while_an_answer_is_written() {
    let (world, person) = (World::new(), Person::new());
    let message_sid = world.write(&person, "Where is my order?").await["message_sid"].as_str().unwrap().to_owned();
    assert_eq!(on_the_phone(&world, &person, &message_sid).await["sandbox"]["read_at"], Value::Null);
    let (status, answer) = show(&world, &message_sid, "").await;
    assert_eq!((status, &answer["read"]), (200, &json!(true)), "{answer}");
    assert_eq!((&answer["message_sid"], &answer["account_sid"]), (&json!(message_sid), &json!(ACCOUNT_SID)));
    assert!(answer["typing_until"].is_string());
    assert!(on_the_phone(&world, &person, &message_sid).await["sandbox"]["read_at"].is_string());
    assert_eq!(show(&world, &message_sid, "").await.0, 200, "it can be repeated");
}

#[tokio::test]
async fn message_that_no_person_sent_to_the_account_is_not_found() {
    let (world, person) = (World::new(), Person::new());
    let written = world.write(&person, "Hello").await["message_sid"].as_str().unwrap().to_owned();
    let (status, answer) = show(&world, &new_sid(), "").await;
    assert_eq!((status, &answer["error"]["field"]), (404, &json!("message_sid")), "{answer}");
    let (status, answer) = show(&world, &written, "?account_sid=AC00000000000000000000000000000009").await;
    assert_eq!(status, 404, "a message of another account: {answer}");
    assert_eq!(on_the_phone(&world, &person, &written).await["sandbox"]["read_at"], Value::Null);
}

#[tokio::test]
async fn message_by_sms_has_no_indicator() {
    let (world, person) = (World::new(), Person::new());
    let written = world.write_with(&person, json!({"body": "Hello", "from": person.identity})).await;
    let (status, answer) = show(&world, written["message_sid"].as_str().unwrap(), "").await;
    assert_eq!((status, &answer["error"]["field"]), (409, &json!("message_sid")), "{answer}");
    // Twilio was not asked.
    assert_eq!(answer["error"]["message"], "only a message on WhatsApp has an indicator");
}
