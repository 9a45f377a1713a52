//! A notification that waits is in no queue, and the function `release` brings it back when it is due.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use domain::{
    digest::sha256_hex,
    notification::{Category, Notification, NotificationId},
    pause::Pause,
    waiting::WaitReason,
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use stores::{
    notifications::{DUE_SHARDS, DueNotification, Notifications, StoredNotification, Subject},
    pauses::PauseStore,
};

use crate::{
    e2e::clock::{Time, icelander, time, updated_at},
    world::{Person, World, new_id, template_notification, text},
};

const SENDER: &str = "whatsapp:+14155238886";

/// Invokes the function, as its schedule does every minute too, until a run is complete, and returns the report of that run. A run is
/// not complete if another one moves the same notifications at the same moment.
pub(super) async fn release(world: &World) -> Value {
    let name = &world.stack.outputs.release_function_name;
    let url = format!("{}/2015-03-31/functions/{name}/invocations?Qualifier=live", world.stack.aws_endpoint);
    world
        .until("a complete run of the function release", async || {
            let report: Value = world.signed("lambda", "POST", &url, "{}").send().await.unwrap().json().await.unwrap();
            (report["complete"] == true).then_some(report)
        })
        .await
}

fn lane_queues(world: &World) -> [&String; 3] {
    let outputs = &world.stack.outputs;
    [&outputs.urgent_queue_url, &outputs.outbound_queue_url, &outputs.marketing_queue_url]
}

/// Waits until no message is in any of the three queues: none that can be received, none in flight, none delayed.
pub(super) async fn until_queues_are_empty(world: &World) {
    let counts = [
        Attribute::ApproximateNumberOfMessages,
        Attribute::ApproximateNumberOfMessagesNotVisible,
        Attribute::ApproximateNumberOfMessagesDelayed,
    ];
    world
        .until("three empty queues", async || {
            for url in lane_queues(world) {
                let get = world.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(counts.to_vec()));
                let found = get.send().await.unwrap().attributes.unwrap_or_default();
                if counts.iter().any(|count| found.get(count).is_none_or(|number| number != "0")) {
                    return None;
                }
            }
            Some(())
        })
        .await;
}

/// Queues a notification for a time, and waits until it waits.
async fn send_after(time: &Time, person: &Person, name: &str, wait: SignedDuration) -> (String, Timestamp) {
    let (id, send_at) = (new_id(name), time.now() + wait);
    let mut notification = template_notification(&id, person);
    notification["send_at"] = json!(send_at.to_string());
    time.world.notify(&notification).await;
    time.world.notification_in(&id, "waiting").await;
    (id, send_at)
}

pub(super) async fn assert_sent_once(world: &World, person: &Person, id: &str) {
    world.notification_in(id, "accepted").await;
    until_queues_are_empty(world).await;
    assert_eq!(world.sent_to(person).await.len(), 1, "{id}");
}

#[tokio::test]
async fn notification_for_tomorrow_is_stored_and_in_no_queue() {
    let (time, person) = (time().await, icelander());
    let world = &time.world;
    let (id, send_at) = send_after(&time, &person, "tomorrow", SignedDuration::from_hours(24)).await;
    until_queues_are_empty(world).await;
    let (status, log) = world.call("GET", &format!("/notifications/{id}"), "").await;
    assert_eq!((status, &log["waits_for"]), (200, &json!("send_at")), "{log}");
    let due_at: Timestamp = log["due_at"].as_str().unwrap().parse().unwrap();
    assert!(send_at.duration_since(due_at).abs() < SignedDuration::from_millis(1), "{log}");

    // The index is read three minutes ahead, so the message is delayed to its second.
    time.advance(Duration::from_hours(24) - Duration::from_mins(2)).await;
    release(world).await;
    assert_eq!(text(&world.notification(&id).await.unwrap(), "state"), Some("waiting"));
    time.advance(Duration::from_mins(2)).await;
    assert_sent_once(world, &person, &id).await;
    assert!(updated_at(&world.notification(&id).await.unwrap()) >= send_at);
}

