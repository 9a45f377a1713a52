//! The most that DynamoDB reads in one request: the emulator refuses more.

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata as _,
    types::{AttributeValue, KeysAndAttributes},
};

use crate::world::World;

fn keys(name: &str, count: usize) -> KeysAndAttributes {
    let key = |number: usize| [(name.to_owned(), AttributeValue::S(format!("limits-{number}")))].into();
    KeysAndAttributes::builder().set_keys(Some((0..count).map(key).collect())).build().unwrap()
}

#[tokio::test]
async fn a_read_of_101_keys_over_two_tables_is_refused() {
    let world = World::without_consumers();
    let outputs = &world.stack.outputs;
    let read = async |notifications, buckets| {
        let read = world.dynamodb.batch_get_item();
        let read = read.request_items(&outputs.notifications_table_name, keys("notification", notifications));
        read.request_items(&outputs.rate_limits_table_name, keys("sender", buckets)).send().await
    };
    assert!(read(60, 40).await.is_ok(), "100 are allowed");
    let refusal = read(60, 41).await.unwrap_err();
    assert_eq!(refusal.code(), Some("ValidationException"));
    assert_eq!(refusal.message(), Some("Too many items requested for the BatchGetItem call"));
}
