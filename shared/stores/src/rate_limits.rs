//! The `RateLimits` table: the token buckets that all sending functions share.
//!
//! | key `sender` | what the item holds | written by | expires |
//! |---|---|---|---|
//! | `AC#<sender>` | the bucket of a sender: `tat`, the planning clocks, and the rate that is left after a throttle | `send`; `publish` throttles it | a day after its last use |
//! | `recipient#AC#<identity>#<sender>` | the planning clock of messages to a person who has had as many as WhatsApp allows | `send` | a day after its last plan |
//! | `reconcile#AC` | how far the list of each sender was read ([`crate::sweeps`]) | `reconcile` | never |
//! | `senders#AC` | the senders of this system ([`crate::senders`]) | `publish`; `reconcile` for those of the service | never |
//! | `cancellations#AC` | people whose scheduled messages are still to be cancelled ([`crate::pending_cancellations`]) | `reconcile` | never |
//! | `pauses` | what is paused ([`crate::pauses`]) | `wa`; `publish` for automatic pauses | never |
//! | `day#<date>#AC#...` | what counts for a daily cap ([`crate::daily_counts`]) | `send` | two days later |
//! | `health#<sender>` | how many messages failed ([`crate::route_health`]) | `publish`; `wa` forgets it | two days later |
//!
//! How a function reserves times for a batch ([`RateLimits::reserve_or_plan`]; `domain::token_bucket` has the arithmetic):
//!
//! 1. It computes the reservation from the bucket as it last saw it, in memory, without a read.
//! 2. One conditional update moves the stored bucket on. A bucket in use (its `tat` lies ahead) is moved by an
//!    addition, under the condition that the last reserved time stays within the maximum wait. So any number of
//!    functions reserve at the same time without refusing each other, and none of them reserves a time twice. An idle
//!    bucket is set to a start near now.
//! 3. The answer has the bucket after the update, and the reserved times are the last ones before its new `tat`.
//! 4. A refusal brings the stored bucket: the function computes again from it.
//! 5. If the bucket in memory has no room, the function reads the stored one, because the memory may be outdated. Only
//!    if both agree, there is no slot.
//! 6. What finds no slot gets a planned time (`domain::planning`). The planning clocks of a route's lanes are in the bucket's
//!    item, and are moved on in the same way.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use aws_sdk_dynamodb::{Client, types::ReturnValue};
use domain::{
    contact_key::ContactKey,
    lane::Lane,
    limits::expiry,
    planning::Arrival,
    token_bucket::{Bucket, RateLimit, Reservation, SECOND, SENDER_RECIPIENT_INTERVAL},
};
use jiff::{SignedDuration, Timestamp};
use twilio_types::sid::AccountSid;

use crate::{
    attribute::{number, text},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
    route_health, sweeps,
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

/// The beginnings of the keys whose items hold a time up to which something is planned, read or counted: the buckets of senders, the
/// planning clocks of people, how far `reconcile` has read, and how many messages of a route failed. The others, as what is paused,
/// have no such time.
const KEYS_WITH_A_TIME: [&str; 4] = [ACCOUNT, RECIPIENT, sweeps::KEY_PREFIX, route_health::KEY_PREFIX];

/// Each bucket's key begins with the SID of an account.
const ACCOUNT: &str = "AC";
const RECIPIENT: &str = "recipient#";

/// Whether the item of this key holds a time that lies ahead after the clock was set back, as on a stack for tests. It can be
/// deleted then.
pub fn holds_a_time(key: &str) -> bool {
    KEYS_WITH_A_TIME.iter().any(|prefix| key.starts_with(prefix))
}

impl BucketKey {
    pub fn of_sender(account_sid: &AccountSid, sender: &str) -> Self {
        Self(format!("{account_sid}#{sender}"))
    }

    /// The key of the planning clock of messages of a sender to a person.
    pub fn of_recipient(home: &ContactKey, sender: &str) -> Self {
        Self(format!("{RECIPIENT}{}#{sender}", home.as_str()))
    }

    /// The account and the last four characters of the sender: enough to recognise it, and no full phone number.
    fn for_log(&self) -> String {
        let (account_sid, sender) = self.0.split_once('#').unwrap_or_default();
        let end = sender.char_indices().rev().nth(3).and_then(|(index, _)| sender.get(index..)).unwrap_or_default();
        format!("{account_sid}#...{end}")
    }
}

/// When a message is sent, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendTime {
    /// It may be sent then.
    Slot(i64),
    /// It asks for a slot then.
    Planned(i64),
}

