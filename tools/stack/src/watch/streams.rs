//! Reads a table's stream from where the last read ended.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use aws_sdk_dynamodbstreams::{
    Client,
    operation::get_records::GetRecordsError,
    types::{AttributeValue, OperationType, Record, ShardIteratorType},
};
use aws_types::SdkConfig;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stores::dynamodb::Item;

/// A table whose stream the timeline shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WatchedTable {
    Messages,
    Contacts,
    Notifications,
}

/// An item that was written.
#[derive(Debug, Clone, Default)]
pub(super) struct ItemChange {
    /// The item before the write. None for a new item, and where the stream has no old images.
    pub(super) old: Option<Item>,
    /// The item after the write.
    pub(super) new: Item,
    /// The position of the change in its stream.
    pub(super) sequence_number: String,
}

impl ItemChange {
    /// The new item as a `T`, if it has that form.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_dynamo::from_item(self.new.clone()).ok()
    }

    /// A string attribute of the new item.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.new.get(name)?.as_s().ok().map(String::as_str)
    }

    /// Whether the item belongs to this account, with whose SID the key of every table begins.
    pub(super) fn is_of(&self, account_sid: &str) -> bool {
        let key = ["subject", "contact", "notification"].iter().find_map(|name| self.text(name));
        key.and_then(|key| key.split('#').next()) == Some(account_sid)
    }

    /// The details of the timeline entry: the item's table and key, and its attributes except `left_out`.
    pub(super) fn details(&self, table: &str, key: &str, left_out: &[&str]) -> Value {
        let mut item = self.read::<serde_json::Map<String, Value>>().unwrap_or_default();
        item.retain(|name, _| !left_out.contains(&name.as_str()));
        let change = if self.old.is_some() { "changed" } else { "appeared" };
        json!({"table": table, "key": key, "change": change, "item": item})
    }
}

/// The stream of one table.
#[derive(Debug)]
pub(super) struct TableStream {
    pub(super) table: WatchedTable,
    client: Client,
    arn: String,
    /// One iterator for each shard: where the next read begins.
    iterators: Vec<String>,
}

impl TableStream {
    /// Opens the stream of a table at its oldest record.
    pub(super) async fn open(aws: &SdkConfig, table: WatchedTable, name: &str) -> Result<Self> {
        let arn = arn(&aws_sdk_dynamodb::Client::new(aws), name).await?;
        let mut stream = Self { table, client: Client::new(aws), arn, iterators: Vec::new() };
        stream.iterators = stream.begin(ShardIteratorType::TrimHorizon).await?;
        Ok(stream)
    }

    /// The changes since the last call, the oldest first: one page of each shard, at most 1,000 records. Source: DynamoDB
    /// Streams API, `GetRecords`.
    pub(super) async fn next(&mut self) -> Result<Vec<ItemChange>> {
        let mut changes = Vec::new();
        let mut left = Vec::new();
        for iterator in &self.iterators {
            let page = match self.client.get_records().shard_iterator(iterator).send().await {
                Ok(page) => page,
                Err(error) => {
                    // An iterator expires after fifteen minutes, which is possible when the machine was suspended. After any
                    // other failure all shards are read again from their stored iterators.
                    if error.as_service_error().is_some_and(GetRecordsError::is_expired_iterator_exception) {
                        self.iterators = self.begin(ShardIteratorType::Latest).await?;
                    }
                    return Err(error).context("cannot read a table's stream");
                }
            };
            changes.extend(page.records.unwrap_or_default().into_iter().filter_map(change));
            left.extend(page.next_shard_iterator);
        }
        self.iterators = left;
        Ok(changes)
    }

    async fn begin(&self, from: ShardIteratorType) -> Result<Vec<String>> {
        let described = self.client.describe_stream().stream_arn(&self.arn).send().await?;
        let shards = described.stream_description.and_then(|stream| stream.shards).unwrap_or_default();
        let mut iterators = Vec::new();
        for shard in shards {
            let iterator = self
                .client
                .get_shard_iterator()
                .stream_arn(&self.arn)
                .set_shard_id(shard.shard_id)
                .shard_iterator_type(from.clone());
            iterators.extend(iterator.send().await?.shard_iterator);
        }
        Ok(iterators)
    }
}

/// The ARN of a table's stream. Enables a stream, in the emulator only, for a table that has none in the template.
async fn arn(dynamodb: &aws_sdk_dynamodb::Client, table: &str) -> Result<String> {
    let describe = || dynamodb.describe_table().table_name(table).send();
    let known = describe().await?.table.and_then(|table| table.latest_stream_arn);
    if let Some(arn) = known {
        return Ok(arn);
    }
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages)
        .build()?;
    dynamodb.update_table().table_name(table).stream_specification(stream).send().await?;
    let enabled = describe().await?.table.and_then(|table| table.latest_stream_arn);
    enabled.with_context(|| format!("{table} has no stream"))
}

/// None for a removal: items are removed only when they expire, which the timeline does not show.
fn change(record: Record) -> Option<ItemChange> {
    let is_write = matches!(record.event_name, Some(OperationType::Insert | OperationType::Modify));
    let stream = record.dynamodb.filter(|_| is_write)?;
    Some(ItemChange {
        old: stream.old_image.map(item),
        new: item(stream.new_image?),
        sequence_number: stream.sequence_number.unwrap_or_default(),
    })
}

/// An image of the Streams API as an item of DynamoDB's, which are different types of the same form.
fn item(image: HashMap<String, AttributeValue>) -> Item {
    serde_dynamo::Item::from(image).into()
}
