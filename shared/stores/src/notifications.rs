//! The Notifications table: one item for each notification, with its request, its progress and its outcome.
//!
//! | key `notification` | what the item holds | written by | expires |
//! |---|---|---|---|
//! | `AC#<id>` | the request, the progress ([`domain::progress`]), the lease of a claim, a version | `send`; `publish` and `reconcile` after a report of Twilio | 45 days after its last change; with its content, as messages do once it has ended |
//! | `message#AC#SM` | the id of the notification (`owner`) that a message belongs to | `send`, when it resolves an unknown outcome, and when it claims the next attempt after the message | after 45 days |
//! | `reuse#AC#<id>#<digest>` | a rejected notification whose id belongs to another one | `send` | after 45 days |
//!
//! Index `by_message_sid` finds a notification by its latest message. Index `by_open` (hash `open`, the account and a shard; range
//! `open_until`) holds the notifications that Twilio accepted and whose outcome is not known. Index `by_due` (hash
//! `due_shard`, range `due_at`) holds those that wait ([`domain::waiting`]).
//!
//! *Invariant:* every write of the progress puts the whole item, on the condition that its `version` is the one that was read. So of two
//! writers one is refused, and decides again with what is stored then. `claim.rs` describes the protocol.

use aws_sdk_dynamodb::{
    Client,
    types::{KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem},
};
use domain::{
    limits::{NOTIFICATION_RETENTION, Retention, expiry},
    notification::NotificationId,
    progress::Attempt,
};
use jiff::Timestamp;
use twilio_types::sid::{AccountSid, MessageSid};

use crate::{
    attribute::{number, text},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional, consistent_keys},
};

mod claim;
mod due;
mod item;
mod listing;
mod lookup;
mod message_owner;
mod open;
mod record;
mod recover;

pub use claim::{ClaimOutcome, ClaimState, LeaseId};
pub use due::{DUE_SHARDS, DueNotification, DuePage};
pub use listing::{NotificationFilter, NotificationPage};
pub use message_owner::MessageAssignment;
pub use open::{OPEN_SHARDS, OverdueNotification, OverduePage};
pub use record::{Due, Lease, NotificationState, StoredNotification, Subject};
pub use recover::NotificationEvidence;

#[derive(Debug, Clone)]
pub struct Notifications {
    pub(crate) client: Client,
    pub(crate) table: String,
    retention: Retention,
}

/// What became of a write.
#[derive(Debug)]
pub enum NotificationWrite {
    Written,
    /// Another writer was faster: the notification as it is stored now, if it is stored.
    Changed(Option<Box<StoredNotification>>),
}

const READING: &str = "reading from the Notifications table";
const WRITING: &str = "writing to the Notifications table";

/// How often a change is decided again because another writer was faster. A notification has few writers: the holder of
/// its claim, and the publisher of its callbacks.
const MAX_ROUNDS: usize = 8;

