//! The `RateLimits` table: the token buckets that all sending functions share.
//!
//! | key `sender` | what the item holds | written by | expires |
//! |---|---|---|---|
//! | `AC#<sender>` | the bucket of a sender: `tat`, and the rate that is left after a throttle | `send`; `publish` throttles it | after a day |
//! | `reconcile#AC` | how far the account's list was read ([`crate::sweeps`]) | `reconcile` | never |
//!
//! How a function reserves times for a batch ([`RateLimits::reserve`]; `domain::token_bucket` has the arithmetic):
//!
//! 1. It computes the reservation from the bucket as it last saw it, in memory, without a read.
//! 2. One conditional update moves the stored bucket on. A bucket in use (its `tat` lies ahead) is moved by an
//!    addition, under the condition that the last reserved time stays within the maximum wait. So any number of
//!    functions reserve at the same time without refusing each other, and none of them reserves a time twice. An idle
//!    bucket is set to a start near now.
//! 3. The answer has the bucket after the update, and the reserved times are the last ones before its new `tat`.
//! 4. A refusal brings the stored bucket: the function computes again from it.
//! 5. If the bucket in memory has no room, the function reads the stored one, because the memory may be outdated. Only
//!    if both agree, the messages wait.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use aws_sdk_dynamodb::{Client, types::ReturnValue};
use domain::{
    limits::expiry,
    token_bucket::{Bucket, RateLimit, Reservation, SECOND},
};
use jiff::{SignedDuration, Timestamp};
use twilio_types::sid::AccountSid;

use crate::{
    attribute::{number, text},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

#[derive(Debug)]
pub struct RateLimits {
    client: Client,
    table: String,
    /// The buckets as this function last saw them, so that its first update nearly always succeeds.
    seen: Mutex<HashMap<BucketKey, Bucket>>,
}

/// The key of a bucket. A sender is an address or a Messaging Service's SID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey(String);

impl fmt::Debug for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketKey").finish_non_exhaustive()
    }
}

impl BucketKey {
    pub fn of_sender(account_sid: &AccountSid, sender: &str) -> Self {
        Self(format!("{account_sid}#{sender}"))
    }

    /// The account and the last four characters of the sender: enough to recognise it, and no full phone number.
    fn for_log(&self) -> String {
        let (account_sid, sender) = self.0.split_once('#').unwrap_or_default();
        let end = sender.char_indices().rev().nth(3).and_then(|(index, _)| sender.get(index..)).unwrap_or_default();
        format!("{account_sid}#...{end}")
    }
}

/// What became of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationOutcome {
    /// Times for these messages, perhaps fewer than were wanted.
    Reserved(Reservation),
    /// There is no room before this time, in microseconds since 1970.
    NotBefore(i64),
}

/// If the bucket changed before each of this many updates, the messages wait for a second.
const MAX_UPDATES: usize = 6;

/// How long a sender's bucket is stored after its last use.
const RETENTION: SignedDuration = SignedDuration::from_hours(24);

