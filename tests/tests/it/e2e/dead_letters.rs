//! A notification that was given up, and what SQS does with its dead letter.

use std::time::Duration;

use serde_json::json;

use crate::{
    e2e::{
        clock::{Time, time},
        waiting::release,
    },
    world::{Person, new_id, template_notification, text},
};

/// Does what `aws sqs start-message-move-task` does, which the emulator does not have: the message keeps its body and its
/// attributes, and comes to the queue that an operator names.
async fn move_back(time: &Time, id: &str) {
    let world = &time.world;
    let (dead, outbound) =
        (&world.stack.outputs.outbound_dead_letter_queue_url, &world.stack.outputs.outbound_queue_url);
    let letter = world
        .until("the dead letter", async || {
            let receive = world.sqs.receive_message().queue_url(dead).message_attribute_names("All");
            let received = receive.visibility_timeout(1).send().await.unwrap().messages.unwrap_or_default();
            received.into_iter().find(|message| message.body().is_some_and(|body| body.contains(id)))
        })
        .await;
    let send = world.sqs.send_message().queue_url(outbound).message_body(letter.body().unwrap());
    send.set_message_attributes(letter.message_attributes.clone()).send().await.unwrap();
    let delete = world.sqs.delete_message().queue_url(dead).receipt_handle(letter.receipt_handle().unwrap());
    delete.send().await.unwrap();
}

#[tokio::test]
async fn notification_given_up_in_an_outage_is_sent_after_a_redrive() {
    let (time, person, id) = (time().await, Person::new(), new_id("outage"));
    let world = &time.world;
    world.plan(&person, 2, json!({"kind": "refuse", "status": 429, "code": 20429, "retry_after": 600})).await;
    let mut notification = template_notification(&id, &person);
    // The redrive puts it on the outbound queue, from which it is moved to the lane of its category.
    notification["category"] = json!("marketing");
    world.notify(&notification).await;
    world
        .until("the first attempt", async || {
            let item = world.notification(&id).await?;
            (item.get("attempts")?.as_l().ok()?.len() == 1 && text(&item, "state") == Some("waiting")).then_some(())
        })
        .await;
    time.advance(Duration::from_hours(25)).await;
    release(world).await;
    let rejected = world.notification_in(&id, "rejected").await;
    assert!(
        text(&rejected, "reason").unwrap().starts_with("given up after 2 attempts"),
        "{:?}",
        text(&rejected, "reason")
    );

    time.advance(Duration::from_hours(1)).await;
    move_back(&time, &id).await;
    world.notification_in(&id, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
}
