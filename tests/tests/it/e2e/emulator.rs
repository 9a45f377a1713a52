//! The emulator is as strict as AWS where a program's correctness or cost depends on it.

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata as _,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ReturnConsumedCapacity,
        ScalarAttributeType, TransactWriteItem, Update,
    },
};
use futures::future::join_all;
use serde_json::{Value, json};
use tests::harness::{
    capacity::{consumed, difference},
    sender::{Record, Sender},
};

use crate::{
    support::{queue_of_the_test, stranger},
    world::{Person, World, new_id, template_notification},
};

/// A table that no function uses.
async fn create_table(world: &World) -> String {
    let name = new_id("emulator");
    let attribute = AttributeDefinition::builder().attribute_name("key").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("key").key_type(KeyType::Hash);
    let create = world.dynamodb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    let create = create.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
    create.send().await.unwrap();
    name
}

fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn counting(table: &str, key: &str) -> TransactWriteItem {
    let update = Update::builder().table_name(table).key("key", string(key)).update_expression("ADD n :one");
    let update = update.expression_attribute_values(":one", AttributeValue::N("1".to_owned())).build();
    TransactWriteItem::builder().update(update.unwrap()).build()
}

async fn count(world: &World, table: &str, key: &str) -> usize {
    let read = world.dynamodb.get_item().table_name(table).key("key", string(key)).consistent_read(true);
    let item = read.send().await.unwrap().item.unwrap_or_default();
    item.get("n").map_or(0, |n| n.as_n().unwrap().parse().unwrap())
}

#[tokio::test]
async fn transactions_on_the_same_item_conflict() {
    let world = World::without_consumers();
    let table = create_table(&world).await;
    let mut succeeded = 0;
    let attempt = |number| {
        let transaction = world.dynamodb.transact_write_items();
        let own = counting(&table, &format!("own-{number}"));
        transaction.transact_items(own).transact_items(counting(&table, "shared")).send()
    };
    world
        .until("a conflict", async || {
            let results = join_all((0..8).map(attempt)).await;
            succeeded += results.iter().filter(|result| result.is_ok()).count();
            let refusals: Vec<_> = results.into_iter().filter_map(Result::err).collect();
            for refusal in &refusals {
                let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = refusal.as_service_error()
                else {
                    panic!("not a cancellation: {refusal:?}");
                };
                let reasons = cancelled.cancellation_reasons();
                let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap()).collect();
                assert_eq!(codes, ["None", "TransactionConflict"]);
            }
            (!refusals.is_empty()).then_some(())
        })
        .await;
    assert!(succeeded > 0, "the first one holds the item");
    assert_eq!(count(&world, &table, "shared").await, succeeded);
}

#[tokio::test]
async fn single_write_conflicts_with_a_transaction() {
    let world = World::without_consumers();
    let table = create_table(&world).await;
    world
        .until("a conflict", async || {
            let transaction = world.dynamodb.transact_write_items().transact_items(counting(&table, "shared"));
            let put = || world.dynamodb.put_item().table_name(&table).item("key", string("shared")).send();
            let (transaction, puts) = tokio::join!(transaction.send(), join_all((0..8).map(|_| put())));
            assert!(transaction.is_ok(), "{transaction:?}");
            let refusals: Vec<_> = puts.into_iter().filter_map(Result::err).collect();
            for refusal in &refusals {
                assert_eq!(refusal.code(), Some("TransactionConflictException"));
            }
            (!refusals.is_empty()).then_some(())
        })
        .await;
}

#[tokio::test]
async fn repeated_transaction_is_executed_once() {
    let world = World::without_consumers();
    let table = create_table(&world).await;
    let token = uuid::Uuid::new_v4().to_string();
    for _ in 0..2 {
        let transaction = world.dynamodb.transact_write_items().client_request_token(&token);
        transaction.transact_items(counting(&table, "shared")).send().await.unwrap();
    }
    assert_eq!(count(&world, &table, "shared").await, 1);
}

#[tokio::test]
async fn claim_that_conflicts_is_tried_again() {
    let world = World::new();
    let queue_url = queue_of_the_test(&world).await;
    let (person, id) = (stranger(), new_id("conflict"));
    let records = [Record { message_id: id.clone(), body: template_notification(&id, &person).to_string() }];
    let mut sender = Sender::start(&world.stack, &queue_url, &[]).await.unwrap();
    assert!(sender.deliver_conflicting(&records, 1).await.unwrap().is_empty(), "not returned to the queue");
    world.notification_in(&id, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn response_and_counters_have_the_consumed_units() {
    let world = World::without_consumers();
    let table = create_table(&world).await;
    let before = consumed(&world.stack).await.unwrap();
    let put = Put::builder().table_name(&table).item("key", string("large")).item("body", string(&"x".repeat(1_500)));
    let put = TransactWriteItem::builder().put(put.build().unwrap()).build();
    let transaction = world.dynamodb.transact_write_items().transact_items(put);
    let answer = transaction.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    assert_eq!(answer.consumed_capacity()[0].capacity_units(), Some(4.0));
    let read = world.dynamodb.get_item().table_name(&table).key("key", string("large"));
    let answer = read.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    assert_eq!(answer.consumed_capacity().unwrap().capacity_units(), Some(0.5));

    let mut counters = difference(&before, &consumed(&world.stack).await.unwrap());
    counters.retain(|counter| counter.table == table);
    counters.sort_by(|one, other| one.operation.cmp(&other.operation));
    let counted: Vec<_> = counters.iter().map(|one| (one.operation.as_str(), one.read, one.write)).collect();
    assert_eq!(counted, [("GetItem", 0.5, 0.0), ("TransactWriteItems", 0.0, 4.0)]);
    assert_eq!(counters[0].caller, "administrator");
}

#[tokio::test]
async fn units_of_a_function_are_counted_by_its_name() {
    let world = World::new();
    let before = consumed(&world.stack).await.unwrap();
    world.write(&Person::new(), "Where is my order?").await;
    world
        .until("the write of the inbound function", async || {
            let counters = difference(&before, &consumed(&world.stack).await.unwrap());
            counters.iter().any(|one| one.function() == Some("InboundFunction") && one.write >= 1.0).then_some(())
        })
        .await;
}

/// Calls the emulator's action without the administrator's key.
#[tokio::test]
async fn counters_are_only_for_the_administrator() {
    let world = World::without_consumers();
    let request = world.http.post(&world.stack.aws_endpoint).body("{}");
    let answer = request.header("x-amz-target", "DynamoDB_20120810.LocalConsumedCapacity").send().await.unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
    let body: Value = answer.json().await.unwrap_or_default();
    assert_eq!(body["Consumed"], json!(null));
}
