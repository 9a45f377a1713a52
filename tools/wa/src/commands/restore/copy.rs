//! `wa restore copy`: a point-in-time recovery always makes a new table (Amazon DynamoDB, "Point-in-time recovery: How it works"),
//! without stream, TTL and permissions. So its items are copied into the stack's table, which keeps all of these.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use clap::ValueEnum;
use futures::{TryStreamExt as _, stream};
use stores::dynamodb::Item;
use tokio::time::{MissedTickBehavior, interval};

use crate::{error::CommandError, session::Session};

#[derive(clap::Args)]
pub struct CopyArguments {
    /// The stack's table
    #[arg(long, value_enum, value_name = "TABLE")]
    table: RestoredTable,
    /// The name of the table that the recovery made
    #[arg(long, value_name = "NAME")]
    from: String,
    /// Items per second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "ITEMS")]
    rate: u32,
}

/// The tables that have point-in-time recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RestoredTable {
    Messages,
    Contacts,
    Notifications,
    Tenants,
}

impl RestoredTable {
    const fn output(self) -> &'static str {
        match self {
            Self::Messages => "MessagesTableName",
            Self::Contacts => "ContactsTableName",
            Self::Notifications => "NotificationsTableName",
            Self::Tenants => "TenantsTableName",
        }
    }
}

const CONCURRENT_WRITES: usize = 16;

/// Copies every item. What the stack's table holds beside them stays. Gives the number of items.
pub(super) async fn copy(arguments: &CopyArguments, session: &Session) -> Result<u64, CommandError> {
    let client = session.dynamodb().await?;
    let into = session.stack().await?.output(arguments.table.output())?;
    let from = &arguments.from;
    if from == into {
        return Err(CommandError::usage("--from is the stack's table itself"));
    }
    require_same_key(&client, from, into).await?;
    session.terminal.confirm(&format!("Write all items of {from} over those of {into}?"))?;
    let mut ticks = interval(Duration::from_secs(1) / arguments.rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let scan = client.scan().table_name(from).consistent_read(true).into_paginator().items().send();
    let items = stream::unfold((ticks, scan), async |(mut ticks, mut scan)| {
        let item = scan.next().await?;
        ticks.tick().await;
        Some((item.map_err(|error| CommandError::of_sdk("reading the restored table", error)), (ticks, scan)))
    });
    let bar = session.terminal.count("items copied");
    let put = async |item: Item| {
        let put = client.put_item().table_name(into).set_item(Some(item)).send().await;
        bar.inc(1);
        put.map(drop).map_err(|error| CommandError::of_sdk("writing to the stack's table", error))
    };
    let copied = items.and_then(async |item| Ok(put(item))).try_buffer_unordered(CONCURRENT_WRITES);
    let copied = copied.try_fold(0, async |copied, ()| Ok(copied + 1)).await;
    bar.finish_and_clear();
    copied
}

/// Another table's items would have no meaning in this one.
async fn require_same_key(client: &Client, from: &str, into: &str) -> Result<(), CommandError> {
    let keys = async |table: &str| {
        let described = client.describe_table().table_name(table).send().await;
        let described = described.map_err(|error| CommandError::of_sdk("describing a table", error))?.table;
        let schema = described.and_then(|table| table.key_schema).unwrap_or_default();
        Ok::<_, CommandError>(schema.into_iter().map(|key| key.attribute_name).collect::<Vec<_>>())
    };
    if keys(from).await? == keys(into).await? {
        return Ok(());
    }
    Err(CommandError::usage(format!("{from} is no copy of {into}: it has another key")))
}
