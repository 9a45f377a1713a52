//! Twilio's answer is lost: nobody is messaged twice.

use std::time::Duration;

use serde_json::json;

use crate::world::{Person, World, events_so_far, new_id, of_notification, template_notification, text};

/// The call's time limit, the rest of its claim's lease, and what the queue and the emulator take.
const AFTER_THE_LEASE: Duration = Duration::from_secs(150);

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_known_by_its_callback() {
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
    assert_eq!(sent.len(), 1, "never sent again");
    assert_eq!(text(&accepted, "message_sid"), sent[0]["sid"].as_str());
}

#[tokio::test]
async fn a_message_that_nobody_knows_of_is_not_sent_again_blindly() {
    let (world, person, id) = (World::new(), Person::new(), new_id("nowhere"));
    world.plan(&person, 1, json!({"kind": "hang"})).await;
    world.notify(&template_notification(&id, &person)).await;
    let event = world
        .until_within(AFTER_THE_LEASE, "the event", async || {
            events_so_far(of_notification("notification_failed", &id)).pop()
        })
        .await;
    assert_eq!(event["state"], "unknown");
    world.notify(&template_notification(&id, &person)).await;
    let after = new_id("after");
    world.notify(&template_notification(&after, &person)).await;
    world.notification_in(&after, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1, "the later one only");
}

#[tokio::test]
async fn an_error_upon_which_a_message_may_exist_is_no_reason_to_send_again() {
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
