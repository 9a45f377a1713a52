//! Helpers of the tests that start the send function themselves.

pub(crate) mod batch;

use std::{
    str::FromStr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_dynamodb::{error::SdkError, operation::update_item::UpdateItemError, types::AttributeValue};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stack::run::ACCOUNT_SID;

use crate::world::{Person, World};

/// A number from an environment variable, or `otherwise` where it is not set.
pub(crate) fn number_from_env<T: FromStr>(name: &str, otherwise: T) -> T {
    let Ok(text) = std::env::var(name) else { return otherwise };
    text.parse().unwrap_or_else(|_| panic!("{name}: expected a number, not {text}"))
}

/// A person that no other test uses. Thousands are needed, which are too many for the numbers that other tests use.
pub(crate) fn stranger() -> Person {
    const NUMBERS: u64 = 1_000_000_000;
    static FIRST: LazyLock<u64> = LazyLock::new(|| fastrand::u64(..NUMBERS));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = (*FIRST + NEXT.fetch_add(1, Ordering::Relaxed)) % NUMBERS;
    Person { identity: format!("+4915{number:09}") }
}

/// A queue that no deployed function reads, so that none receives what the function under test returns.
pub(crate) async fn queue_of_the_test(world: &World) -> String {
    let name = format!("under-test-{}", uuid::Uuid::new_v4().simple());
    world.sqs.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap()
}

/// Ends a notification's lease or delay, as if the time had passed.
pub(crate) async fn end_waiting(world: &World, id: &str) {
    let past = Timestamp::now() - SignedDuration::from_secs(1);
    for time in ["lease_until", "not_before"] {
        move_time(world, id, time, past).await;
    }
}

/// Makes a claim so old that the function no longer looks for its message.
pub(crate) async fn claim_was_long_ago(world: &World, id: &str) {
    move_time(world, id, "claimed_at", Timestamp::now() - SignedDuration::from_mins(11)).await;
}

async fn move_time(world: &World, id: &str, name: &str, to: Timestamp) {
    let update = world.dynamodb.update_item().table_name(&world.stack.outputs.notifications_table_name);
    let update = update
        .key("notification", AttributeValue::S(format!("{ACCOUNT_SID}#{id}")))
        .update_expression("SET #time = :to")
        .condition_expression("#time > :to")
        .expression_attribute_names("#time", name)
        .expression_attribute_values(":to", AttributeValue::S(to.to_string()));
    match update.send().await {
        Ok(_) => {}
        // The notification has no such time, or it has passed.
        Err(SdkError::ServiceError(error))
            if matches!(error.err(), UpdateItemError::ConditionalCheckFailedException(_)) => {}
        Err(error) => panic!("{name} of {id}: {error:?}"),
    }
}

/// Twilio's list of a person's messages fails from now on.
pub(crate) async fn break_list(world: &World, person: &Person) {
    let outage = json!({"to": person.address(), "list": true});
    let url = format!("{}/sandbox/outages", world.stack.sandbox_url);
    let answer = world.http.put(url).json(&outage).send().await.unwrap();
    assert!(answer.status().is_success(), "the sandbox refused the outage");
}
