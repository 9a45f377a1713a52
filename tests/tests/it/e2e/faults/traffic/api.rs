//! What systems ask of the routes with IAM authorization.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{super::canaries, business::after};
use crate::{
    support::stranger,
    world::{Person, World, new_id, template_notification},
};

pub(super) struct Called {
    pub(super) cancelled: Vec<(String, &'static str, Option<Person>)>,
    pub(super) verified: Vec<Person>,
    /// The bodies of answers with errors.
    pub(super) answers: Vec<String>,
}

/// A caller that repeats a request as long as it is answered with a 5xx, or that it is in progress.
struct Caller<'a> {
    world: &'a World,
    answers: Vec<String>,
}

impl Caller<'_> {
    async fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut failures = Vec::new();
        let answered = self
            .world
            .until(&format!("an answer to {method}"), async || {
                let (status, answer) = self.world.call(method, path, &body).await;
                // The answer names the time after which the request is to be repeated.
                let is_in_progress = status == 409 && answer["error"]["reason"] == "in_progress";
                if status < 500 && !is_in_progress {
                    return Some((status, answer));
                }
                failures.push(answer.to_string());
                None
            })
            .await;
        self.answers.append(&mut failures);
        if answered.0 >= 400 {
            self.answers.push(answered.1.to_string());
        }
        answered
    }

    async fn get(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }
}

pub(super) async fn call(world: &World, readers: &[Person], erased: &Person, sent: &str) -> Called {
    let mut caller = Caller { world, answers: Vec::new() };
    for person in [&stranger(), erased] {
        contacts(&mut caller, person).await;
    }
    show(&mut caller, sent).await;
    media(&mut caller).await;
    typing(&mut caller, readers).await;
    let verified = verify(&mut caller).await;
    let cancelled = cancel(&mut caller).await;
    // An error, whose answer is looked through.
    let wrong = json!({"id": new_id("wrong"), "to": canaries::WRONG_NUMBER, "code": canaries::BODY});
    assert_eq!(caller.ask("POST", "/verifications", &wrong).await.0, 400);
    Called { cancelled: vec![cancelled], verified: vec![verified], answers: caller.answers }
}

async fn contacts(caller: &mut Caller<'_>, person: &Person) {
    let person = &person.identity;
    let consent = json!({"category": "marketing", "source": "checkout-form", "text": canaries::CONSENT_TEXT});
    caller.get("PUT", &format!("/contacts/{person}/consent"), &consent).await;
    let path = format!("/contacts/{person}/suppression");
    caller.get("PUT", &path, &json!({"reason": canaries::REASON})).await;
    let known = caller.get("GET", &format!("/contacts/{person}"), &Value::Null).await;
    assert_eq!(known["consents"][0]["current"]["state"], "withdrawn", "a suppression ends it: {known}");
    caller.get("DELETE", &path, &json!({"reason": canaries::REASON})).await;
}

/// A notification is found by its message, and shown with what Twilio said of it.
async fn show(caller: &mut Caller<'_>, message_sid: &str) {
    let log = caller.get("GET", &format!("/notifications/{message_sid}"), &Value::Null).await;
    let statuses = log["attempts"][0]["statuses"].as_array().unwrap();
    assert_eq!(statuses.iter().filter(|found| found["status"] == "delivered").count(), 1, "{log}");
}

async fn media(caller: &mut Caller<'_>) {
    let bytes = b"a picture";
    let link = caller.get("POST", "/media", &json!({"content_type": "image/png", "content_length": bytes.len()})).await;
    let uploaded = crate::e2e::media::put(caller.world, &link, bytes, None).await;
    assert!(uploaded.status().is_success(), "{}", uploaded.status());
    let path = format!("/media/{}", link["key"].as_str().unwrap());
    assert_eq!(caller.get("GET", &path, &Value::Null).await["content_length"], bytes.len());
}

async fn typing(caller: &mut Caller<'_>, readers: &[Person]) {
    for reader in readers {
        let sid = caller.world.messages_at_twilio(reader).await[0]["sid"].as_str().unwrap().to_owned();
        assert_eq!(caller.get("POST", &format!("/messages/{sid}/typing"), &Value::Null).await["read"], true);
    }
}

/// A code is sent and checked.
async fn verify(caller: &mut Caller<'_>) -> Person {
    let (person, id) = (stranger(), new_id("login"));
    caller.get("POST", "/verifications", &json!({"id": id, "to": person.identity})).await;
    let sent = caller.world.sent_to(&person).await;
    let body = sent[0]["body"].as_str().unwrap().to_owned();
    let code = body.split(|char: char| !char.is_ascii_digit()).find(|word| word.len() == 6).unwrap();
    let (status, checked) = caller.ask("POST", "/verifications/check", &json!({"id": id, "code": code})).await;
    // A check whose answer was lost has used the code up.
    assert!(checked["status"] == "approved" || status == 404, "{status} {checked}");
    person
}

/// A notification that waits is cancelled.
async fn cancel(caller: &mut Caller<'_>) -> (String, &'static str, Option<Person>) {
    let (person, id) = (stranger(), new_id("cancelled"));
    let mut notification = template_notification(&id, &person);
    notification["send_at"] = after(caller.world, SignedDuration::from_hours(24));
    caller.world.notify(&notification).await;
    caller.world.notification_in(&id, "waiting").await;
    let log = caller.get("GET", &format!("/notifications/{id}"), &Value::Null).await;
    assert_eq!(log["waits_for"], "send_at", "{log}");
    let log = caller.get("DELETE", &format!("/notifications/{id}"), &Value::Null).await;
    assert_eq!(log["outcome"], "cancelled", "{log}");
    (id, "cancelled", Some(person))
}
