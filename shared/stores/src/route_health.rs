//! How many of a route's messages have failed: the items `health#<route>` of the `RateLimits` table
//! ([`domain::route_health`]). Only `publish` counts, and `wa resume` forgets.

use aws_sdk_dynamodb::{Client, types::ReturnValue};
use domain::{
    limits::expiry,
    route_health::{RouteCounts, RouteResults},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::{
    attribute::{number, text},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

pub(crate) const KEY_PREFIX: &str = "health#";

#[derive(Debug, Clone)]
pub struct RouteHealth {
    client: Client,
    table: String,
}

#[derive(Deserialize)]
struct StoredCounts {
    /// In microseconds since 1970.
    since: i64,
    attempts: u64,
    failures: u64,
}

/// For so long the results of a route are counted together. Then the count begins again.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// An operator may look at the counts of an hour on the next day.
const RETENTION: SignedDuration = SignedDuration::from_hours(48);

/// If other functions begin a count and end it before each of this many updates, it is not counted.
const MAX_ROUNDS: usize = 3;

const OPERATION: &str = "counting the results of a route in the RateLimits table";

impl RouteHealth {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Adds results of a route, and gives what was counted since the count began, an hour ago at most.
    pub async fn add(&self, rate_key: &str, added: RouteResults, now: Timestamp) -> Result<RouteCounts, StoreError> {
        for _ in 0..MAX_ROUNDS {
            for begins in [false, true] {
                if let ConditionalWrite::Written(item) = self.update(rate_key, added, now, begins).await? {
                    return counts_in(item);
                }
            }
        }
        Err(StoreError::contended(OPERATION))
    }

    /// Adds to the count of this hour, or begins a new one.
    async fn update(
        &self,
        rate_key: &str,
        added: RouteResults,
        now: Timestamp,
        begins: bool,
    ) -> Result<ConditionalWrite, StoreError> {
        let window_start = now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        let update = self.client.update_item().table_name(&self.table).key("sender", text(key(rate_key)));
        let update = if begins {
            update
                .update_expression(
                    "SET since = :now, attempts = :attempts, failures = :failures, expires_at = :expires_at",
                )
                .condition_expression("attribute_not_exists(since) OR since <= :window_start")
                .expression_attribute_values(":now", number(now.as_microsecond()))
                .expression_attribute_values(":expires_at", number(expiry(now, RETENTION)))
        } else {
            update
                .update_expression("ADD attempts :attempts, failures :failures")
                .condition_expression("since > :window_start")
        };
        let update = update
            .expression_attribute_values(":attempts", number(added.attempts))
            .expression_attribute_values(":failures", number(added.failures))
            .expression_attribute_values(":window_start", number(window_start.as_microsecond()))
            .return_values(ReturnValue::AllNew);
        conditional(OPERATION, update).await
    }

    /// Forgets what was counted of a route, so that the count begins again when the route is resumed.
    pub async fn forget(&self, rate_key: &str) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).key("sender", text(key(rate_key)));
        let deleted = delete.send().await;
        deleted.map(drop).map_err(|error| StoreError::of_sdk("forgetting the results of a route", error))
    }
}

fn key(rate_key: &str) -> String {
    format!("{KEY_PREFIX}{rate_key}")
}

fn counts_in(item: Item) -> Result<RouteCounts, StoreError> {
    let stored: StoredCounts = serde_dynamo::from_item(item).map_err(|error| StoreError::new(OPERATION, error))?;
    let since = Timestamp::from_microsecond(stored.since).map_err(|error| StoreError::new(OPERATION, error))?;
    let results = RouteResults { attempts: stored.attempts, failures: stored.failures };
    Ok(RouteCounts { since, results })
}
