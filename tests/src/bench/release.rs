//! Measures the release function: the CPU time and the requests of a due notification.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, PutRequest, ScalarAttributeType, WriteRequest,
    },
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::{Stack, run::ACCOUNT_SID};
use stores::notifications::DUE_SHARDS;

use super::{
    counter::Counter,
    milliseconds,
    table::{Limit, ReportTable},
};
use crate::harness::{bootstrap, function::FunctionProcess};

/// Some pages of each shard.
const DUE: u32 = 32_000;

/// Releases notifications from a table and to a queue that no deployed function reads. The second run opens no connections.
pub async fn release(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    let client = Client::new(&stack.aws());
    let notifications = create_table(&client).await?;
    let requests = Counter::of_aws(&stack.aws_endpoint).await?;
    let environment = environment(stack, &requests.url, &notifications).await?;
    let mut function = FunctionProcess::start(&bootstrap("release"), &[], &environment).await?;
    run(&mut function, &client, &notifications, DUE / 10).await?;
    let (cpu, count) = (function.cpu()?, requests.count());
    run(&mut function, &client, &notifications, DUE).await?;
    let cpu = milliseconds(function.cpu()?.saturating_sub(cpu)) / f64::from(DUE);
    let count = f64::from(u32::try_from(requests.count() - count)?) / f64::from(DUE);
    table.add("released notification, CPU", cpu, "ms", None);
    table.add("released notification, requests to DynamoDB and SQS", count, "requests", Some(Limit::AtMost(0.15)));
    // Of a whole processor, in the eight runs of 45 seconds that begin three minutes before the time and end five after it.
    table.add("notifications that can be due in the same minute", 8.0 * 45.0 / cpu / 1_000.0, "million", None);
    Ok(())
}

/// Stores due notifications and releases them, in several runs where one does not last.
async fn run(function: &mut FunctionProcess, client: &Client, table: &str, due: u32) -> Result<()> {
    store(client, table, due).await?;
    let mut released = 0;
    while released < u64::from(due) {
        let report: Value = function.invoke(&"{}".into()).await?;
        let of_run = report.get("released").and_then(Value::as_u64);
        released +=
            of_run.filter(|released| *released > 0).with_context(|| format!("nothing is released: {report}"))?;
    }
    ensure!(released == u64::from(due), "{released} of {due} are released");
    Ok(())
}

async fn store(client: &Client, table: &str, due: u32) -> Result<()> {
    let due_at = format!("{:.3}", Timestamp::now() - SignedDuration::from_secs(1));
    let id = uuid::Uuid::new_v4().simple();
    let items: Vec<_> = (0..due).map(|number| item(&format!("{ACCOUNT_SID}#{id}-{number}"), number, &due_at)).collect();
    let batches = items.chunks(25).map(async |items| {
        let puts: Result<Vec<_>, _> =
            items.iter().map(|item| PutRequest::builder().set_item(Some(item.clone())).build()).collect();
        let writes = puts?.into_iter().map(|put| WriteRequest::builder().put_request(put).build()).collect();
        client.batch_write_item().request_items(table, writes).send().await?;
        anyhow::Ok(())
    });
    stream::iter(batches).buffer_unordered(8).try_collect().await
}

fn item(key: &str, number: u32, due_at: &str) -> HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let scopes = ["category#utility", "sender#whatsapp:+14155238886"].map(text);
    [
        ("notification", text(key)),
        ("due_shard", text(&format!("{:02}", number % u32::from(DUE_SHARDS)))),
        ("due_at", text(due_at)),
        ("due_scopes", AttributeValue::L(scopes.into())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// A table with the key and the index that the function uses.
async fn create_table(client: &Client) -> Result<String> {
    let name = format!("bench-notifications-{}", uuid::Uuid::new_v4().simple());
    let attribute =
        |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let projection = Projection::builder().projection_type(ProjectionType::Include).non_key_attributes("due_scopes");
    let index = GlobalSecondaryIndex::builder()
        .index_name("by_due")
        .key_schema(key("due_shard", KeyType::Hash)?)
        .key_schema(key("due_at", KeyType::Range)?)
        .projection(projection.build())
        .build()?;
    let create = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    create
        .attribute_definitions(attribute("notification")?)
        .attribute_definitions(attribute("due_shard")?)
        .attribute_definitions(attribute("due_at")?)
        .key_schema(key("notification", KeyType::Hash)?)
        .global_secondary_indexes(index)
        .send()
        .await
        .with_context(|| format!("cannot create the table {name}"))?;
    Ok(name)
}

async fn environment(stack: &Stack, aws_endpoint: &str, table: &str) -> Result<Value> {
    let sqs = aws_sdk_sqs::Client::new(&stack.aws());
    let queue = sqs.create_queue().queue_name(format!("bench-{}", uuid::Uuid::new_v4().simple())).send().await?;
    let mut environment =
        stack.function_environments().get("ReleaseFunction").cloned().context("no ReleaseFunction")?;
    let different = json!({
        "AWS_ENDPOINT_URL": aws_endpoint, "NOTIFICATIONS_TABLE": table, "OUTBOUND_QUEUE_URL": queue.queue_url,
        "URGENT_QUEUE_URL": "", "MARKETING_QUEUE_URL": "",
    });
    let variables = environment.as_object_mut().context("an environment is an object")?;
    variables.extend(different.as_object().cloned().unwrap_or_default());
    Ok(environment)
}
