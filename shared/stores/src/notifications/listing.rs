//! Lists notifications for an operator.
//!
//! What waits is found by the index `by_due`. No index has a notification's recipient or code, or any other state, so for
//! everything else the whole table is read.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use domain::{contact_key::ContactKey, notification::Category};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use twilio_types::{error_code::ErrorCode, sid::AccountSid};

use super::{DUE_SHARDS, DueNotification, NotificationState, Notifications, StoredNotification};
use crate::{
    attribute::{number, text},
    contacts::StoredPerson,
    dynamodb::{Item, StoreError, batch_get},
    scan::scan,
};

const OPERATION: &str = "listing the Notifications table";

/// How many shards of the index are read at the same time, because it has other readers.
const CONCURRENCY: usize = 4;

/// How many notifications of the index are read from the table at a time: as many as one request may name.
const BATCH: usize = 100;

/// Which notifications are listed. An empty list, like none, lets all pass.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    pub states: Vec<NotificationState>,
    pub categories: Vec<Category>,
    /// The code that the notification has, not one of an earlier attempt.
    pub code: Option<ErrorCode>,
    /// When it was put on a queue, at the earliest.
    pub enqueued_since: Option<Timestamp>,
    /// The person whom it names by any identity.
    pub person: Option<StoredPerson>,
}

/// A part of a listing.
#[derive(Debug, Default)]
pub struct NotificationPage {
    /// In no order.
    pub listed: Vec<StoredNotification>,
    /// The number of items that DynamoDB read of the table or the index.
    pub read: u64,
    /// The number of items that match as far as DynamoDB can tell, but cannot be read.
    pub unreadable: u64,
}

/// Where a shard is read next.
enum Position {
    Start,
    After(Item),
    End,
}

impl Position {
    fn after(last: Option<Item>) -> Self {
        last.filter(|key| !key.is_empty()).map_or(Self::End, Self::After)
    }
}

/// A shard of the index, as far as it was read.
struct ShardReader {
    shard: u8,
    position: Position,
    /// What was read of the index and not yet of the table.
    pending: Vec<DueNotification>,
}

impl Notifications {
    /// The notifications of an account that the filter lets pass, page by page, in no order. Unless the index has them
    /// ([`NotificationFilter::is_indexed`]), DynamoDB reads, and charges for, every item of the table.
    pub fn list<'a>(
        &'a self,
        account_sid: &'a AccountSid,
        filter: &'a NotificationFilter,
    ) -> impl Stream<Item = Result<NotificationPage, StoreError>> + 'a {
        if filter.is_indexed() {
            return self.list_waiting(account_sid, filter).left_stream();
        }
        let pages = scan(&self.client, &self.table, OPERATION, |scan| filter.as_expression(account_sid, scan));
        pages.map_ok(|page| NotificationPage { read: page.read, ..filter.page(page.items) }).right_stream()
    }

    fn list_waiting<'a>(
        &'a self,
        account_sid: &'a AccountSid,
        filter: &'a NotificationFilter,
    ) -> impl Stream<Item = Result<NotificationPage, StoreError>> + 'a {
        let shard = move |shard| {
            let reader = ShardReader { shard, position: Position::Start, pending: Vec::new() };
            Box::pin(stream::try_unfold(reader, move |reader| self.list_shard(account_sid, filter, reader)))
        };
        stream::iter((0..DUE_SHARDS).map(shard)).flatten_unordered(CONCURRENCY)
    }

    /// Reads a page of the index if none is left, and then a batch of its notifications: what the index does not have
    /// decides too, and the index may be late.
    async fn list_shard(
        &self,
        account_sid: &AccountSid,
        filter: &NotificationFilter,
        mut reader: ShardReader,
    ) -> Result<Option<(NotificationPage, ShardReader)>, StoreError> {
        let (mut read, mut unreadable) = (0, 0);
        if reader.pending.is_empty() {
            let from = match reader.position {
                Position::Start => None,
                Position::After(key) => Some(key),
                Position::End => return Ok(None),
            };
            let page = self.due(reader.shard, Timestamp::MAX, from).await?;
            (read, unreadable) = (page.due.len() + page.unreadable.len(), page.unreadable.len());
            reader.position = Position::after(page.next);
            reader.pending = page.due;
            reader.pending.retain(|due| due.account_sid == *account_sid && filter.passes_index(due));
        }
        let batch: Vec<_> = reader.pending.drain(..reader.pending.len().min(BATCH)).collect();
        let mut page = filter.page(self.read_all(&batch).await?);
        page.read = u64::try_from(read).unwrap_or_default();
        page.unreadable += u64::try_from(unreadable).unwrap_or_default();
        Ok(Some((page, reader)))
    }

    async fn read_all(&self, due: &[DueNotification]) -> Result<Vec<Item>, StoreError> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.batch_keys(due.iter().map(|due| (&due.account_sid, &due.id)))?;
        let found = batch_get(&self.client, OPERATION, BTreeMap::from([keys])).await?;
        Ok(found.into_values().flatten().collect())
    }
}

