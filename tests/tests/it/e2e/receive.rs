//! Which notifications a person may receive, by which channel, and when.

use domain::{notification::Category, preference::Preference, suppression::Scope};
use serde_json::{Value, json};

use crate::world::{Person, World, is, new_id, of_notification, template_notification, text, text_notification};

const TEMPLATE: &str = sandbox::ORDER_UPDATE_SID;

/// Makes a valid notification invalid.
type Edit = Box<dyn Fn(&mut Value)>;

pub(crate) fn template() -> Value {
    json!({"type": "template", "content_sid": TEMPLATE, "variables": {"1": "Ava", "2": "18473"}})
}

pub(crate) fn marketing(id: &str, person: &Person) -> Value {
    let mut notification = template_notification(id, person);
    notification["category"] = json!("marketing");
    notification
}

pub(crate) fn with_fallback(mut notification: Value, deliveries: &[(&str, Value)]) -> Value {
    notification["fallback"] =
        deliveries.iter().map(|(channel, content)| json!({"channel": channel, "content": content})).collect();
    notification
}

pub(crate) async fn agree(world: &World, person: &Person) {
    let consent = json!({"category": "marketing", "source": "checkout-form", "text": "Send me offers on WhatsApp."});
    let path = format!("/contacts/{}/consent", person.identity);
    let (status, answer) = world.call("PUT", &path, &consent.to_string()).await;
    assert_eq!(status, 201, "{answer}");
}

/// Waits for the event that says why a notification was not sent.
pub(crate) async fn suppressed(world: &World, id: &str) -> String {
    let event = world.event("the suppression", of_notification("notification_suppressed", id)).await;
    event["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn free_form_outside_the_window_needs_a_template_fallback() {
    let (world, person, id) = (World::new(), Person::new(), new_id("closed"));
    world.notify(&text_notification(&id, &person)).await;
    let event = world.event("the refusal", of_notification("notification_failed", &id)).await;
    assert!(event["reason"].as_str().unwrap().starts_with("content: free-form outside of the service window"));
    world.dead_letter(|letter| letter.body.contains(&id)).await;
    let id = new_id("template-instead");
    world.notify(&with_fallback(text_notification(&id, &person), &[("whatsapp", template())])).await;
    world.notification_in(&id, "accepted").await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 1, "the text was not sent");
    assert_eq!(sent[0]["body"], "Hello Ava, your order 18473 is on its way.");
}

#[tokio::test]
async fn template_fallback_is_sent_once_after_error_63016() {
    let (world, person, id) = (World::new(), Person::new(), new_id("believed-open"));
    world.open_window(&person).await;
    world.plan(&person, 1, json!({"kind": "fail", "code": 63016})).await;
    world.notify(&with_fallback(text_notification(&id, &person), &[("whatsapp", template())])).await;
    let read = |event: &Value| of_notification("twilio_status", &id)(event) && event["status"] == "read";
    let event = world.event("the template, read", read).await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 2, "the text that failed, and the template");
    assert_eq!(event["message_sid"], sent[1]["sid"]);
    let log = world.until_outcome(&id, "read").await;
    assert_eq!(log["state"], "accepted");
    let outcomes: Vec<_> = log["attempts"].as_array().unwrap().iter().map(|tried| tried["outcome"].clone()).collect();
    assert_eq!(outcomes, ["failed", "accepted"], "one for each request to Twilio");
    assert_eq!(log["attempts"][0]["code"], 63016);
}

#[tokio::test]
async fn sms_fallback_is_sent_when_recipient_is_not_on_whatsapp() {
    let (world, person, id) = (World::new(), Person::new(), new_id("no-whatsapp"));
    world.plan(&person, 1, json!({"kind": "fail", "code": 63003})).await;
    let sms = json!({"type": "text", "body": "Your order 18473 is on its way."});
    world.notify(&with_fallback(template_notification(&id, &person), &[("sms", sms)])).await;
    let by_sms = Person { identity: person.identity.clone() };
    let message = world
        .until("the SMS", async || {
            let url = format!("{}/sandbox/messages", world.stack.sandbox_url);
            let request = world.http.get(url).query(&[("address", by_sms.identity.clone())]);
            request.send().await.unwrap().json::<Vec<Value>>().await.unwrap().pop()
        })
        .await;
    assert_eq!(message["body"], "Your order 18473 is on its way.");
}

