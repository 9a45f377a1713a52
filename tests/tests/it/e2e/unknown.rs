//! Twilio's response to a create request is lost: the outcome is resolved, and no person receives the message twice.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tests::harness::capacity::consumed;

use crate::{
    e2e::clock::{Time, icelander, time, updated_at},
    support::break_list,
    world::{Person, World, new_id, of_notification, template_notification, text, text_notification},
};

/// A notification that Twilio may try to send for a few seconds only.
fn short_notification(id: &str, person: &Person) -> Value {
    let mut notification = template_notification(id, person);
    notification["validity_period"] = json!(5);
    notification
}

#[tokio::test]
async fn lost_response_is_resolved_by_the_status_callback() {
    let (world, person, id) = (World::new(), Person::new(), new_id("lost-answer"));
    world.plan(&person, 9, json!({"kind": "accept_then_hang"})).await;
    world.notify(&template_notification(&id, &person)).await;
    world.events("its statuses", of_notification("twilio_status", &id), 4).await;
    let accepted = world.notification_in(&id, "accepted").await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 1, "not sent again");
    assert_eq!(text(&accepted, "message_sid"), sent[0]["sid"].as_str());
}

#[tokio::test]
async fn lost_request_is_resolved_and_sent_once() {
    let (world, person, id) = (World::new(), Person::new(), new_id("nowhere"));
    world.plan(&person, 1, json!({"kind": "hang"})).await;
    world.notify(&short_notification(&id, &person)).await;
    let accepted = world.notification_in(&id, "accepted").await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(text(&accepted, "message_sid"), sent[0]["sid"].as_str());
}

#[tokio::test]
async fn lost_response_without_callbacks_is_resolved_by_twilios_list() {
    let (world, person, id) = (World::new(), Person::new(), new_id("listed"));
    world.plan(&person, 1, json!({"kind": "silent"})).await;
    world.plan(&person, 1, json!({"kind": "accept_then_hang"})).await;
    let silent = new_id("silent");
    world.notify(&template_notification(&silent, &person)).await;
    world.notification_in(&silent, "accepted").await;
    lose_callbacks(&world, &person).await;
    world.notify(&short_notification(&id, &person)).await;
    let accepted = world.notification_in(&id, "accepted").await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 2, "one message for each notification");
    assert_eq!(text(&accepted, "message_sid"), sent[1]["sid"].as_str(), "not the other notification's");
}

#[tokio::test]
async fn lost_response_that_fails_later_sends_its_fallback_once() {
    let (world, person, id) = (World::new(), Person::new(), new_id("fails-later"));
    let fault = json!({"kind": "together", "faults": [{"kind": "accept_then_hang"}, {"kind": "fail", "code": 63003}]});
    world.plan(&person, 1, fault).await;
    world.notify(&with_sms(&id, &person)).await;
    world.until_outcome(&id, "delivered").await;
    assert_eq!(statuses(&world, &person.address()).await, ["failed"]);
    assert_eq!(statuses(&world, &person.identity).await, ["delivered"]);
}

/// A notification with an SMS if its template fails.
fn with_sms(id: &str, person: &Person) -> Value {
    let mut notification = template_notification(id, person);
    notification["fallback"] = json!([{"channel": "sms", "content": {"type": "text", "body": "On its way."}}]);
    notification
}

/// The statuses of the messages that were sent to an address.
async fn statuses(world: &World, address: &str) -> Vec<Value> {
    let messages = world.messages_at_twilio_of(address).await;
    let sent = messages.iter().filter(|message| message["direction"] == "outbound-api");
    sent.map(|message| message["status"].clone()).collect()
}

/// Longer than the lease of a claim, and shorter than its validity.
const LEASE_IS_OVER: Duration = Duration::from_mins(2);
/// The validity period of a utility message, and the margin of two minutes.
const UNTIL_RESOLVABLE: Duration = Duration::from_mins(17);

impl Time {
    /// Lets time pass, until the send function has looked once more for the callbacks of a message.
    async fn advance_to_a_look(&self, by: Duration) {
        let before = self.looks().await;
        self.advance(by).await;
        let looked = async || (self.looks().await > before).then_some(());
        self.world.until("a look for the callbacks", looked).await;
    }

    async fn looks(&self) -> u64 {
        let counters = consumed(&self.world.stack).await.unwrap();
        let messages = &self.world.stack.outputs.messages_table_name;
        let is_look = |operation: &str, table: &str| operation == "Query" && table == messages;
        let of_send = counters.iter().filter(|one| one.function() == Some("SendFunction"));
        of_send.filter(|one| is_look(&one.operation, &one.table)).map(|one| one.requests).sum()
    }

    /// The answer to the first request for a message to the person is lost, and so are the callbacks of the message.
    async fn lose_answer(&self, person: &Person, more: &[Value]) {
        let lost = [json!({"kind": "accept_then_refuse", "status": 500, "code": 20500}), json!({"kind": "lost"})];
        let faults: Vec<_> = lost.iter().chain(more).collect();
        self.world.plan(person, 1, json!({"kind": "together", "faults": faults})).await;
    }

