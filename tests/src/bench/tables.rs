//! Copies of the deployed tables, for one benchmark: without streams, so that no deployed function works on what is measured, and
//! the emulator does not work for one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeValue, BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexDescription, PutRequest, Select,
        WriteRequest,
    },
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use stack::Stack;

use crate::harness::capacity::{Consumed, consumed, difference};

/// An item of a table.
pub(super) type Item = HashMap<String, AttributeValue>;

/// How many items a request writes. Source: Amazon DynamoDB API Reference, `BatchWriteItem`.
const WRITTEN_AT_ONCE: usize = 25;
const CONCURRENT_WRITES: usize = 4;

/// The copies of one benchmark. They are deleted with the emulator.
#[derive(Debug)]
pub(super) struct BenchTables {
    pub(super) client: Client,
    /// The copies by the environment variable with which a function gets its name.
    copies: BTreeMap<&'static str, TableCopy>,
    /// What was consumed before.
    before: Vec<Consumed>,
}

#[derive(Debug)]
struct TableCopy {
    name: String,
    /// The attributes of the key.
    keys: BTreeSet<String>,
}

impl BenchTables {
    /// Creates an empty copy of each table that a webhook or the sending of a message uses.
    pub(super) async fn create(stack: &Stack) -> Result<Self> {
        let client = Client::new(&stack.aws());
        let outputs = &stack.outputs;
        let originals = [
            ("MESSAGES_TABLE", &outputs.messages_table_name),
            ("CONTACTS_TABLE", &outputs.contacts_table_name),
            ("NOTIFICATIONS_TABLE", &outputs.notifications_table_name),
            ("RATE_LIMITS_TABLE", &outputs.rate_limits_table_name),
            ("TENANTS_TABLE", &outputs.tenants_table_name),
            ("TEMPLATES_TABLE", &outputs.templates_table_name),
        ];
        let mut copies = BTreeMap::new();
        for (variable, original) in originals {
            copies.insert(variable, TableCopy::create(&client, variable, original).await?);
        }
        Ok(Self { client, copies, before: consumed(stack).await? })
    }

    /// The name of a copy.
    pub(super) fn name(&self, variable: &str) -> Result<&str> {
        Ok(&self.copy(variable)?.name)
    }

    fn copy(&self, variable: &str) -> Result<&TableCopy> {
        self.copies.get(variable).with_context(|| format!("{variable} has no copy"))
    }

    /// Lets a function use the copies.
    pub(super) fn set(&self, environment: &mut Value) -> Result<()> {
        let variables = environment.as_object_mut().context("an environment is an object")?;
        variables.extend(self.copies.iter().map(|(name, copy)| ((*name).to_owned(), json!(copy.name))));
        Ok(())
    }

    /// What requests to the copies have consumed since they were created.
    pub(super) async fn consumed(&self, stack: &Stack) -> Result<Vec<Consumed>> {
        let mut consumed = difference(&self.before, &consumed(stack).await?);
        consumed.retain(|counter| self.copies.values().any(|copy| copy.name == counter.table));
        Ok(consumed)
    }

    /// All items of a copy.
    pub(super) async fn items(&self, variable: &str) -> Result<Vec<Item>> {
        let pages = self.client.scan().table_name(self.name(variable)?).into_paginator().items().send();
        Ok(pages.collect::<Result<Vec<_>, _>>().await?)
    }

    /// Fills a copy up to this number of items, with those that it has under other keys.
    pub(super) async fn fill(&self, variable: &str, count: usize) -> Result<()> {
        let copy = self.copy(variable)?;
        let models = self.items(variable).await?;
        anyhow::ensure!(!models.is_empty(), "{variable} has no item that can be repeated");
        let more: Vec<_> = (models.len()..count).collect();
        let writes = more.chunks(WRITTEN_AT_ONCE).map(async |numbers| {
            let items = models.iter().cycle().skip(numbers.first().copied().unwrap_or_default() % models.len());
            let puts = numbers.iter().zip(items).map(|(number, model)| {
                let put = PutRequest::builder().set_item(Some(copy.renamed(model, *number))).build()?;
                anyhow::Ok(WriteRequest::builder().put_request(put).build())
            });
            let puts = puts.collect::<Result<Vec<_>>>()?;
            self.client.batch_write_item().request_items(&copy.name, puts).send().await?;
            anyhow::Ok(())
        });
        stream::iter(writes).buffer_unordered(CONCURRENT_WRITES).try_collect::<()>().await?;
        let mut pages = self.client.scan().table_name(&copy.name).select(Select::Count).into_paginator().send();
        let mut stored = 0;
        while let Some(page) = pages.next().await {
            stored += page?.count;
        }
        anyhow::ensure!(usize::try_from(stored)? == count, "{stored} items of {variable}, and not {count}");
        Ok(())
    }
}

impl TableCopy {
    /// An empty table with the keys and indexes of another one.
    async fn create(client: &Client, variable: &str, original: &str) -> Result<Self> {
        let described = client.describe_table().table_name(original).send().await?.table;
        let described = described.with_context(|| format!("no table {original}"))?;
        let name = format!("bench-{}-{}", variable.to_lowercase(), uuid::Uuid::new_v4().simple());
        let indexes = described.global_secondary_indexes().iter().map(index).collect::<Result<Vec<_>>>()?;
        let create = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        let create = create
            .set_key_schema(described.key_schema.clone())
            .set_attribute_definitions(described.attribute_definitions.clone())
            .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes));
        create.send().await.with_context(|| format!("cannot create the table {name}"))?;
        let keys = described.key_schema().iter().map(|key| key.attribute_name().to_owned()).collect();
        Ok(Self { name, keys })
    }

    /// The item under another key.
    fn renamed(&self, item: &Item, number: usize) -> Item {
        let renamed = |(name, value): (&String, &AttributeValue)| {
            let value = match value {
                AttributeValue::S(text) if self.keys.contains(name) => AttributeValue::S(format!("{text}~{number}")),
                other => other.clone(),
            };
            (name.clone(), value)
        };
        item.iter().map(renamed).collect()
    }
}

fn index(described: &GlobalSecondaryIndexDescription) -> Result<GlobalSecondaryIndex> {
    let index = GlobalSecondaryIndex::builder()
        .set_index_name(described.index_name.clone())
        .set_key_schema(described.key_schema.clone())
        .set_projection(described.projection.clone());
    Ok(index.build()?)
}