#[tokio::test]
async fn notification_whose_queue_message_is_lost_comes_again() {
    let (time, person) = (time().await, icelander());
    let world = &time.world;
    let (id, _send_at) = send_after(&time, &person, "lost", SignedDuration::from_mins(10)).await;
    // As soon as no function runs, the message is in the queue, delayed by ten minutes.
    time.advance(Duration::from_secs(1)).await;
    for url in lane_queues(world) {
        world.sqs.purge_queue().queue_url(url).send().await.unwrap();
    }
    time.advance(Duration::from_mins(11)).await;
    release(world).await;
    until_queues_are_empty(world).await;
    assert_eq!(text(&world.notification(&id).await.unwrap(), "state"), Some("waiting"), "the message is lost");

    time.advance(Duration::from_mins(15)).await;
    release(world).await;
    assert_sent_once(world, &person, &id).await;
}

#[tokio::test]
async fn two_releases_at_the_same_time_send_once() {
    let (time, person) = (time().await, icelander());
    let world = &time.world;
    let (id, _send_at) = send_after(&time, &person, "twice", SignedDuration::from_hours(1)).await;
    time.advance(Duration::from_hours(1)).await;
    tokio::join!(release(world), release(world));
    assert_sent_once(world, &person, &id).await;
}

#[tokio::test]
async fn paused_sender_sends_after_it_is_resumed() {
    let (time, person, id) = (time().await, icelander(), new_id("paused"));
    let world = &time.world;
    let pauses = PauseStore::new(world.dynamodb.clone(), world.stack.outputs.rate_limits_table_name.clone());
    let scope = format!("sender#{SENDER}").parse().unwrap();
    let pause = Pause { scope, since: time.now(), by: None, reason: None, is_automatic: false };
    pauses.pause(&pause).await.unwrap();
    let mut notification = template_notification(&id, &person);
    notification["from"] = json!(SENDER);
    world.notify(&notification).await;
    world.notification_in(&id, "waiting").await;
    until_queues_are_empty(world).await;
    let log = world.call("GET", &format!("/notifications/{id}"), "").await.1;
    assert_eq!(log["waits_for"], "pause", "{log}");
    let report = release(world).await;
    until_queues_are_empty(world).await;
    assert!(report["paused"].as_u64() >= Some(1), "{report}");
    assert_eq!(world.sent_to(&person).await.len(), 0);

    pauses.resume(&pause.scope).await.unwrap();
    release(world).await;
    assert_sent_once(world, &person, &id).await;
}

#[tokio::test]
async fn unreadable_item_does_not_hold_up_the_others() {
    let (time, person) = (time().await, icelander());
    let world = &time.world;
    let (id, send_at) = send_after(&time, &person, "behind", SignedDuration::from_hours(1)).await;
    let stored = world.notification(&id).await.unwrap();
    let table = &world.stack.outputs.notifications_table_name;
    let key = AttributeValue::S(new_id("unreadable"));
    // The oldest item of the same shard.
    let put = world.dynamodb.put_item().table_name(table).item("notification", key.clone());
    let put = put.item("due_shard", stored["due_shard"].clone());
    let due_at = AttributeValue::S(format!("{:.3}", send_at - SignedDuration::from_hours(1)));
    put.item("due_at", due_at).send().await.unwrap();
    time.advance(Duration::from_hours(1)).await;
    let report = release(world).await;
    assert_eq!(report["unreadable"], 1, "{report}");
    assert_sent_once(world, &person, &id).await;
    world.dynamodb.delete_item().table_name(table).key("notification", key).send().await.unwrap();
}

fn notifications(world: &World) -> Notifications {
    Notifications::new(world.dynamodb.clone(), world.stack.outputs.notifications_table_name.clone())
}

