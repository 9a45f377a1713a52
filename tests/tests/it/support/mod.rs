//! Helpers of the tests that start the send function themselves.

pub(crate) mod batch;
pub(crate) mod faults;
pub(crate) mod kind;

use std::{
    collections::BTreeSet,
    str::FromStr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_dynamodb::{error::SdkError, operation::update_item::UpdateItemError, types::AttributeValue};
use domain::{notification::Notification, progress::Phase};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use stores::notifications::{Notifications, StoredNotification, Subject};

use crate::world::{Person, World};

/// A number from an environment variable, or `otherwise` where it is not set.
pub(crate) fn number_from_env<T: FromStr>(name: &str, otherwise: T) -> T {
    let Ok(text) = std::env::var(name) else { return otherwise };
    text.parse().unwrap_or_else(|_| panic!("{name}: expected a number, not {text}"))
}

/// A person that no other test uses. Thousands are needed, which are too many for the numbers that other tests use.
pub(crate) fn stranger() -> Person {
    stranger_with("+4915", 9)
}

/// A person whose identity is this prefix and this many digits, until the digits are used up.
pub(crate) fn stranger_with(prefix: &str, digits: u32) -> Person {
    static FIRST: LazyLock<u64> = LazyLock::new(|| fastrand::u64(..1_000_000_000));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = (*FIRST + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_u64.pow(digits);
    let width = usize::try_from(digits).unwrap();
    Person { identity: format!("{prefix}{number:0width$}") }
}

/// A person writes, again and again until the webhook is answered: a busy machine may be slower than Twilio waits.
pub(crate) async fn write_until_answered(world: &World, person: &Person, writing: &Value) {
    let answered = async || (world.write_with(person, writing.clone()).await["status"] == 200).then_some(());
    world.until("an answered message of a person", answered).await;
}

/// A queue that no deployed function reads, so that none receives what the function under test returns.
pub(crate) async fn queue_of_the_test(world: &World) -> String {
    let name = format!("under-test-{}", uuid::Uuid::new_v4().simple());
    world.sqs.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap()
}

/// Stores a notification as one that waits for its first decision, as if `send` had been interrupted.
pub(crate) async fn store_waiting(world: &World, body: &str) {
    let notification = Notification::parse(body).unwrap();
    let subject = Subject {
        account_sid: ACCOUNT_SID.parse().unwrap(),
        id: notification.id.clone(),
        digest: notification.digest(),
        recipient: Some(notification.to.clone()),
        category: Some(notification.category),
        metadata: notification.metadata.clone(),
        request: Some(body.to_owned()),
    };
    let now = Timestamp::now();
    let table = world.stack.outputs.notifications_table_name.clone();
    let notifications = Notifications::new(world.dynamodb.clone(), table);
    notifications.put(None, &StoredNotification::new(subject, now), now).await.unwrap();
}

/// Ends a notification's lease and delay, and the time in which only callbacks decide an unknown outcome, as if the time had
/// passed.
pub(crate) async fn end_waiting(world: &World, id: &str) {
    let past = Timestamp::now() - SignedDuration::from_secs(1);
    for time in ["lease_until", "not_before", "resolvable_at"] {
        move_time(world, id, time, past).await;
    }
}

/// Whether a notification waits: it then comes again by a message that nothing receives from the queue of a test.
pub(crate) async fn waits(world: &World, id: &str) -> bool {
    world.notification(id).await.is_some_and(|stored| stored.contains_key("due_at"))
}

/// Lets time pass for a notification, with the time that was read: its pause is over, and its lease and the time in which only
/// callbacks decide an unknown outcome, unless
///
/// - the lease is that of a process that may still run: one whose lease is not among `ours`, which have stopped or answered;
/// - Twilio may still send a message: it would have given up by the time that the function waits for.
pub(crate) async fn let_time_pass(
    world: &World,
    stored: &StoredNotification,
    ours: &BTreeSet<String>,
    may_be_sent: bool,
) {
    let now = Timestamp::now();
    let mut ended = Vec::new();
    if let Phase::Ready { not_before: Some(not_before), .. } = stored.progress.phase {
        ended.push(("not_before", not_before));
    }
    if let Some(lease) = stored.lease.as_ref().filter(|lease| ours.contains(&lease.id.to_string()) || lease.until < now)
    {
        ended.push(("lease_until", lease.until));
        if !may_be_sent {
            ended.push(("resolvable_at", lease.resolvable_at));
        }
    }
    ended.retain(|(_, time)| *time >= now);
    if ended.is_empty() {
        return;
    }
    let assignments: Vec<_> = ended.iter().map(|(name, _)| format!("{name} = :past")).collect();
    let update = world.dynamodb.update_item().table_name(&world.stack.outputs.notifications_table_name);
    let update = update
        .key("notification", AttributeValue::S(format!("{}#{}", stored.subject.account_sid, stored.subject.id)))
        .update_expression(format!("SET {}", assignments.join(", ")))
        .condition_expression("version = :seen")
        .expression_attribute_values(":past", AttributeValue::S((now - SignedDuration::from_secs(1)).to_string()))
        .expression_attribute_values(":seen", AttributeValue::N(stored.version.to_string()));
    match update.send().await.map_err(SdkError::into_service_error) {
        // Where a function has changed the notification, the next call sees what it wrote.
        Ok(_)
        | Err(UpdateItemError::ConditionalCheckFailedException(_) | UpdateItemError::TransactionConflictException(_)) =>
            {}
        Err(error) => panic!("{ended:?} of {}: {error:?}", stored.subject.id),
    }
}

/// Ends a notification's lease alone: Twilio may still send the message of the claim.
pub(crate) async fn end_lease(world: &World, id: &str) {
    move_time(world, id, "lease_until", Timestamp::now() - SignedDuration::from_secs(1)).await;
}

/// Makes a claim so old that the function no longer tries to read Twilio's list for its message.
pub(crate) async fn claim_was_long_ago(world: &World, id: &str) {
    move_time(world, id, "resolvable_at", Timestamp::now() - SignedDuration::from_mins(11)).await;
}

async fn move_time(world: &World, id: &str, name: &str, to: Timestamp) {
    world
        .until(&format!("{name} of {id} without a conflict"), async || {
            let update = world.dynamodb.update_item().table_name(&world.stack.outputs.notifications_table_name);
            let update = update
                .key("notification", AttributeValue::S(format!("{ACCOUNT_SID}#{id}")))
                .update_expression("SET #time = :to")
                .condition_expression("#time > :to")
                .expression_attribute_names("#time", name)
                .expression_attribute_values(":to", AttributeValue::S(to.to_string()));
            match update.send().await.map_err(SdkError::into_service_error) {
                // The condition fails if the notification has no such time, or it has passed.
                Ok(_) | Err(UpdateItemError::ConditionalCheckFailedException(_)) => Some(()),
                // A function writes the notification.
                Err(UpdateItemError::TransactionConflictException(_)) => None,
                Err(error) => panic!("{name} of {id}: {error:?}"),
            }
        })
        .await;
}

/// Twilio's list of a person's messages fails from now on.
pub(crate) async fn break_list(world: &World, person: &Person) {
    let outage = json!({"to": person.address(), "list": true});
    let url = format!("{}/sandbox/outages", world.stack.sandbox_url);
    let answer = world.http.put(url).json(&outage).send().await.unwrap();
    assert!(answer.status().is_success(), "the sandbox refused the outage");
}