impl NotificationFilter {
    /// Whether all that can pass is in the index `by_due`: it waits, or awaits a reply.
    pub fn is_indexed(&self) -> bool {
        use NotificationState::{AwaitingReply, Waiting};
        !self.states.is_empty() && self.states.iter().all(|state| matches!(state, Waiting | AwaitingReply))
    }

    /// Whether a notification may pass, as far as the index says.
    fn passes_index(&self, due: &DueNotification) -> bool {
        self.categories.is_empty() || due.category().is_none_or(|category| self.categories.contains(&category))
    }

    /// The part of the filter that DynamoDB can decide: recipient and category are mostly in the request, which is one text.
    fn as_expression(&self, account_sid: &AccountSid, scan: ScanFluentBuilder) -> ScanFluentBuilder {
        // Other kinds of items have other prefixes.
        let mut conditions = vec!["begins_with(notification, :account)".to_owned()];
        let mut scan = scan.expression_attribute_values(":account", text(format_args!("{account_sid}#")));
        if !self.states.is_empty() {
            let names: Vec<_> = (0..self.states.len()).map(|index| format!(":state{index}")).collect();
            conditions.push(format!("#state IN ({})", names.join(", ")));
            scan = scan.expression_attribute_names("#state", "state");
            for (name, state) in names.into_iter().zip(&self.states) {
                scan = scan.expression_attribute_values(name, text(state.as_str()));
            }
        }
        if let Some(code) = self.code {
            conditions.push("#code = :code".to_owned());
            scan = scan.expression_attribute_names("#code", "code");
            scan = scan.expression_attribute_values(":code", number(code));
        }
        if let Some(since) = self.enqueued_since {
            conditions.push("enqueued_at >= :since".to_owned());
            scan = scan.expression_attribute_values(":since", text(at_second(since)));
        }
        scan.filter_expression(conditions.join(" AND "))
    }

    fn page(&self, items: Vec<Item>) -> NotificationPage {
        let mut page = NotificationPage::default();
        for item in items {
            match StoredNotification::read(item) {
                Ok(found) if self.passes(&found) => page.listed.push(found),
                Ok(_) => {}
                // One item must not end the listing of all others.
                Err(_) => page.unreadable += 1,
            }
        }
        page
    }

    /// Whether a notification passes.
    pub fn passes(&self, found: &StoredNotification) -> bool {
        let subject = &found.subject;
        let is_to = |person: &StoredPerson| {
            let recipient = subject.recipient.as_ref();
            recipient.is_some_and(|recipient| person.has(&ContactKey::of(&subject.account_sid, recipient)))
        };
        (self.states.is_empty() || self.states.contains(&found.state()))
            && (self.categories.is_empty() || subject.category.is_some_and(|found| self.categories.contains(&found)))
            && (self.code.is_none() || self.code == found.progress.code)
            && self.enqueued_since.is_none_or(|since| found.enqueued_at >= since)
            && self.person.as_ref().is_none_or(is_to)
    }
}

/// The time to the second, without its zone: it sorts as a text before every time of that second, whatever decimals follow.
fn at_second(at: Timestamp) -> String {
    let second = Timestamp::from_second(at.as_second()).unwrap_or(at).to_string();
    second.trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests;
