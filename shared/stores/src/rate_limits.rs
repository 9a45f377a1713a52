//! The `RateLimits` table: a bucket for each sender, shared by every function that sends, and one for each person that a
//! sender writes to.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_sdk_dynamodb::{
    Client,
    types::{KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update},
};
use domain::{
    contact_key::ContactKey,
    limits::expiry,
    token_bucket::{Bucket, RateLimit, Reservation, SECOND, SENDER_RECIPIENT_RETENTION},
};
use jiff::{SignedDuration, Timestamp};
use twilio_types::sid::AccountSid;

use crate::{
    attribute::{number, text},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional, consistent_keys},
};

/// The table.
#[derive(Debug)]
pub struct RateLimits {
    client: Client,
    table: String,
    /// The buckets as they were seen last: a guess that makes the first try the right one nearly always.
    seen: Mutex<HashMap<BucketKey, Bucket>>,
}

/// The key of a sender's bucket: `account_sid#sender`, where the sender is an address or a Messaging Service's SID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketKey(String);

impl BucketKey {
    /// A sender's.
    pub fn of_sender(account_sid: &AccountSid, sender: &str) -> Self {
        Self(format!("{account_sid}#{sender}"))
    }

    /// A sender's and a person's.
    pub fn of_sender_recipient(sender: &str, contact: &ContactKey) -> Self {
        Self(format!("{}#{sender}", contact.as_str()))
    }

    /// The key as it stands in the table.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a sender's bucket gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationOutcome {
    /// Times for this many messages, perhaps fewer than were wanted.
    Reserved(Reservation),
    /// Nothing before this time, in microseconds since 1970.
    NotBefore(i64),
}

/// A bucket that so many others took from between our looking and our writing is left to them for a moment.
const TRIES: usize = 6;

/// A bucket remembers for a day that Twilio asked for less.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);

impl RateLimits {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, seen: Mutex::default() }
    }

    /// Takes times for a whole batch out of a sender's bucket: one conditional write, unless others were quicker.
    ///
    /// A bucket in use is advanced by an addition, so that any number of functions can take from it at the same time
    /// without refusing each other; only one that has fallen behind the clock is set anew.
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
        for _ in 0..TRIES {
            let reservation = match limit.reserve(&bucket, now, wanted, max_wait) {
                Ok(reservation) => reservation,
                // What was seen is old news; only the table says that there is no room.
                Err(until) => match self.look(key).await? {
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

    async fn look(&self, key: &BucketKey) -> Result<Bucket, StoreError> {
        let operation = "reading from the RateLimits table";
        let get = self.client.get_item().table_name(&self.table).key("sender", text(&key.0)).consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk(operation, error))?;
        bucket_in(answer.item.unwrap_or_default())
    }

    /// Moves a bucket on by these slots. Gives it as it is then, or as it was where it was not as expected.
    async fn advance(
        &self,
        key: &BucketKey,
        limit: RateLimit,
        bucket: &Bucket,
        reservation: Reservation,
        now: i64,
        max_wait: i64,
    ) -> Result<ConditionalWrite, StoreError> {
        let operation = "taking from a bucket of the RateLimits table";
        let floor = limit.floor(reservation.interval, now);
        let span = reservation.end() - reservation.first;
        let mut update = self.client.update_item().table_name(&self.table).key("sender", text(&key.0));
        update = if bucket.tat > floor {
            // The last of the slots is still within the horizon.
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
        let expires_at = now / SECOND + MEMORY.as_secs();
        let update = update
            .expression_attribute_values(":floor", number(floor))
            .expression_attribute_values(":expires_at", number(expires_at))
            .return_values(ReturnValue::AllNew);
        conditional(operation, update).await
    }

    /// Halves a sender's rate, because Twilio says that it was too high for a message whose time was taken at `since`.
    /// Once for all that went out at the same rate: one burst is refused many times.
    pub async fn throttle(
        &self,
        key: &BucketKey,
        limit: RateLimit,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let operation = "throttling in the RateLimits table";
        let at = now.as_microsecond();
        let bucket = self.look(key).await?;
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
            .expression_attribute_values(":expires_at", number(expiry(now, MEMORY)));
        let write = conditional(operation, update).await;
        self.seen().remove(key);
        if let ConditionalWrite::Written(_) = write? {
            tracing::warn!(sender = key.as_str(), "Twilio asks for less: the sender's rate is halved");
        }
        Ok(())
    }

    /// An action that moves a pair's bucket from where it was seen to where a message more brings it.
    pub fn sender_recipient_action(
        &self,
        key: &BucketKey,
        seen: Option<i64>,
        tat: i64,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("sender", text(&key.0))
            .update_expression("SET tat = :tat, expires_at = :expires_at")
            .expression_attribute_values(":tat", number(tat))
            .expression_attribute_values(":expires_at", number(expiry(now, SENDER_RECIPIENT_RETENTION)))
            .return_values_on_condition_check_failure(AllOld);
        let update = match seen {
            None => update.condition_expression("attribute_not_exists(tat)"),
            Some(seen) => update.condition_expression("tat = :seen").expression_attribute_values(":seen", number(seen)),
        };
        let update =
            update.build().map_err(|error| StoreError::new("taking from a pair of the RateLimits table", error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// What a batch read of these buckets asks of this table, by the table's name.
    pub fn batch_keys(
        &self,
        buckets: impl Iterator<Item = BucketKey>,
    ) -> Result<(String, KeysAndAttributes), StoreError> {
        let keys = buckets.map(|key| Item::from([("sender".to_owned(), text(key.as_str()))]));
        Ok((self.table.clone(), consistent_keys("reading from the RateLimits table", keys)?))
    }
}

/// The theoretical arrival time in an item; none where there is none.
pub fn tat_in(item: &Item) -> Option<i64> {
    item.get("tat")?.as_n().ok()?.parse().ok()
}

fn bucket_in(item: Item) -> Result<Bucket, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::new("reading a bucket of the RateLimits table", error))
}
