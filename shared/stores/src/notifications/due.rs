//! What is due: the index `by_due`, in which notifications wait for their time.
//!
//! The index has [`DUE_SHARDS`] hash keys, because one key takes 1,000 writes a second, and its partition is not split for a
//! range key that rises (Amazon DynamoDB, "Best practices for designing and using partition keys"; AWS Database Blog,
//! "Scaling DynamoDB: How partitions, hot keys, and split for heat impact performance").

use std::fmt;

use aws_sdk_dynamodb::{
    error::BuildError,
    types::{BatchStatementErrorCodeEnum as StatementError, BatchStatementRequest},
};
use domain::{
    digest::sha256_hex,
    notification::{Category, NotificationId},
    pause::PauseScope,
};
use jiff::Timestamp;
use twilio_types::sid::AccountSid;

use super::Notifications;
use crate::{
    attribute::{text, text_in, time},
    dynamodb::{Item, StoreError},
};

/// Hash `due_shard`, range `due_at`, with `due_scopes`.
const BY_DUE: &str = "by_due";

/// How many hash keys the index has.
pub const DUE_SHARDS: u8 = 32;

const MOVING: &str = "moving due notifications on";

/// How many items a page of the index has.
const PAGE_ITEMS: i32 = 500;

/// The most statements of one request. Source: Amazon DynamoDB, "Running batch operations with `PartiQL` for DynamoDB".
const BATCH_STATEMENTS: usize = 25;

/// A notification that is due, as the index has it.
#[derive(Clone, PartialEq, Eq)]
pub struct DueNotification {
    pub account_sid: AccountSid,
    pub id: NotificationId,
    pub due_at: Timestamp,
    /// What a pause would have to cover.
    pub scopes: Vec<PauseScope>,
}

impl fmt::Debug for DueNotification {
    /// The scopes have addresses of senders.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DueNotification").field("id", &self.id).field("due_at", &self.due_at).finish_non_exhaustive()
    }
}

impl DueNotification {
    pub fn category(&self) -> Option<Category> {
        self.scopes
            .iter()
            .find_map(|scope| if let PauseScope::Category(category) = scope { Some(*category) } else { None })
    }
}

/// A page of the index.
#[derive(Debug, Default)]
pub struct DuePage {
    /// The longest due first.
    pub due: Vec<DueNotification>,
    /// The keys of the items that cannot be read. Each stays where it is.
    pub unreadable: Vec<String>,
    /// From where the next page is read; none if this is the last.
    pub next: Option<Item>,
}

impl Notifications {
    /// What is due in a shard before a time, from a position on. The index is updated about a second after the table.
    pub async fn due(&self, shard: u8, before: Timestamp, from: Option<Item>) -> Result<DuePage, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_DUE)
            .key_condition_expression("due_shard = :shard AND due_at < :before")
            .expression_attribute_values(":shard", text(shard_name(shard)))
            .expression_attribute_values(":before", time(before))
            .set_exclusive_start_key(from)
            .limit(PAGE_ITEMS)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("listing due notifications", error))?;
        let mut page = DuePage::default();
        for item in answer.items() {
            match read(item) {
                Some(due) => page.due.push(due),
                None => page.unreadable.push(text_in(item, "notification").unwrap_or_default().to_owned()),
            }
        }
        page.next = answer.last_evaluated_key;
        Ok(page)
    }

    /// Moves due notifications on in the index, each to its time, because a message of each was put on a queue. Nothing is
    /// written to one that has changed since. The version stays, because nothing depends on this time: a claim that is being
    /// made goes on. Returns how many were not moved, because a transaction held them or DynamoDB was too busy: they are still
    /// due.
    ///
    /// A batch of statements costs the same units as single updates and far less CPU time, which limits how many
    /// notifications are released in a minute.
    pub async fn move_due(&self, moves: &[(&DueNotification, Timestamp)]) -> Result<usize, StoreError> {
        let mut not_moved = 0;
        for batch in moves.chunks(BATCH_STATEMENTS) {
            let statements: Result<Vec<_>, _> = batch.iter().map(|(due, at)| self.move_statement(due, *at)).collect();
            let statements = statements.map_err(|error| StoreError::new(MOVING, error))?;
            let request = self.client.batch_execute_statement().set_statements(Some(statements));
            let answer = request.send().await.map_err(|error| StoreError::of_sdk(MOVING, error))?;
            let errors = answer.responses().iter().filter_map(|response| response.error()?.code());
            not_moved += errors.filter(|code| **code != StatementError::ConditionalCheckFailed).count();
        }
        Ok(not_moved)
    }

    /// If the condition is false, the error is `ConditionalCheckFailed`. Source: Amazon DynamoDB, "`PartiQL` update statements for
    /// DynamoDB", "Return value".
    fn move_statement(&self, due: &DueNotification, at: Timestamp) -> Result<BatchStatementRequest, BuildError> {
        let key = text(format_args!("{}#{}", due.account_sid, due.id));
        BatchStatementRequest::builder()
            .statement(format!(r#"UPDATE "{}" SET due_at = ? WHERE notification = ? AND due_at = ?"#, self.table))
            .set_parameters(Some(vec![time(at), key, time(due.due_at)]))
            .build()
    }
}

/// The shard of a notification: ids are spread evenly, whatever they look like.
pub(super) fn due_shard(id: &NotificationId) -> String {
    let hash = sha256_hex(id.as_str().as_bytes());
    let byte = hash.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default();
    shard_name(byte % DUE_SHARDS)
}

fn shard_name(shard: u8) -> String {
    format!("{shard:02}")
}

/// Reads an item of the index.
fn read(item: &Item) -> Option<DueNotification> {
    let (account_sid, id) = text_in(item, "notification")?.split_once('#')?;
    let scopes = item.get("due_scopes").and_then(|scopes| scopes.as_l().ok());
    let scopes = scopes.into_iter().flatten().filter_map(|scope| scope.as_s().ok()?.parse().ok());
    Some(DueNotification {
        account_sid: account_sid.parse().ok()?,
        id: id.to_owned().try_into().ok()?,
        due_at: text_in(item, "due_at")?.parse().ok()?,
        scopes: scopes.collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    fn id(text: impl Into<String>) -> NotificationId {
        NotificationId::try_from(text.into()).unwrap()
    }

    #[test]
    fn ids_are_spread_over_all_shards() {
        let mut counts: HashMap<String, u32> = HashMap::new();
        for number in 0..32_000 {
            *counts.entry(due_shard(&id(format!("order-{number}")))).or_default() += 1;
        }
        assert_eq!(counts.len(), usize::from(DUE_SHARDS));
        assert!(counts.values().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert!(counts.keys().all(|shard| shard.parse::<u8>().unwrap() < DUE_SHARDS));
    }

    #[test]
    fn an_item_of_the_index_is_read() {
        let scopes = ["category#utility", "sender#whatsapp:+14155238886"].map(text).to_vec();
        let item = Item::from([
            ("notification".to_owned(), text("AC00000000000000000000000000000001#order#1")),
            ("due_at".to_owned(), text("2026-11-20T09:00:00.000Z")),
            ("due_scopes".to_owned(), AttributeValue::L(scopes)),
        ]);
        let due = read(&item).unwrap();
        assert_eq!((due.id.as_str(), due.category()), ("order#1", Some(Category::Utility)));
        assert_eq!(due.due_at, "2026-11-20T09:00:00Z".parse().unwrap());
        assert_eq!(due.scopes.len(), 2);
    }
}
