//! A notification is sent.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{Person, World, new_id, of_notification, template_notification, text, text_notification};

/// The reported statuses in the order of the events' `sequence`.
fn statuses(events: &[Value]) -> Vec<&str> {
    let sorted: BTreeMap<_, _> =
        events.iter().map(|event| (event["sequence"].as_str().unwrap(), event["status"].as_str().unwrap())).collect();
    sorted.into_values().collect()
}

#[tokio::test]
async fn template_is_accepted_sent_delivered_and_read() {
    let (world, person, id) = (World::new(), Person::new(), new_id("shipped"));
    world.notify(&template_notification(&id, &person)).await;
    let events = world.events("four statuses", of_notification("twilio_status", &id), 4).await;
    assert_eq!(statuses(&events), ["queued", "sent", "delivered", "read"], "in order");
    let read = events.iter().find(|event| event["status"] == "read").unwrap();
    assert_eq!(read["current_status"], "read");
    assert_eq!(read["metadata"]["order"], id);
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["messaging_service_sid"], stack::run::MESSAGING_SERVICE_SID);
    let stored = world.notification_in(&id, "accepted").await;
    assert_eq!(text(&stored, "message_sid"), sent[0]["sid"].as_str());
    let log = world.until_outcome(&id, "read").await;
    assert_eq!(log["attempts"].as_array().unwrap().len(), 1, "one for each request to Twilio: {log}");
}

#[tokio::test]
async fn text_inside_the_window_is_sent_from_the_named_sender() {
    let (world, person, id) = (World::new(), Person::new(), new_id("text"));
    world.write(&person, "hi").await;
    let mut notification = text_notification(&id, &person);
    notification["from"] = json!("whatsapp:+14155238886");
    world.notify(&notification).await;
    let events = world.events("three statuses", of_notification("twilio_status", &id), 3).await;
    assert_eq!(statuses(&events), ["sent", "delivered", "read"]);
    assert_eq!(world.sent_to(&person).await[0]["body"], "On its way.");
}

#[tokio::test]
async fn template_is_found_by_its_name() {
    let (world, person, id) = (World::new(), Person::new(), new_id("named"));
    let mut notification = template_notification(&id, &person);
    notification["content"] =
        json!({"type": "template", "name": "order_update", "locale": "en", "variables": {"1": "Ava", "2": "18473"}});
    world.notify(&notification).await;
    world.notification_in(&id, "accepted").await;
    let (id, content) = (new_id("misnamed"), json!({"type": "template", "name": "no_such", "locale": "en"}));
    notification["id"] = json!(id);
    notification["content"] = content;
    world.notify(&notification).await;
    let event = world.event("the refusal", of_notification("notification_failed", &id)).await;
    assert!(event["reason"].as_str().unwrap().starts_with("content.name: "), "{event}");
}

#[tokio::test]
async fn repeated_notification_is_sent_once() {
    let (world, person, id) = (World::new(), Person::new(), new_id("replayed"));
    let notification = template_notification(&id, &person);
    futures::future::join_all((0..10).map(|_| world.notify(&notification))).await;
    world.notification_in(&id, "accepted").await;
    world.notify(&notification).await;
    world.events("its statuses", of_notification("twilio_status", &id), 4).await;
    let after = new_id("after");
    world.notify(&template_notification(&after, &person)).await;
    world.notification_in(&after, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 2, "one of each");
}

