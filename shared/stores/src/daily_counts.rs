//! How many messages were counted on a day: the items `day#<date>#AC#...` of the `RateLimits` table
//! ([`domain::daily_cap`]). Only `send` writes them, and they expire after the day.

use aws_sdk_dynamodb::{Client, types::ReturnValue};
use domain::{
    daily_cap::room::{RoomGrant, RoomRequest},
    limits::expiry,
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::{
    attribute::{number, text},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

#[derive(Debug, Clone)]
pub struct DailyCounts {
    client: Client,
    table: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StoredCount {
    counted: u32,
}

/// Other functions may change the counter before each of this many updates.
const MAX_UPDATES: usize = 6;

/// An operator may look at the counters of yesterday.
const RETENTION: SignedDuration = SignedDuration::from_hours(48);

const OPERATION: &str = "counting the messages of a day in the RateLimits table";

impl DailyCounts {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Reserves room under a cap: as much as is wanted, or all that is left. The condition of the write is that the counter
    /// does not pass the cap.
    pub async fn reserve(&self, request: &RoomRequest, now: Timestamp) -> Result<RoomGrant, StoreError> {
        let mut wanted = Some(request.clone());
        let mut counted = 0;
        for _ in 0..MAX_UPDATES {
            let Some(request) = &wanted else { return Ok(RoomGrant { messages: 0, counted }) };
            match self.add(request, now).await? {
                ConditionalWrite::Written(item) => {
                    return Ok(RoomGrant { messages: request.messages, counted: counted_in(item)? });
                }
                ConditionalWrite::Refused(item) => counted = counted_in(item)?,
            }
            wanted = request.after(counted);
        }
        Err(StoreError::contended(OPERATION))
    }

    async fn add(&self, request: &RoomRequest, now: Timestamp) -> Result<ConditionalWrite, StoreError> {
        let RoomRequest { capped, messages } = request;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("sender", text(&capped.counter))
            .update_expression("SET expires_at = :expires_at ADD counted :messages")
            .condition_expression("attribute_not_exists(counted) OR counted <= :room")
            .expression_attribute_values(":messages", number(messages))
            .expression_attribute_values(":room", number(capped.cap.saturating_sub(*messages)))
            .expression_attribute_values(":expires_at", number(expiry(now, RETENTION)))
            .return_values(ReturnValue::AllNew);
        conditional(OPERATION, update).await
    }
}

fn counted_in(item: Item) -> Result<u32, StoreError> {
    let stored: StoredCount = serde_dynamo::from_item(item).map_err(|error| StoreError::new(OPERATION, error))?;
    Ok(stored.counted)
}
