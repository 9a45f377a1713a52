//! A table's stream, read from where it was left.

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use aws_sdk_dynamodbstreams::{
    Client,
    operation::get_records::GetRecordsError,
    types::{OperationType, Record, ShardIteratorType},
};
use aws_types::SdkConfig;
use serde::de::DeserializeOwned;
use serde_dynamo::{AttributeValue, Item};
use serde_json::{Value, json};

/// What a table is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Messages,
    Contacts,
    Notifications,
}

/// An item that was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    /// The item before; none where there was none, or where the stream does not tell.
    pub(super) old: Option<Item>,
    /// The item now.
    pub(super) new: Item,
    /// Its place among all changes.
    pub(super) sequence_number: String,
}

impl Change {
    /// The item now, as a type.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_dynamo::from_item(self.new.clone()).ok()
    }

    /// The item before, as a type.
    pub(super) fn read_old<T: DeserializeOwned>(&self) -> Option<T> {
        serde_dynamo::from_item(self.old.clone()?).ok()
    }

    /// A text of the item now.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        text(&self.new, name)
    }

    /// A text of the item before.
    pub(super) fn old_text(&self, name: &str) -> Option<&str> {
        text(self.old.as_ref()?, name)
    }

    /// What the timeline shows of the item on request: where it is, and all of it but what is said elsewhere.
    pub(super) fn details(&self, table: &str, key: &str, left_out: &[&str]) -> Value {
        let mut item = self.read::<serde_json::Map<String, Value>>().unwrap_or_default();
        item.retain(|name, _| !left_out.contains(&name.as_str()));
        let change = if self.old.is_some() { "changed" } else { "appeared" };
        json!({"table": table, "key": key, "change": change, "item": item})
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    match item.get(name)? {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}

/// A table's stream.
#[derive(Debug)]
pub(super) struct TableStream {
    pub(super) table: Table,
    client: Client,
    arn: String,
    /// Where each shard was left.
    iterators: Vec<String>,
}

impl TableStream {
    /// Opens the stream of a table at its beginning.
    pub(super) async fn open(aws: &SdkConfig, table: Table, name: &str) -> Result<Self> {
        let arn = arn(&aws_sdk_dynamodb::Client::new(aws), name).await?;
        let mut stream = Self { table, client: Client::new(aws), arn, iterators: Vec::new() };
        stream.iterators = stream.begin(ShardIteratorType::TrimHorizon).await?;
        Ok(stream)
    }

    /// What was written since the last call, the oldest first: a page of each shard, which is at most a thousand.
    pub(super) async fn next(&mut self) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        let mut left = Vec::new();
        for iterator in &self.iterators {
            let answer = match self.client.get_records().shard_iterator(iterator).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    // An iterator lives for fifteen minutes, which a machine may sleep through. After any other failure all
                    // shards are read again from where they were.
                    if error.as_service_error().is_some_and(GetRecordsError::is_expired_iterator_exception) {
                        self.iterators = self.begin(ShardIteratorType::Latest).await?;
                    }
                    return Err(error).context("cannot read a table's stream");
                }
            };
            changes.extend(answer.records.unwrap_or_default().into_iter().filter_map(change));
            left.extend(answer.next_shard_iterator);
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

/// The ARN of a table's stream. A table whose stream nothing in the template needs gets one, here in the emulator.
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
    let switched_on = describe().await?.table.and_then(|table| table.latest_stream_arn);
    switched_on.with_context(|| format!("{table} has no stream"))
}

/// What time deletes is no change.
fn change(record: Record) -> Option<Change> {
    let is_write = matches!(record.event_name, Some(OperationType::Insert | OperationType::Modify));
    let stream = record.dynamodb.filter(|_| is_write)?;
    Some(Change {
        old: stream.old_image.map(Into::into),
        new: stream.new_image?.into(),
        sequence_number: stream.sequence_number.unwrap_or_default(),
    })
}