#[tokio::test]
async fn opt_out_reported_by_twilio_suppresses_later_messages() {
    let world = World::new();
    let refused = json!({"kind": "refuse", "status": 400, "code": 21610});
    let failed = json!({"kind": "fail", "code": 63014});
    for (code, fault) in [(21610, refused), (63014, failed)] {
        let (person, first, second) = (Person::new(), new_id("reported"), new_id("known"));
        world.plan(&person, 1, fault).await;
        world.notify(&template_notification(&first, &person)).await;
        let contact = is("contact", &person.identity);
        let opted_out = |event: &Value| event["event_type"] == "contact_opted_out" && contact(event);
        let event = world.event("the opt-out", opted_out).await;
        assert_eq!(event["code"], json!(code));
        assert_eq!(event["scope"], "all");
        world.notify(&template_notification(&second, &person)).await;
        assert_eq!(suppressed(&world, &second).await, "the recipient has opted out");
        assert!(world.sent_to(&person).await.len() <= 1, "not sent again");
    }
}

#[tokio::test]
async fn marketing_opt_out_still_allows_utility_messages() {
    let (world, person) = (World::new(), Person::new());
    agree(&world, &person).await;
    let (first, second, third) = (new_id("offer"), new_id("another-offer"), new_id("order"));
    world.plan(&person, 1, json!({"kind": "fail", "code": 63050})).await;
    world.notify(&marketing(&first, &person)).await;
    world
        .until("the opt-out", async || {
            (world.preference_in(&person, Scope::Marketing).await == Some(Preference::OptedOut)).then_some(())
        })
        .await;
    world.notify(&marketing(&second, &person)).await;
    assert_eq!(suppressed(&world, &second).await, "the recipient has opted out of marketing");
    world.notify(&template_notification(&third, &person)).await;
    world.notification_in(&third, "accepted").await;
}

#[tokio::test]
async fn stop_holds_for_every_spelling_of_the_number() {
    let world = World::new();
    let digits = uuid::Uuid::new_v4().as_u128() % 10_000_000;
    let spellings = [
        (format!("+55119{:01}{digits:07}", 8), format!("+5511{:01}{digits:07}", 8)),
        (format!("+521551{digits:07}"), format!("+52551{digits:07}")),
        (format!("+549110{digits:07}"), format!("+54110{digits:07}")),
    ];
    for (one, other) in spellings {
        let (one, other, id) = (Person { identity: one }, Person { identity: other }, new_id("spelling"));
        world.write(&one, "STOP").await;
        world.notify(&template_notification(&id, &other)).await;
        assert_eq!(suppressed(&world, &id).await, "the recipient has opted out");
    }
}

#[tokio::test]
async fn stop_by_user_id_holds_for_its_linked_phone_number() {
    let (world, person, hidden, id) = (World::new(), Person::new(), Person::without_number(), new_id("hidden"));
    world.write_with(&person, json!({"body": "hi", "external_user_id": hidden.address()})).await;
    assert_eq!(world.person(&hidden).await, world.person(&person).await, "one person");
    world.write(&hidden, "STOP").await;
    world.notify(&template_notification(&id, &person)).await;
    assert_eq!(suppressed(&world, &id).await, "the recipient has opted out");
}

