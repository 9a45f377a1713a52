//! A consent counts only if it is newer than the last STOP, and a STOP is lifted only by a newer START.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::preference::Preference;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stack::run::ACCOUNT_SID;

use super::receive::{agree, marketing, suppressed};
use crate::world::{
    Person, World, events_so_far, new_id, new_sid, of_notification, subject_of_message, template_notification,
};

/// Marketing to a person is refused for want of a consent, and sent after a new consent.
pub(crate) async fn assert_consent_ended(world: &World, person: &Person) {
    let (before, after) = (new_id("old-consent"), new_id("new-consent"));
    world.notify(&marketing(&before, person)).await;
    let refused = world.notification_in(&before, "suppressed").await;
    let reason = crate::world::text(&refused, "reason").unwrap();
    assert!(reason.starts_with("no living consent"), "{reason}");
    assert!(world.sent_to(person).await.is_empty());
    agree(world, person).await;
    world.notify(&marketing(&after, person)).await;
    world.notification_in(&after, "accepted").await;
    assert_eq!(world.sent_to(person).await.len(), 1);
}

#[tokio::test]
async fn stop_and_start_by_a_user_id_end_the_numbers_consent() {
    let (world, number, user) = (World::new(), Person::new(), Person::without_number());
    agree(&world, &number).await;
    world.write_with(&number, json!({"body": "hi", "external_user_id": user.address()})).await;
    world.write(&user, "STOP").await;
    world.write(&user, "START").await;
    assert_consent_ended(&world, &number).await;
}

#[tokio::test]
async fn consent_and_withdrawal_are_events_without_the_text() {
    let (world, person) = (World::new(), Person::new());
    let path = format!("/contacts/{}/consent", person.identity);
    let text = "Send me offers, says Ava.";
    let given = json!({"category": "marketing", "source": "checkout-form", "text": text, "ip": "2001:db8::7"});
    let withdrawn = json!({"category": "marketing", "state": "withdrawn", "source": "letter"});
    for consent in [&given, &withdrawn] {
        assert_eq!(world.call("PUT", &path, &consent.to_string()).await.0, 201);
    }
    for (state, source) in [("given", "checkout-form"), ("withdrawn", "letter")] {
        let of_state = |event: &serde_json::Value| {
            event["event_type"] == "contact_consent"
                && event["contact"] == person.identity.as_str()
                && event["state"] == state
        };
        let event = world.event("the consent", of_state).await;
        assert_eq!((&event["source"], &event["category"]), (&json!(source), &json!("marketing")), "{event}");
        let event = event.to_string();
        assert!(!event.contains("Ava") && !event.contains("2001:db8::7"), "{event}");
    }
}

#[tokio::test]
async fn erasure_of_consents_is_no_event() {
    let (world, person) = (World::new(), Person::new());
    agree(&world, &person).await;
    let of_person = |event: &serde_json::Value| {
        event["event_type"] == "contact_consent" && event["contact"] == person.identity.as_str()
    };
    world.event("the consent", of_person).await;
    let deleted = world.contacts().await.delete_records(&[person.key()]).await.unwrap();
    assert_eq!(deleted.consents, 1);
    // What comes later on the same stream shows that the deletion has passed.
    world.write(&person, "STOP").await;
    let opt_out = |event: &serde_json::Value| {
        event["event_type"] == "contact_opted_out" && event["contact"] == person.identity.as_str()
    };
    world.event("the opt-out", opt_out).await;
    assert_eq!(events_so_far(of_person).len(), 1);
}

#[tokio::test]
async fn start_is_evidence_and_no_new_consent() {
    let (world, person) = (World::new(), Person::new());
    agree(&world, &person).await;
    world.write(&person, "STOP").await;
    let start = world.write(&person, "START").await;
    let (_, overview) = world.call("GET", &format!("/contacts/{}", person.identity), "").await;
    let last = &overview["history"][0];
    assert_eq!((&last["preference"], &last["message_sid"]), (&json!("opted_in"), &start["message_sid"]), "{overview}");
    assert_eq!(overview["consents"][0]["current"]["state"], "withdrawn", "{overview}");
    assert_consent_ended(&world, &person).await;
}