impl Notifications {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, retention: Retention::default() }
    }

    /// The same table, where a notification that has ended is stored for this time as long as it has its content.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// The item of a notification with the next version. What was written to a person is kept no longer than the messages
    /// are.
    fn item(&self, after: &StoredNotification, seen: Option<i64>, now: Timestamp) -> Result<Item, StoreError> {
        let mut item = after.to_item(seen, now)?;
        if after.keeps_content_after_its_end() {
            let expires_at = expiry(now, NOTIFICATION_RETENTION.min(self.retention.into()));
            item.insert("expires_at".to_owned(), number(expires_at));
        }
        Ok(item)
    }

    /// Opens the connection at the cold start, so that the first notification does not wait for its handshake. The
    /// error is only for the log: the first real call retries, and reports what is wrong.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let key = Item::from([("notification".to_owned(), text("warm"))]);
        let answer = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await;
        answer.map(drop).map_err(|error| StoreError::of_sdk("opening the connection to DynamoDB", error))
    }

    /// Reads a notification consistently.
    pub async fn get(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk(READING, error))?;
        answer.item.map(StoredNotification::read).transpose()
    }

    /// The name of this table and the keys of these notifications, for a [`crate::dynamodb::batch_get`].
    pub fn batch_keys<'a>(
        &self,
        notifications: impl Iterator<Item = (&'a AccountSid, &'a NotificationId)>,
    ) -> Result<(String, KeysAndAttributes), StoreError> {
        let keys = notifications.map(|(account_sid, id)| key(account_sid, id));
        Ok((self.table.clone(), consistent_keys(READING, keys)?))
    }

    /// Writes a notification, if the stored one is as it was read: none, or this version. An expired item counts as none.
    pub async fn put(
        &self,
        seen: Option<i64>,
        after: &StoredNotification,
        now: Timestamp,
    ) -> Result<NotificationWrite, StoreError> {
        let (condition, name, value) = condition(seen, now);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.item(after, seen, now)?))
            .condition_expression(condition)
            .expression_attribute_values(name, number(value));
        match conditional(WRITING, put).await? {
            ConditionalWrite::Written(_) => Ok(NotificationWrite::Written),
            ConditionalWrite::Refused(item) if item.is_empty() => Ok(NotificationWrite::Changed(None)),
            ConditionalWrite::Refused(item) => {
                Ok(NotificationWrite::Changed(Some(Box::new(StoredNotification::read(item)?))))
            }
        }
    }

    /// [`Notifications::put`] as an action of a transaction. A refusal brings the stored item.
    pub fn put_action(
        &self,
        seen: Option<i64>,
        after: &StoredNotification,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let (condition, name, value) = condition(seen, now);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(self.item(after, seen, now)?))
            .condition_expression(condition)
            .expression_attribute_values(name, number(value))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| StoreError::new(WRITING, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Changes a stored notification: reads it, lets `change` decide, and writes the result. `change` is called again with
    /// the newly stored item whenever another writer was faster, and gives none if there is nothing to write. Gives what
    /// was decided, with the notification as it is stored now; none if it is not stored.
    pub async fn change<T>(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        now: Timestamp,
        change: impl FnMut(&mut StoredNotification) -> (Option<T>, T),
    ) -> Result<Option<(StoredNotification, T)>, StoreError> {
        match self.get(account_sid, id).await? {
            Some(stored) => self.change_read(stored, now, change).await,
            None => Ok(None),
        }
    }

    /// [`Notifications::change`] of a notification that was just read. A change that names the message of an attempt makes
    /// the notification the owner of that message, and is not written if another notification owns it.
    pub async fn change_read<T>(
        &self,
        stored: StoredNotification,
        now: Timestamp,
        mut change: impl FnMut(&mut StoredNotification) -> (Option<T>, T),
    ) -> Result<Option<(StoredNotification, T)>, StoreError> {
        let mut stored = Some(stored);
        for _ in 0..MAX_ROUNDS {
            let Some(before) = stored else { return Ok(None) };
            let mut after = before.clone();
            let (written, unwritten) = change(&mut after);
            let Some(written) = written else { return Ok(Some((before, unwritten))) };
            if let Some(message_sid) = newly_named_message(&before, &after) {
                match self.assign_message(before.version, &after, message_sid, now).await? {
                    MessageAssignment::Assigned => return Ok(Some((after.written_at(now), written))),
                    MessageAssignment::OwnedByAnother => return Ok(Some((before, unwritten))),
                    MessageAssignment::Changed(found) => stored = found.map(|found| *found),
                }
                continue;
            }
            match self.put(Some(before.version), &after, now).await? {
                NotificationWrite::Written => return Ok(Some((after.written_at(now), written))),
                NotificationWrite::Changed(found) => stored = found.map(|found| *found),
            }
        }
        Err(StoreError::contended(WRITING))
    }

    /// Records that an id was used for a second notification, under a separate key: the item of the first notification
    /// does not change, and the stream publishes an event about the second.
    pub async fn record_id_reuse(&self, reused: &StoredNotification, now: Timestamp) -> Result<(), StoreError> {
        let digest = reused.subject.digest.get(..16).unwrap_or_default();
        let key = text(format_args!("reuse#{}#{}#{digest}", reused.subject.account_sid, reused.subject.id));
        let mut item = self.item(&StoredNotification { reuse: true, ..reused.clone() }, None, now)?;
        item.insert("notification".to_owned(), key);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        put.map(drop).map_err(|error| StoreError::of_sdk("recording a reused id in the Notifications table", error))
    }
}

/// The message that an attempt got by a change. The answer to its request did not name it, so another notification with the
/// same content may own it.
fn newly_named_message<'a>(before: &StoredNotification, after: &'a StoredNotification) -> Option<&'a MessageSid> {
    let mut attempts = before.progress.attempts.iter().zip(&after.progress.attempts);
    let named =
        |(before, after): (&Attempt, &'a Attempt)| after.message_sid.as_ref().filter(|_| before.message_sid.is_none());
    attempts.find_map(named)
}

/// The version of an item after a write at this time by a writer that has seen this version. No earlier item with the same
/// key had it, even if that item has expired meanwhile.
pub fn next_version(seen: Option<i64>, now: Timestamp) -> i64 {
    seen.map_or_else(|| now.as_microsecond(), |seen| seen.saturating_add(1))
}

/// The condition of a write, with its only value.
fn condition(seen: Option<i64>, now: Timestamp) -> (&'static str, &'static str, i64) {
    match seen {
        None => ("attribute_not_exists(notification) OR expires_at < :now", ":now", now.as_second()),
        Some(version) => ("version = :seen", ":seen", version),
    }
}

fn key(account_sid: &AccountSid, id: &NotificationId) -> Item {
    Item::from([("notification".to_owned(), text(format_args!("{account_sid}#{id}")))])
}

#[cfg(test)]
mod tests;