#[tokio::test]
async fn marketing_needs_consent_and_a_stop_withdraws_it() {
    let (world, person) = (World::new(), Person::new());
    let (stranger, asked, again) = (new_id("stranger"), new_id("asked"), new_id("again"));
    world.notify(&marketing(&stranger, &person)).await;
    assert!(suppressed(&world, &stranger).await.starts_with("no living consent"));
    agree(&world, &person).await;
    world.notify(&marketing(&asked, &person)).await;
    world.notification_in(&asked, "accepted").await;
    world.write(&person, "STOP").await;
    let stopped = world.person(&person).await.person;
    assert_eq!(stopped.consent_given_at(Category::Marketing), None, "withdrawn when the webhook is answered");
    world.write(&person, "START").await;
    world.notify(&marketing(&again, &person)).await;
    assert!(suppressed(&world, &again).await.starts_with("no living consent"), "START is no new consent");
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn country_policy_sets_cap_quiet_hours_and_consent() {
    let world = World::new();
    let digits = || uuid::Uuid::new_v4().as_u128() % 100_000;
    let faroese = Person { identity: format!("+2982{:05}", digits()) };
    for _ in 0..2 {
        let id = new_id("offer");
        world.notify(&marketing(&id, &faroese)).await;
        world.notification_in(&id, "accepted").await;
    }
    let third = new_id("third-offer");
    world.notify(&marketing(&third, &faroese)).await;
    assert!(suppressed(&world, &third).await.contains("2 marketing messages in 7 days"));

    let is_morning = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour() < 12;
    let (iceland, ghana) = ("+35461", "+2332455");
    let at_night = Person { identity: format!("{}{:05}", if is_morning { iceland } else { ghana }, digits()) };
    let (offer, order) = (new_id("at-night"), new_id("by-night"));
    world.notify(&marketing(&offer, &at_night)).await;
    world.notify(&template_notification(&order, &at_night)).await;
    world.notification_in(&order, "accepted").await;
    let waiting = world.notification_in(&offer, "waiting").await;
    assert_eq!(text(&waiting, "reason"), Some("quiet hours where the recipient is"));

    let maltese = Person { identity: format!("+356992{:05}", digits()) };
    let id = new_id("order");
    world.notify(&template_notification(&id, &maltese)).await;
    assert!(suppressed(&world, &id).await.contains("utility needs one"));
}

#[tokio::test]
async fn content_awaiting_a_reply_is_sent_after_the_reply() {
    let (world, person, id) = (World::new(), Person::new(), new_id("asked-first"));
    let mut notification = with_fallback(text_notification(&id, &person), &[("whatsapp", template())]);
    notification["wait_for_reply"] = json!(true);
    world.notify(&notification).await;
    world.notification_in(&id, "awaiting_reply").await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
    world.write(&person, "Yes please").await;
    world.notification_in(&id, "accepted").await;
    let bodies: Vec<_> = world.sent_to(&person).await.iter().map(|sent| sent["body"].clone()).collect();
    assert_eq!(bodies, ["Hello Ava, your order 18473 is on its way.", "On its way."]);
}

#[tokio::test]
async fn content_awaiting_a_reply_expires_with_an_event() {
    let (world, person, id) = (World::new(), Person::new(), new_id("unanswered"));
    let mut notification = with_fallback(text_notification(&id, &person), &[("whatsapp", template())]);
    notification["wait_for_reply"] = json!(true);
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(8);
    notification["expires_at"] = json!(end.to_string());
    world.notify(&notification).await;
    let event = world.event("the end", of_notification("notification_failed", &id)).await;
    assert_eq!((&event["state"], &event["outcome"]), (&json!("expired"), &json!("expired")));
    assert!(event["reason"].as_str().unwrap().ends_with("has not answered the template"), "{event}");
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn temporary_whatsapp_failure_is_retried() {
    let (world, person, id) = (World::new(), Person::new(), new_id("moment"));
    world.plan(&person, 1, json!({"kind": "fail", "code": 63010})).await;
    world.notify(&template_notification(&id, &person)).await;
    let read = |event: &Value| of_notification("twilio_status", &id)(event) && event["status"] == "read";
    world.event("the second try, read", read).await;
    assert_eq!(world.sent_to(&person).await.len(), 2);
}

#[tokio::test]
async fn invalid_notifications_are_rejected_and_valid_ones_are_sent() {
    let (world, person) = (World::new(), Person::new());
    let wrong = |id: &str, change: &dyn Fn(&mut Value)| {
        let mut notification = template_notification(id, &person);
        change(&mut notification);
        notification
    };
    let long = "x".repeat(1_601);
    let key = json!([{"key": "uploads/there-is-none.png"}]);
    let cases: Vec<(&str, Edit)> = vec![
        ("colour: unknown field", Box::new(|n: &mut Value| n["colour"] = json!("red"))),
        ("to: expected an E.164", Box::new(|n: &mut Value| n["to"] = json!("0171 123"))),
        ("content.variables: expected", Box::new(|n: &mut Value| n["content"]["variables"]["1"] = json!(1))),
        ("content.variables.1: expected", Box::new(|n: &mut Value| n["content"]["variables"]["1"] = json!("Ava\n"))),
        ("content.variables.1: expected", Box::new(|n: &mut Value| n["content"]["variables"]["1"] = json!(""))),
        (
            "metadata.a: expected a notification of at most 200000 bytes",
            Box::new(|n: &mut Value| n["metadata"] = json!({"a": "x".repeat(230_000)})),
        ),
        (
            "content.variables: expected a notification of at most 200000 bytes",
            Box::new(|n: &mut Value| {
                let variable = |number: u32| (number.to_string(), json!("👋".repeat(1_600)));
                n["content"]["variables"] = (1..=100).map(variable).collect::<serde_json::Map<_, _>>().into();
            }),
        ),
        ("content.body: expected", Box::new(move |n: &mut Value| n["content"] = json!({"type": "text", "body": long}))),
        (
            "content.media: expected",
            Box::new(|n: &mut Value| {
                n["content"] = json!({"type": "media", "media": vec![json!({"url": "https://a.example/1.png"}); 11]});
            }),
        ),
        ("send_at: expected a future time", Box::new(|n: &mut Value| n["send_at"] = json!("2026-01-01T00:00:00Z"))),
        ("send_at: expected a time within", Box::new(|n: &mut Value| n["send_at"] = json!("2036-01-01T00:00:00Z"))),
        (
            "content.media[0].key: expected",
            Box::new(move |n: &mut Value| {
                n["content"] = json!({"type": "media", "media": key});
                n["fallback"] = json!([]);
            }),
        ),
    ];
    world.open_window(&person).await;
    let good = new_id("good");
    for (reason, change) in &cases {
        let id = new_id("wrong");
        world.notify(&wrong(&id, change)).await;
        let event = world.event(reason, of_notification("notification_failed", &id)).await;
        assert!(event["reason"].as_str().unwrap().starts_with(reason), "{event}");
        assert_eq!(event["state"], "rejected");
        let letter = world.dead_letter(|letter| letter.body.contains(&id)).await;
        assert_eq!(letter.reason.as_deref(), event["reason"].as_str());
    }
    world.notify(&template_notification(&good, &person)).await;
    world.notification_in(&good, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1, "the valid one");
}

#[tokio::test]
async fn reason_with_a_noncharacter_reaches_the_dead_letter_queue() {
    let (world, person, id) = (World::new(), Person::new(), new_id("noncharacter"));
    let mut notification = template_notification(&id, &person);
    notification["\u{ffff}"] = json!("red");
    world.enqueue(&notification.to_string().replace('\u{ffff}', "\\uffff")).await;
    let event = world.event("the refusal", of_notification("notification_failed", &id)).await;
    assert!(event["reason"].as_str().unwrap().starts_with("\u{ffff}: unknown field"), "{event}");
    let letter = world.dead_letter(|letter| letter.body.contains(&id)).await;
    assert!(letter.reason.unwrap().starts_with("\u{fffd}: unknown field"));
}