#[tokio::test]
async fn late_consent_from_before_a_stop_is_historic() {
    let (world, person) = (World::new(), Person::new());
    world.write(&person, "STOP").await;
    let at = Timestamp::now() - SignedDuration::from_mins(1);
    let consent = json!({"category": "marketing", "source": "import", "text": "Send me offers.", "at": at});
    let path = format!("/contacts/{}/consent", person.identity);
    let (status, answer) = world.call("PUT", &path, &consent.to_string()).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!((&answer["recorded"], &answer["state"]), (&json!("historic"), &json!("withdrawn")));
    world.write(&person, "START").await;
    assert_consent_ended(&world, &person).await;
}

/// A webhook of a person, with a fixed message SID so that it can be posted again.
pub(super) struct Webhook {
    sid: String,
    from: String,
    body: &'static str,
}

impl Webhook {
    pub(super) fn new(person: &Person, body: &'static str) -> Self {
        Self { sid: new_sid(), from: person.address(), body }
    }

    /// Returns the TwiML of the answer.
    pub(super) async fn post(&self, world: &World) -> String {
        let parameters = [
            ("MessageSid", self.sid.as_str()),
            ("AccountSid", ACCOUNT_SID),
            ("From", &self.from),
            ("To", "whatsapp:+14155238886"),
            ("Body", self.body),
            ("NumMedia", "0"),
        ];
        let answer = world.post_signed("/twilio/inbound", &parameters).await;
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    }

    /// Deletes the stored message, as DynamoDB does after the retention.
    async fn expire(&self, world: &World) {
        let delete = world.dynamodb.delete_item().table_name(&world.stack.outputs.messages_table_name);
        let delete = delete
            .key("subject", AttributeValue::S(subject_of_message(&self.sid)))
            .key("event", AttributeValue::S("inbound".to_owned()));
        delete.send().await.unwrap();
        assert!(world.items(&self.sid).await.is_empty());
    }
}

#[tokio::test]
async fn replayed_start_never_lifts_a_newer_stop() {
    for is_expired in [false, true] {
        let (world, person, id) = (World::new(), Person::new(), new_id("after-replay"));
        let [first, start, last] = ["STOP", "START", "STOP"].map(|body| Webhook::new(&person, body));
        for webhook in [&first, &start, &last] {
            webhook.post(&world).await;
        }
        if is_expired {
            start.expire(&world).await;
        }
        assert_eq!(start.post(&world).await, "<Response/>");
        assert_eq!(world.preference(&person).await, Some(Preference::OptedOut), "expired: {is_expired}");
        world.notify(&template_notification(&id, &person)).await;
        assert_eq!(suppressed(&world, &id).await, "the recipient has opted out", "expired: {is_expired}");
        let of_person = |event: &serde_json::Value| event["contact"] == person.identity.as_str();
        let opt_ins = events_so_far(|event| of_person(event) && event["event_type"] == "contact_opted_in");
        assert!(opt_ins.len() <= 1, "the replay is no event: {opt_ins:?}");
    }
}

#[tokio::test]
async fn replayed_stop_never_ends_a_newer_start() {
    let (world, person, id) = (World::new(), Person::new(), new_id("after-replay"));
    let [stop, start] = ["STOP", "START"].map(|body| Webhook::new(&person, body));
    for webhook in [&stop, &start] {
        webhook.post(&world).await;
    }
    stop.expire(&world).await;
    stop.post(&world).await;
    assert_eq!(world.preference(&person).await, Some(Preference::OptedIn));
    world.notify(&template_notification(&id, &person)).await;
    world.event("a status", of_notification("twilio_status", &id)).await;
}