    /// Puts a notification on the queue, and gives the time of its claim.
    async fn claimed(&self, notification: &Value) -> Timestamp {
        let id = notification["id"].as_str().unwrap();
        self.world.notify(notification).await;
        self.world.notification_in(id, "claimed").await;
        // Not the first item that is claimed: Twilio's answer has to be lost before time passes.
        self.advance_to_a_look(LEASE_IS_OVER).await;
        let claimed = self.world.notification_in(id, "claimed").await;
        let attempts = claimed["attempts"].as_l().unwrap();
        attempts[0].as_m().unwrap()["claimed_at"].as_s().unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn lost_request_is_sent_when_twilio_cannot_send_it_any_more() {
    let (time, person, id) = (time().await, icelander(), new_id("lost"));
    let world = &time.world;
    world.plan(&person, 1, json!({"kind": "refuse", "status": 500, "code": 20500})).await;
    let claimed_at = time.claimed(&template_notification(&id, &person)).await;
    assert_eq!(world.sent_to(&person).await.len(), 0, "only callbacks decide");
    time.advance(UNTIL_RESOLVABLE).await;
    let accepted = world.notification_in(&id, "accepted").await;
    assert!(updated_at(&accepted).duration_since(claimed_at).unsigned_abs() >= UNTIL_RESOLVABLE);
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn message_that_is_hidden_until_it_is_sent_is_not_sent_again() {
    let (time, person, id) = (time().await, icelander(), new_id("hidden"));
    let world = &time.world;
    time.lose_answer(&person, &[json!({"kind": "hold", "seconds": 600})]).await;
    let claimed_at = time.claimed(&template_notification(&id, &person)).await;
    assert_eq!(statuses(world, &person.address()).await, ["accepted"], "it waits at Twilio");
    time.advance_to_a_look(Duration::from_mins(10)).await;
    assert_eq!(text(&world.notification(&id).await.unwrap(), "state"), Some("claimed"), "the list is not certain yet");
    time.advance(UNTIL_RESOLVABLE).await;
    let accepted = world.notification_in(&id, "accepted").await;
    assert!(updated_at(&accepted).duration_since(claimed_at).unsigned_abs() >= UNTIL_RESOLVABLE);
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 1, "not sent again");
    assert_eq!(text(&accepted, "message_sid"), sent[0]["sid"].as_str());
}

#[tokio::test]
async fn listed_message_that_failed_is_followed_by_its_fallback() {
    let (time, person, id) = (time().await, icelander(), new_id("listed-failure"));
    let world = &time.world;
    time.lose_answer(&person, &[json!({"kind": "fail", "code": 63003})]).await;
    time.claimed(&with_sms(&id, &person)).await;
    assert_eq!(statuses(world, &person.identity).await.len(), 0, "it is not known that it failed");
    time.advance(UNTIL_RESOLVABLE).await;
    world.until_outcome(&id, "delivered").await;
    assert_eq!(statuses(world, &person.address()).await, ["failed"]);
    assert_eq!(statuses(world, &person.identity).await, ["delivered"]);
}

#[tokio::test]
async fn content_follows_the_answer_to_a_listed_template() {
    let (time, person, id) = (time().await, icelander(), new_id("listed-template"));
    let world = &time.world;
    time.lose_answer(&person, &[]).await;
    let mut notification = text_notification(&id, &person);
    let template =
        json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "18473"}});
    notification["fallback"] = json!([{"channel": "whatsapp", "content": template}]);
    notification["wait_for_reply"] = json!(true);
    time.claimed(&notification).await;
    time.advance(UNTIL_RESOLVABLE).await;
    world.notification_in(&id, "awaiting_reply").await;
    assert_eq!(world.sent_to(&person).await.len(), 1, "the template is not sent again");
    world.write(&person, "Yes").await;
    world.until_outcome(&id, "read").await;
    assert_eq!(world.sent_to(&person).await.len(), 2);
}

#[tokio::test]
async fn outcome_is_held_when_the_list_stays_unreadable() {
    let (time, person, id) = (time().await, icelander(), new_id("unreadable"));
    let world = &time.world;
    time.lose_answer(&person, &[]).await;
    break_list(world, &person).await;
    time.claimed(&template_notification(&id, &person)).await;
    time.advance_to_a_look(UNTIL_RESOLVABLE).await;
    assert_eq!(text(&world.notification(&id).await.unwrap(), "state"), Some("claimed"), "the list is tried again");
    time.advance(Duration::from_mins(11)).await;
    world.until_outcome(&id, "unknown").await;
    assert_eq!(world.sent_to(&person).await.len(), 1, "not sent again");
}

async fn lose_callbacks(world: &World, person: &Person) {
    let loss = json!({"to_prefix": person.address(), "fraction": 1.0, "seed": 1});
    let url = format!("{}/sandbox/drops", world.stack.sandbox_url);
    assert!(world.http.put(url).json(&loss).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn server_error_after_a_created_message_does_not_send_again() {
    let (world, person, id) = (World::new(), Person::new(), new_id("error-after"));
    world.plan(&person, 9, json!({"kind": "accept_then_refuse", "status": 500, "code": 20500})).await;
    world.notify(&template_notification(&id, &person)).await;
    world.notification_in(&id, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
}