fn shard_of(id: &NotificationId) -> u8 {
    u8::from_str_radix(&sha256_hex(id.as_str().as_bytes())[..2], 16).unwrap() % DUE_SHARDS
}

/// Stores a notification that waits until then.
async fn store_due(world: &World, id: NotificationId, due_at: Timestamp) -> DueNotification {
    let request = template_notification(id.as_str(), &Person::new()).to_string();
    let notification = Notification::parse(&request).unwrap();
    let subject = Subject {
        account_sid: ACCOUNT_SID.parse().unwrap(),
        id,
        digest: notification.digest(),
        recipient: Some(notification.to.clone()),
        category: Some(Category::Utility),
        metadata: notification.metadata.clone(),
        request: Some(request),
    };
    let now = Timestamp::now();
    let mut stored = StoredNotification::new(subject, now);
    let scopes = vec!["category#utility".parse().unwrap()];
    stored.wait_until(due_at, WaitReason::SendAt, scopes.clone(), now);
    notifications(world).put(None, &stored, now).await.unwrap();
    let Subject { account_sid, id, .. } = stored.subject;
    DueNotification { account_sid, id, due_at, scopes }
}

#[tokio::test]
async fn shard_is_read_page_by_page_with_the_oldest_first() {
    let (world, prefix) = (World::new(), new_id("page"));
    // No release comes so far, and no other test stores a notification for so late.
    let first: Timestamp = "2099-01-01T00:00:00.5Z".parse().unwrap();
    let ids = (0..).map(|number| NotificationId::try_from(format!("{prefix}-{number}")).unwrap());
    let of_one_shard: Vec<_> = ids.filter(|id| shard_of(id) == 7).take(520).collect();
    // Stored in the order of their ids, which is not that of their times.
    let stored = of_one_shard.into_iter().enumerate().map(|(index, id)| {
        let seconds = i64::try_from(index * 7 % 520).unwrap();
        store_due(&world, id, first + SignedDuration::from_secs(seconds))
    });
    let mut stored: Vec<_> = stream::iter(stored).buffer_unordered(16).collect().await;
    stored.sort_by_key(|due| due.due_at);

    let (mut found, mut pages, mut from) = (Vec::new(), 0, None);
    loop {
        let before = first + SignedDuration::from_secs(519);
        let page = notifications(&world).due(7, before, from).await.unwrap();
        found.extend(page.due.into_iter().filter(|due| due.id.as_str().starts_with(&prefix)));
        pages += 1;
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert!(pages > 1);
    assert_eq!(found, stored[..519], "all but the last, which is not before the time");
}

#[tokio::test]
async fn notification_is_moved_on_only_from_the_time_that_was_seen() {
    let (world, id) = (World::new(), NotificationId::try_from(new_id("moved")).unwrap());
    let due_at: Timestamp = "2099-02-01T00:00:00.5Z".parse().unwrap();
    let seen = store_due(&world, id.clone(), due_at).await;
    let gone = DueNotification { id: NotificationId::try_from(new_id("gone")).unwrap(), ..seen.clone() };
    let before = notifications(&world).get(&seen.account_sid, &id).await.unwrap().unwrap();
    let later = |minutes| due_at + SignedDuration::from_mins(minutes);
    for minutes in [15, 30] {
        let moved = [(&gone, later(minutes)), (&seen, later(minutes))];
        assert_eq!(notifications(&world).move_due(&moved).await.unwrap(), 0, "a refusal is no failure");
    }
    let after = notifications(&world).get(&seen.account_sid, &id).await.unwrap().unwrap();
    assert_eq!(after.due.as_ref().unwrap().at, later(15), "the second move has not seen the first");
    assert_eq!(after.version, before.version, "a claim that is being made goes on");
    assert!(notifications(&world).get(&gone.account_sid, &gone.id).await.unwrap().is_none(), "nothing is created");
}
