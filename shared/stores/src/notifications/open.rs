//! Open notifications: Twilio accepted them, and their outcome is not known. They are in the index `by_open` until it is.
//!
//! The index has [`OPEN_SHARDS`] hash keys for each account, because one key takes 1,000 writes a second, and its partition is
//! not split for a range key that rises (Amazon DynamoDB, "Best practices for designing and using partition keys"; AWS Database
//! Blog, "Scaling DynamoDB: How partitions, hot keys, and split for heat impact performance").

use std::fmt;

use domain::{digest::sha256_hex, notification::NotificationId};
use jiff::Timestamp;
use twilio_types::sid::AccountSid;

use super::{Notifications, key};
use crate::{
    attribute::{number, text, text_in, time},
    dynamodb::{Item, StoreError, conditional},
};

/// Hash `open`, the account and the shard; range `open_until`, the time at which the outcome is looked up next; with
/// `message_sid` and `open_lookups`. Which of its messages are open is in the item.
const BY_OPEN: &str = "by_open";

/// How many hash keys of the index an account has.
pub const OPEN_SHARDS: u8 = 16;

/// How many items of a shard are read at once.
const PAGE: i32 = 100;

/// An open notification whose outcome is to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverdueNotification {
    pub id: NotificationId,
    pub open_until: Timestamp,
    /// How often it was looked up, and stayed open.
    pub lookups: u32,
}

/// A page of a shard.
#[derive(Default)]
pub struct OverduePage {
    /// The longest overdue first.
    pub overdue: Vec<OverdueNotification>,
    /// From where the next page is read; none if this is the last.
    pub next: Option<Item>,
}

impl fmt::Debug for OverduePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverduePage").field("overdue", &self.overdue).finish_non_exhaustive()
    }
}

impl Notifications {
    /// A page of the account's overdue notifications in a shard, from a position on. The index is updated about a second
    /// after the table.
    pub async fn overdue(
        &self,
        account_sid: &AccountSid,
        shard: u8,
        now: Timestamp,
        from: Option<Item>,
    ) -> Result<OverduePage, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_OPEN)
            .key_condition_expression("#open = :shard AND open_until < :now")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":shard", text(open_shard(account_sid, shard)))
            .expression_attribute_values(":now", time(now))
            .limit(PAGE)
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("listing overdue notifications", error))?;
        let overdue = answer.items().iter().filter_map(|item| read(account_sid, item)).collect();
        Ok(OverduePage { overdue, next: answer.last_evaluated_key })
    }

    /// Closes a notification: the final status of its message is recorded, or will never be known.
    pub async fn close(&self, account_sid: &AccountSid, id: &NotificationId) -> Result<(), StoreError> {
        self.set_open(account_sid, id, "SET version = version + :one REMOVE #open, open_until", None).await
    }

    /// Leaves a notification open until a later time: its final status is not known yet.
    pub async fn postpone(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let update = "SET version = version + :one, open_until = :until ADD open_lookups :one";
        self.set_open(account_sid, id, update, Some(until)).await
    }

    async fn set_open(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        update: &str,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, id)))
            .update_expression(update)
            .condition_expression("attribute_exists(#open)")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":one", number(1));
        let update = match until {
            Some(until) => update.expression_attribute_values(":until", time(until)),
            None => update,
        };
        // A refusal means that the notification was closed meanwhile.
        conditional("closing in the Notifications table", update).await.map(drop)
    }
}

/// The hash key of a notification in the index.
pub(super) fn open_shard_of(account_sid: &AccountSid, id: &NotificationId) -> String {
    let digest = sha256_hex(id.as_str().as_bytes());
    let shard = digest.get(..1).and_then(|digit| u8::from_str_radix(digit, 16).ok()).unwrap_or_default();
    open_shard(account_sid, shard)
}

fn open_shard(account_sid: &AccountSid, shard: u8) -> String {
    format!("{account_sid}#{shard}")
}

/// Reads an item of the index, of which the keys and the number of lookups are needed. The last attempt may have no message:
/// then an earlier one has.
fn read(account_sid: &AccountSid, item: &Item) -> Option<OverdueNotification> {
    let id = text_in(item, "notification")?.strip_prefix(account_sid.as_str())?.strip_prefix('#')?;
    let lookups = item.get("open_lookups").and_then(|lookups| lookups.as_n().ok()?.parse().ok());
    Some(OverdueNotification {
        id: id.to_owned().try_into().ok()?,
        open_until: text_in(item, "open_until")?.parse().ok()?,
        lookups: lookups.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn account_sid() -> AccountSid {
        "AC00000000000000000000000000000001".parse().unwrap()
    }

    #[test]
    fn an_index_item_is_an_overdue_notification() {
        let mut item = Item::from([
            ("notification".to_owned(), text("AC00000000000000000000000000000001#order#1")),
            ("open_until".to_owned(), text("2026-11-20T09:00:00.000Z")),
        ]);
        let overdue = read(&account_sid(), &item).unwrap();
        assert_eq!(overdue.id.as_str(), "order#1");
        assert_eq!((overdue.open_until.to_string().as_str(), overdue.lookups), ("2026-11-20T09:00:00Z", 0));
        item.insert("open_lookups".to_owned(), number(3));
        assert_eq!(read(&account_sid(), &item).unwrap().lookups, 3);
        item.remove("open_until");
        assert_eq!(read(&account_sid(), &item), None);
    }

    #[test]
    fn notifications_are_spread_evenly_over_the_shards() {
        let mut found: BTreeMap<String, u32> = BTreeMap::new();
        for number in 0..16_000 {
            let id = format!("order-{number}").try_into().unwrap();
            *found.entry(open_shard_of(&account_sid(), &id)).or_default() += 1;
        }
        let expected: Vec<_> = (0..OPEN_SHARDS).map(|shard| open_shard(&account_sid(), shard)).collect();
        assert!(expected.iter().all(|shard| (850..1_150).contains(&found[shard])), "{found:?}");
        assert_eq!(found.len(), expected.len());
    }
}
