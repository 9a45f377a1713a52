//! Twilio's response to a create request is lost: the outcome is resolved, and no person receives the message twice.

use std::time::Duration;

use serde_json::json;

use crate::world::{Person, World, new_id, of_notification, template_notification, text};

/// The call's time limit, the rest of its claim's lease, and the delays of the queue and the emulator.
const AFTER_THE_LEASE: Duration = Duration::from_secs(150);

#[tokio::test]
async fn lost_response_is_resolved_by_the_status_callback() {
    let (world, person, id) = (World::new(), Person::new(), new_id("lost-answer"));
    world.plan(&person, 9, json!({"kind": "accept_then_hang"})).await;
    world.notify(&template_notification(&id, &person)).await;
    world.events("its statuses", of_notification("twilio_status", &id), 4).await;
    let accepted = world
        .until_within(AFTER_THE_LEASE, "the notification accepted", async || {
            world.notification(&id).await.filter(|item| text(item, "state") == Some("accepted"))
        })
        .await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 1, "not sent again");
    assert_eq!(text(&accepted, "message_sid"), sent[0]["sid"].as_str());
}

#[tokio::test]
async fn lost_request_is_resolved_and_sent_once() {
    let (world, person, id) = (World::new(), Person::new(), new_id("nowhere"));
    world.plan(&person, 1, json!({"kind": "hang"})).await;
    world.notify(&template_notification(&id, &person)).await;
    let accepted = world
        .until_within(AFTER_THE_LEASE, "the notification accepted", async || {
            world.notification(&id).await.filter(|item| text(item, "state") == Some("accepted"))
        })
        .await;
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
    world.notify(&template_notification(&id, &person)).await;
    let accepted = world
        .until_within(AFTER_THE_LEASE, "the notification accepted", async || {
            world.notification(&id).await.filter(|item| text(item, "state") == Some("accepted"))
        })
        .await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 2, "one message for each notification");
    assert_eq!(text(&accepted, "message_sid"), sent[1]["sid"].as_str(), "not the other notification's");
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
    world
        .until_within(AFTER_THE_LEASE, "the notification accepted", async || {
            world.notification(&id).await.filter(|item| text(item, "state") == Some("accepted"))
        })
        .await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
}