#[tokio::test]
async fn opted_out_recipient_is_messaged_only_after_opting_in() {
    let (world, person, id) = (World::new(), Person::new(), new_id("suppressed"));
    world.write(&person, "STOP").await;
    world.notify(&template_notification(&id, &person)).await;
    let event = world.event("the suppression", of_notification("notification_suppressed", &id)).await;
    assert_eq!(event["to"], person.identity);
    assert_eq!(event["metadata"]["order"], id);
    assert!(world.sent_to(&person).await.is_empty());
    world.write(&person, "START").await;
    let again = new_id("welcome");
    world.notify(&template_notification(&again, &person)).await;
    world.notification_in(&again, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn permanent_refusal_ends_in_an_event_with_twilios_code() {
    let (world, person, id) = (World::new(), Person::new(), new_id("refused"));
    world.plan(&person, 9, json!({"kind": "refuse", "status": 400, "code": 21211})).await;
    world.notify(&template_notification(&id, &person)).await;
    let event = world.event("the failure", of_notification("notification_failed", &id)).await;
    assert_eq!(event["code"], 21211);
    assert_eq!((&event["state"], &event["outcome"]), (&json!("rejected"), &json!("rejected")));
    assert!(event["reason"].as_str().unwrap().contains("Invalid 'To' Phone Number"), "{event}");
    assert_eq!(event["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn too_many_requests_response_is_retried_until_accepted() {
    let (world, person, id) = (World::new(), Person::new(), new_id("patience"));
    world.plan(&person, 2, json!({"kind": "refuse", "status": 429, "code": 20429, "retry_after": 1})).await;
    world.notify(&template_notification(&id, &person)).await;
    let stored = world.notification_in(&id, "accepted").await;
    let attempts = stored["attempts"].as_l().unwrap();
    let outcome =
        |attempt: &aws_sdk_dynamodb::types::AttributeValue| text(attempt.as_m().unwrap(), "outcome").map(str::to_owned);
    assert_eq!(attempts.iter().filter_map(outcome).collect::<Vec<_>>(), ["waiting", "waiting", "accepted"]);
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn unreadable_message_is_dead_lettered_and_the_rest_is_sent() {
    let (world, person) = (World::new(), Person::new());
    let (good, bad) = (new_id("good"), new_id("bad"));
    let marker = new_id("not json");
    let mut misspelt = template_notification(&bad, &person);
    misspelt["catgory"] = json!("utility");
    let bodies = [marker.clone(), misspelt.to_string(), template_notification(&good, &person).to_string()];
    let entry = |(index, body): (usize, &String)| {
        let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder().id(index.to_string());
        entry.message_body(body).build().unwrap()
    };
    let entries = bodies.iter().enumerate().map(entry).collect();
    let batch = world.sqs.send_message_batch().queue_url(&world.stack.outputs.outbound_queue_url);
    batch.set_entries(Some(entries)).send().await.unwrap();

    world.notification_in(&good, "accepted").await;
    let letter = world.dead_letter(|letter| letter.body == marker).await;
    assert_eq!(letter.reason.as_deref(), Some("body: expected JSON, it breaks off at line 1, column 2"));
    let letter = world.dead_letter(|letter| letter.body.contains(&bad)).await;
    assert!(letter.reason.as_deref().unwrap().starts_with("catgory: unknown field"), "{:?}", letter.reason);
    let event = world.event("the failure", of_notification("notification_failed", &bad)).await;
    assert_eq!(event["reason"].as_str(), letter.reason.as_deref());
}

#[tokio::test]
async fn reference_of_a_later_release_becomes_a_dead_letter() {
    let (world, id) = (World::new(), new_id("later"));
    let later = format!(r#"{{"stored_notification": {{"key": "{id}"}}, "format": 2}}"#);
    world.enqueue(&later).await;
    let letter = world.dead_letter(|letter| letter.body == later).await;
    let format = "the name of a stored notification has the format 2";
    assert!(letter.reason.as_deref().is_some_and(|reason| reason.starts_with(format)), "{:?}", letter.reason);
}

#[tokio::test]
async fn reused_id_with_different_content_is_refused() {
    let (world, person, id) = (World::new(), Person::new(), new_id("twice"));
    world.notify(&template_notification(&id, &person)).await;
    world.notification_in(&id, "accepted").await;
    let mut other = template_notification(&id, &person);
    other["content"]["variables"]["1"] = json!("Eve");
    world.notify(&other).await;
    let letter = world.dead_letter(|letter| letter.body.contains(&id)).await;
    assert!(letter.reason.unwrap().starts_with("id: used before"));
    let event = world.event("the refusal", of_notification("notification_failed", &id)).await;
    assert!(event["reason"].as_str().unwrap().starts_with("id: used before"), "{event}");
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn send_at_and_expires_at_are_respected() {
    let (world, person) = (World::new(), Person::new());
    let (late, early) = (new_id("late"), new_id("early"));
    let mut expired = template_notification(&late, &person);
    expired["expires_at"] = json!("2026-01-01T00:00:00Z");
    world.notify(&expired).await;
    let event = world.event("the end", of_notification("notification_failed", &late)).await;
    assert_eq!(event["state"], "expired");
    assert_eq!(event["reason"], "expires_at has passed");
    let mut waiting = template_notification(&early, &person);
    waiting["send_at"] = json!((jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5)).to_string());
    world.notify(&waiting).await;
    let accepted = world.notification_in(&early, "accepted").await;
    let send_at: jiff::Timestamp = waiting["send_at"].as_str().unwrap().parse().unwrap();
    assert!(text(&accepted, "updated_at").unwrap().parse::<jiff::Timestamp>().unwrap() >= send_at);
    assert_eq!(world.sent_to(&person).await.len(), 1);
}
