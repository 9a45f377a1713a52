//! The emulator's limits of AWS, seen by a program that uses the AWS SDK and by the deployed functions.

use aws_sdk_sqs::{
    error::ProvideErrorMetadata as _,
    operation::change_message_visibility::ChangeMessageVisibilityError,
    types::{
        MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::harness::emulator::{RefusalReason, RefusedRequests, end_refusal, set_in_flight_quota};

use crate::{
    support::queue_of_the_test,
    world::{Person, World, new_id, template_notification},
};

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

#[tokio::test]
async fn queue_returns_nothing_beyond_its_quota_in_flight() {
    let world = World::without_consumers();
    let queue_url = queue_of_the_test(&world).await;
    set_in_flight_quota(&world.sqs, &queue_url, 2).await.unwrap();
    let entries = ["1", "2", "3"].map(|id| entry(id, "body"));
    world.sqs.send_message_batch().queue_url(&queue_url).set_entries(Some(entries.into())).send().await.unwrap();
    let receive = || world.sqs.receive_message().queue_url(&queue_url).max_number_of_messages(10);
    let received = receive().send().await.unwrap();
    assert_eq!(received.messages().len(), 2);
    assert_eq!(receive().send().await.unwrap_err().code(), Some("OverLimit"));
    assert!(receive().wait_time_seconds(1).send().await.unwrap().messages().is_empty());
    let attributes = world.sqs.get_queue_attributes().queue_url(&queue_url).attribute_names(QueueAttributeName::All);
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    assert_eq!(attributes[&QueueAttributeName::ApproximateNumberOfMessagesNotVisible], "2");
    let handle = received.messages()[0].receipt_handle().unwrap();
    world.sqs.delete_message().queue_url(&queue_url).receipt_handle(handle).send().await.unwrap();
    assert_eq!(receive().send().await.unwrap().messages().len(), 1);
}

#[tokio::test]
async fn queue_refuses_only_the_messages_with_a_noncharacter() {
    let world = World::without_consumers();
    let queue_url = queue_of_the_test(&world).await;
    let entries = vec![entry("good", "body"), entry("bad", "\u{fffe}")];
    let sent = world.sqs.send_message_batch().queue_url(&queue_url).set_entries(Some(entries)).send().await.unwrap();
    assert_eq!(sent.successful().len(), 1);
    assert_eq!((sent.failed()[0].id(), sent.failed()[0].code()), ("bad", "InvalidMessageContents"));
    assert!(sent.failed()[0].sender_fault());
}

#[tokio::test]
async fn message_that_is_visible_again_cannot_be_hidden() {
    let world = World::without_consumers();
    let queue_url = queue_of_the_test(&world).await;
    world.sqs.send_message().queue_url(&queue_url).message_body("body").send().await.unwrap();
    let received = world.sqs.receive_message().queue_url(&queue_url).send().await.unwrap();
    let handle = received.messages()[0].receipt_handle().unwrap();
    let hide = |seconds| {
        world.sqs.change_message_visibility().queue_url(&queue_url).receipt_handle(handle).visibility_timeout(seconds)
    };
    assert_eq!(hide(43_201).send().await.unwrap_err().code(), Some("InvalidParameterValue"));
    hide(0).send().await.unwrap();
    let refusal = hide(1).send().await.unwrap_err();
    let refused = refusal.as_service_error().is_some_and(ChangeMessageVisibilityError::is_message_not_inflight);
    assert!(refused, "{refusal:?}");
}

#[tokio::test]
async fn message_of_a_function_continues_the_chain_of_its_invocation() {
    let (world, body) = (World::new(), new_id("no notification"));
    let root = format!("Root=1-00000000-{:024x}", uuid::Uuid::new_v4().as_u128() >> 32);
    let trace = MessageSystemAttributeValue::builder().data_type("String").string_value(&root);
    let send = world.sqs.send_message().queue_url(&world.stack.outputs.outbound_queue_url).message_body(&body);
    let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
    send.message_system_attributes(name, trace.build().unwrap()).send().await.unwrap();
    let letter = world.dead_letter(|letter| letter.body == body).await;
    let trace = letter.trace.unwrap();
    let continued = trace.strip_prefix(&root).unwrap_or_else(|| panic!("another chain: {trace}"));
    // The batch may have had other messages, with more invocations.
    assert!(continued.contains(";Lineage=1:"), "{trace}");
}

/// Queues a notification whose next requests are refused, and waits for its state.
async fn notify_refused(world: &World, refused: RefusedRequests<'_>, notification: &Value, state: &str) {
    let number = refused.begin(&world.stack).await.unwrap();
    world.notify(notification).await;
    world.notification_in(refused.contains, state).await;
    assert_eq!(end_refusal(&world.stack, number).await.unwrap(), 0, "the refused requests were sent");
}

#[tokio::test]
async fn deployed_function_tries_a_claim_again_after_a_conflict() {
    let (world, person, id) = (World::new(), Person::new(), new_id("conflicting"));
    let refused = RefusedRequests {
        operation: Some("TransactWriteItems"),
        table_name: Some(&world.stack.outputs.notifications_table_name),
        ..RefusedRequests::containing(&id, RefusalReason::TransactionConflict, 2)
    };
    notify_refused(&world, refused, &template_notification(&id, &person), "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn notification_waits_although_its_index_is_throttled() {
    let (world, id) = (World::new(), new_id("throttled"));
    let refused = RefusedRequests {
        index_name: Some("by_due"),
        ..RefusedRequests::containing(&id, RefusalReason::ProvisionedThroughputExceeded, 2)
    };
    let mut notification = template_notification(&id, &Person::new());
    notification["send_at"] = json!((Timestamp::now() + SignedDuration::from_hours(24)).to_string());
    notify_refused(&world, refused, &notification, "waiting").await;
}

#[tokio::test]
async fn notification_is_read_although_its_key_is_unprocessed() {
    let (world, person, id) = (World::new(), Person::new(), new_id("unprocessed"));
    let refused = RefusedRequests {
        table_name: Some(&world.stack.outputs.notifications_table_name),
        ..RefusedRequests::containing(&id, RefusalReason::UnprocessedKeys, 1)
    };
    notify_refused(&world, refused, &template_notification(&id, &person), "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
}