/// If the bucket changed before each of this many updates, there is no slot.
const MAX_UPDATES: usize = 6;

/// How long a sender's bucket is stored after its last use and its last plan.
const RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// A clock of an item.
#[derive(Clone, Copy)]
struct Clock {
    attribute: &'static str,
    of: fn(&Bucket) -> i64,
}

/// The planning clock of a sender and a recipient is alone in its item. When they may exchange a message is an attribute of
/// the person, which the claim compares.
const RECIPIENT_CLOCK: Clock = Clock { attribute: "tat", of: |bucket| bucket.tat };

const fn planning_clock(lane: Lane) -> Clock {
    match lane {
        Lane::Urgent => Clock { attribute: "plan_urgent", of: |bucket| bucket.plan_urgent },
        Lane::Standard => Clock { attribute: "plan_standard", of: |bucket| bucket.plan_standard },
        Lane::Marketing => Clock { attribute: "plan_marketing", of: |bucket| bucket.plan_marketing },
    }
}

/// The value of the TTL attribute of an item that is needed until this time, in microseconds.
fn expires_at(needed_until: i64) -> i64 {
    needed_until / SECOND + RETENTION.as_secs()
}

impl RateLimits {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, seen: Mutex::default() }
    }

    /// Gives each of `wanted` messages its time to be sent: a slot, or where there is none, a planned time. The first ones get
    /// the slots. The module's documentation describes the steps.
    pub async fn reserve_or_plan(
        &self,
        key: &BucketKey,
        limit: RateLimit,
        lane: Lane,
        arrival: Arrival,
        wanted: usize,
        now: Timestamp,
    ) -> Result<Vec<SendTime>, StoreError> {
        let now = now.as_microsecond();
        let slots = self.reserve(key, limit, lane, arrival, wanted, now).await?;
        let mut times: Vec<SendTime> = slots.iter().flat_map(Reservation::times).map(SendTime::Slot).collect();
        if times.len() < wanted {
            let plans = self.plan(key, limit, lane, wanted - times.len(), now).await?;
            times.extend(plans.times().map(SendTime::Planned));
        }
        Ok(times)
    }

    /// Plans times for messages that their recipient cannot receive yet, one after the other, from the first time on at which
    /// WhatsApp lets the recipient have one. `key` names the sender and the recipient.
    pub async fn plan_recipient(
        &self,
        key: &BucketKey,
        from: Timestamp,
        wanted: usize,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let clock = |bucket: &Bucket| Reservation {
            first: bucket.tat.max(from.as_microsecond()),
            interval: SENDER_RECIPIENT_INTERVAL,
            count: wanted,
        };
        let floor = |_: &Bucket| from.as_microsecond();
        let planned = self.advance_clock(key, RECIPIENT_CLOCK, clock, floor, now.as_microsecond()).await?;
        Ok(planned.times().filter_map(|at| Timestamp::from_microsecond(at).ok()).collect())
    }

    async fn reserve(
        &self,
        key: &BucketKey,
        limit: RateLimit,
        lane: Lane,
        arrival: Arrival,
        wanted: usize,
        now: i64,
    ) -> Result<Option<Reservation>, StoreError> {
        let mut bucket = self.seen().get(key).copied().unwrap_or_default();
        for _ in 0..MAX_UPDATES {
            let horizon = bucket.slot_horizon(lane, arrival, now);
            let Ok(reservation) = limit.reserve(&bucket, now, wanted, horizon) else {
                let found = self.read(key).await?;
                self.seen().insert(key.clone(), found);
                if found == bucket {
                    return Ok(None);
                }
                bucket = found;
                continue;
            };
            match self.advance(key, limit, &bucket, reservation, now, horizon).await? {
                ConditionalWrite::Written(item) => {
                    let written = bucket_in(item)?;
                    self.seen().insert(key.clone(), written);
                    return Ok(Some(reservation.ending_at(written.tat)));
                }
                ConditionalWrite::Refused(item) => bucket = bucket_in(item)?,
            }
        }
        Ok(None)
    }

    async fn plan(
        &self,
        key: &BucketKey,
        limit: RateLimit,
        lane: Lane,
        wanted: usize,
        now: i64,
    ) -> Result<Reservation, StoreError> {
        let clock = |bucket: &Bucket| limit.plan(bucket, lane, wanted, now);
        let floor = |bucket: &Bucket| bucket.earliest_plan(lane, now);
        self.advance_clock(key, planning_clock(lane), clock, floor, now).await
    }

    /// Moves a planning clock on by the times of a reservation. A clock that is in use is moved by an addition, as a bucket is, and one that
    /// lies before `floor` is set.
    async fn advance_clock(
        &self,
        key: &BucketKey,
        clock: Clock,
        reservation: impl Fn(&Bucket) -> Reservation,
        floor: impl Fn(&Bucket) -> i64,
        now: i64,
    ) -> Result<Reservation, StoreError> {
        let operation = "planning in the RateLimits table";
        let mut bucket = self.seen().get(key).copied().unwrap_or_default();
        for _ in 0..MAX_UPDATES {
            let (planned, floor) = (reservation(&bucket), floor(&bucket));
            let span = planned.end() - planned.first;
            let update = self.client.update_item().table_name(&self.table).key("sender", text(&key.0));
            let update = if (clock.of)(&bucket) > floor {
                update
                    .update_expression("SET #clock = #clock + :span, expires_at = :expires_at")
                    .condition_expression("#clock > :floor")
                    .expression_attribute_values(":span", number(span))
            } else {
                update
                    .update_expression("SET #clock = :end, expires_at = :expires_at")
                    .condition_expression("attribute_not_exists(#clock) OR #clock <= :floor")
                    .expression_attribute_values(":end", number(planned.end()))
            };
            let update = update
                .expression_attribute_names("#clock", clock.attribute)
                .expression_attribute_values(":floor", number(floor))
                .expression_attribute_values(":expires_at", number(expires_at(planned.end().max(now))))
                .return_values(ReturnValue::AllNew);
            match conditional(operation, update).await? {
                ConditionalWrite::Written(item) => {
                    let written = bucket_in(item)?;
                    self.seen().insert(key.clone(), written);
                    return Ok(planned.ending_at((clock.of)(&written)));
                }
                ConditionalWrite::Refused(item) => bucket = bucket_in(item)?,
            }
        }
        Err(StoreError::contended(operation))
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
        let last_plan = Lane::ALL.into_iter().map(|lane| bucket.planning_clock(lane)).fold(now, i64::max);
        let update = update
            .expression_attribute_values(":floor", number(floor))
            .expression_attribute_values(":expires_at", number(expires_at(last_plan)))
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

    #[test]
    fn buckets_and_plans_hold_a_time_and_pauses_do_not() {
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let home = ContactKey::of_phone(&account_sid, &"+14155550123".parse().unwrap());
        for key in [
            BucketKey::of_sender(&account_sid, "whatsapp:+14155238886").0,
            BucketKey::of_recipient(&home, "whatsapp:+14155238886").0,
            format!("{}{account_sid}", sweeps::KEY_PREFIX),
        ] {
            assert!(holds_a_time(&key), "{key}");
        }
        for key in ["pauses", "senders#AC1", "cancellations#AC1", "day#2026-11-20#AC1"] {
            assert!(!holds_a_time(key), "{key}");
        }
    }
}