impl RateLimits {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, seen: Mutex::default() }
    }

    /// Reserves times for at most `wanted` messages, none of them later than `max_wait` microseconds from now. The
    /// module's documentation describes the steps.
    pub async fn reserve(
        &self,
        key: &BucketKey,
        limit: RateLimit,
        wanted: usize,
        max_wait: i64,
        now: Timestamp,
    ) -> Result<ReservationOutcome, StoreError> {
        let now = now.as_microsecond();
        let mut bucket = self.seen().get(key).copied().unwrap_or_default();
        for _ in 0..MAX_UPDATES {
            let reservation = match limit.reserve(&bucket, now, wanted, max_wait) {
                Ok(reservation) => reservation,
                Err(until) => match self.read(key).await? {
                    found if found == bucket => return Ok(ReservationOutcome::NotBefore(until)),
                    found => {
                        bucket = found;
                        continue;
                    }
                },
            };
            match self.advance(key, limit, &bucket, reservation, now, max_wait).await? {
                ConditionalWrite::Written(item) => {
                    let written = bucket_in(item)?;
                    self.seen().insert(key.clone(), written);
                    let first = written.tat
                        - reservation.interval.saturating_mul(i64::try_from(reservation.count).unwrap_or(0));
                    return Ok(ReservationOutcome::Reserved(Reservation { first, ..reservation }));
                }
                ConditionalWrite::Refused(item) => bucket = bucket_in(item)?,
            }
        }
        Ok(ReservationOutcome::NotBefore(now.saturating_add(SECOND)))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<BucketKey, Bucket>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, key: &BucketKey) -> Result<Bucket, StoreError> {
        let operation = "reading from the RateLimits table";
        let get = self.client.get_item().table_name(&self.table).key("sender", text(&key.0)).consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk(operation, error))?;
        bucket_in(answer.item.unwrap_or_default())
    }

    /// Moves a bucket on by a reservation.
    async fn advance(
        &self,
        key: &BucketKey,
        limit: RateLimit,
        bucket: &Bucket,
        reservation: Reservation,
        now: i64,
        max_wait: i64,
    ) -> Result<ConditionalWrite, StoreError> {
        let operation = "reserving in the RateLimits table";
        let floor = limit.floor(reservation.interval, now);
        let span = reservation.end() - reservation.first;
        let mut update = self.client.update_item().table_name(&self.table).key("sender", text(&key.0));
        update = if bucket.tat > floor {
            // The last reserved time is then still within the maximum wait.
            let ceiling = now.saturating_add(max_wait) - (span - reservation.interval);
            update
                .update_expression("SET tat = tat + :span, expires_at = :expires_at")
                .condition_expression("tat >= :floor AND tat <= :ceiling")
                .expression_attribute_values(":span", number(span))
                .expression_attribute_values(":ceiling", number(ceiling))
        } else {
            update
                .update_expression("SET tat = :end, expires_at = :expires_at")
                .condition_expression("attribute_not_exists(tat) OR tat <= :floor")
                .expression_attribute_values(":end", number(floor + span))
        };
        let expires_at = now / SECOND + RETENTION.as_secs();
        let update = update
            .expression_attribute_values(":floor", number(floor))
            .expression_attribute_values(":expires_at", number(expires_at))
            .return_values(ReturnValue::AllNew);
        conditional(operation, update).await
    }

    /// Halves a sender's rate, because Twilio refused a message whose time was reserved at `since`. A rate that was
    /// halved after `since` is not halved again, because Twilio refuses many messages of one burst.
    pub async fn throttle(
        &self,
        key: &BucketKey,
        limit: RateLimit,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let operation = "throttling in the RateLimits table";
        let at = now.as_microsecond();
        let bucket = self.read(key).await?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("sender", text(&key.0))
            .update_expression("SET throttled_at = :now, throttled_rate = :rate, expires_at = :expires_at")
            .condition_expression("attribute_not_exists(throttled_at) OR throttled_at < :since")
            .expression_attribute_values(":now", number(at))
            .expression_attribute_values(":rate", number(limit.halved_rate(&bucket, at)))
            .expression_attribute_values(":since", number(since.as_microsecond()))
            .expression_attribute_values(":expires_at", number(expiry(now, RETENTION)));
        let write = conditional(operation, update).await;
        self.seen().remove(key);
        if let ConditionalWrite::Written(_) = write? {
            tracing::warn!(sender = key.for_log(), "sender's rate halved, because Twilio refused it as too fast");
        }
        Ok(())
    }
}

fn bucket_in(item: Item) -> Result<Bucket, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::new("reading a bucket of the RateLimits table", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_bucket_shows_the_end_of_its_sender_only() {
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        for (sender, expected) in [
            ("whatsapp:+14155238886", "AC00000000000000000000000000000001#...8886"),
            ("MG00000000000000000000000000000009", "AC00000000000000000000000000000001#...0009"),
            ("é", "AC00000000000000000000000000000001#..."),
        ] {
            assert_eq!(BucketKey::of_sender(&account_sid, sender).for_log(), expected);
        }
    }
}
