//! Status callbacks.

use serde_json::json;
use stack::run::ACCOUNT_SID;

use crate::world::{Person, World, is, new_id, new_sid, of_notification, template_notification, text};

#[tokio::test]
async fn statuses_in_any_order_give_one_current_status() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let address = person.address();
    for status in ["read", "sent", "delivered", "sent", "read"] {
        let parameters = [
            ("MessageSid", sid.as_str()),
            ("AccountSid", ACCOUNT_SID),
            ("MessageStatus", status),
            ("To", address.as_str()),
            ("From", "whatsapp:+14155238886"),
        ];
        let answer = world.post_signed("/twilio/status", &parameters).await;
        assert_eq!(answer.status().as_u16(), 204);
        assert_eq!(answer.text().await.unwrap(), "");
    }
    let events = world.events("three statuses", is("message_sid", &sid), 3).await;
    assert_eq!(world.items(&sid).await.len(), 3, "one item for each status");
    assert_eq!(events.len(), 3);
    for event in &events {
        assert_eq!(event["event_type"], "twilio_status");
        assert_eq!(event["current_status"], "read");
    }
}

#[tokio::test]
async fn concurrent_duplicate_status_is_one_item_and_one_event() {
    let (world, sid) = (World::new(), new_sid());
    let parameters = [("MessageSid", sid.as_str()), ("AccountSid", ACCOUNT_SID), ("MessageStatus", "sent")];
    let answers = futures::future::join_all((0..20).map(|_| world.post_signed("/twilio/status", &parameters))).await;
    assert!(answers.iter().all(|answer| answer.status() == 204));
    assert_eq!(world.items(&sid).await.len(), 1);
    assert_eq!(world.events("the status", is("message_sid", &sid), 1).await.len(), 1);
}

#[tokio::test]
async fn callback_before_the_send_is_recorded_binds_its_message() {
    let (world, person, id) = (World::new(), Person::new(), new_id("early"));
    world.plan(&person, 1, json!({"kind": "report_first"})).await;
    world.notify(&template_notification(&id, &person)).await;
    let accepted = world.notification_in(&id, "accepted").await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(text(&accepted, "message_sid"), sent[0]["sid"].as_str());
    let statuses = world.events("all statuses", of_notification("twilio_status", &id), 4).await;
    assert!(statuses.iter().all(|event| event["message_sid"] == sent[0]["sid"]));
}

#[tokio::test]
async fn status_of_an_unknown_notification_is_stored() {
    let (world, sid) = (World::new(), new_sid());
    let parameters = [("MessageSid", sid.as_str()), ("AccountSid", ACCOUNT_SID), ("MessageStatus", "sent")];
    let answer = world.post_signed("/twilio/status?notification=not%20in%20the%20table", &parameters).await;
    assert_eq!(answer.status(), 204);
    let event = world.event("the status", is("message_sid", &sid)).await;
    assert_eq!(event["notification_id"], "not in the table");
    assert!(world.notification("not in the table").await.is_none());
}
