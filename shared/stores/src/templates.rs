//! The registry of the accounts' templates: the `Templates` table, with the keys `account` and `template`.
//!
//! - `HX...`: a template. `entry` is what the registry has of it ([`domain::templates`]), `revision` changes with each write of
//!   the entry, and `last_used_on` is the last day on which it was sent. Written by `template-sync` and `template-events`;
//!   `send` writes the day alone.
//! - `sync`: the state of the account's registry ([`SyncState`]). Its `version` changes in the transaction that changes a
//!   template. So a reader that knows a version reads one item to find out that nothing has changed, and no crash between two
//!   writes hides a change.
//!
//! Nothing expires. Twilio has the truth, and the table is deleted with the stack.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Delete, ReturnValue, TransactWriteItem, Update},
};
use domain::templates::RegisteredTemplate;
use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use twilio_types::sid::{AccountSid, ContentSid};

use crate::{
    attribute::{number, text, text_in, time},
    dynamodb::{ConditionalWrite, Item, StoreError, TransactionOutcome, conditional, transact},
};

#[derive(Debug, Clone)]
pub struct TemplateStore {
    client: Client,
    table: String,
}

/// A template as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTemplate {
    pub template: RegisteredTemplate,
    /// Changes with each write, except that of a use.
    pub revision: i64,
}

/// What is stored of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundTemplate {
    Stored(Box<StoredTemplate>),
    Unreadable(UnreadableTemplate),
}

/// All templates of an account.
#[derive(Debug, Clone, Default)]
pub struct StoredTemplates {
    pub templates: Vec<StoredTemplate>,
    /// Items that cannot be read. The others count without them.
    pub unreadable: Vec<UnreadableTemplate>,
}

/// An item that cannot be read. The next list writes it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableTemplate {
    /// `HX...`.
    pub key: String,
    pub revision: Option<i64>,
}

/// The state of an account's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct SyncState {
    /// Changes with each change of a template. 0 if nothing was written yet.
    pub version: i64,
    /// When the last complete list of Twilio's began to be read.
    pub synced_at: Option<Timestamp>,
    /// The last day on which an operator was warned of unused templates.
    pub warned_on: Option<Date>,
}

/// A change of the registry, on the condition that the template is still as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateChange {
    /// Writes an entry. `seen` is the revision that was read; none if the template was not stored.
    Put { template: Box<RegisteredTemplate>, seen: Option<i64> },
    /// Removes a template that Twilio does not have any more.
    Remove { sid: ContentSid, seen: i64 },
}

/// The range key of the state.
const SYNC: &str = "sync";

/// A transaction has at most 100 actions (Amazon DynamoDB, "Service, account, and table quotas"), of which one is the state.
const CHANGES_IN_TRANSACTION: usize = 25;

const READING: &str = "reading the Templates table";
const WRITING: &str = "writing the Templates table";

impl TemplateChange {
    pub fn sid(&self) -> &ContentSid {
        match self {
            Self::Put { template, .. } => &template.sid,
            Self::Remove { sid, .. } => sid,
        }
    }
}

impl FoundTemplate {
    fn read(item: Item) -> Self {
        let key = text_in(&item, "template").unwrap_or_default().to_owned();
        let revision = item.get("revision").and_then(|revision| revision.as_n().ok()?.parse().ok());
        match read(item) {
            Ok(template) => Self::Stored(Box::new(template)),
            Err(_) => Self::Unreadable(UnreadableTemplate { key, revision }),
        }
    }
}

impl TemplateStore {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Opens the connection at the cold start, so that the first request does not wait for its handshake. The error is only
    /// for the log: the first real call retries, and reports what is wrong.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let warm = |name: &str| (name.to_owned(), text("warm"));
        let key = Item::from([warm("account"), warm("template")]);
        let answer = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await;
        answer.map(drop).map_err(|error| StoreError::of_sdk("opening the connection to DynamoDB", error))
    }

    /// The state of an account's registry.
    pub async fn sync_state(&self, account_sid: &AccountSid) -> Result<SyncState, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account_sid, SYNC)));
        let found = get.consistent_read(true).send().await.map_err(|error| StoreError::of_sdk(READING, error))?;
        let state = found.item.map(serde_dynamo::from_item).transpose();
        Ok(state.map_err(|error| StoreError::new(READING, error))?.unwrap_or_default())
    }

    /// One template; none if it is not stored.
    pub async fn get(&self, account_sid: &AccountSid, sid: &ContentSid) -> Result<Option<FoundTemplate>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account_sid, sid.as_str())));
        let found = get.consistent_read(true).send().await.map_err(|error| StoreError::of_sdk(READING, error))?;
        Ok(found.item.map(FoundTemplate::read))
    }

    /// All templates of an account. One that cannot be read leaves the others as they are.
    pub async fn all(&self, account_sid: &AccountSid) -> Result<StoredTemplates, StoreError> {
        let mut all = StoredTemplates::default();
        let mut start = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("account = :account AND begins_with(template, :prefix)")
                .expression_attribute_values(":account", text(account_sid))
                .expression_attribute_values(":prefix", text("HX"))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let page = query.send().await.map_err(|error| StoreError::of_sdk(READING, error))?;
            for item in page.items.unwrap_or_default() {
                match FoundTemplate::read(item) {
                    FoundTemplate::Stored(template) => all.templates.push(*template),
                    FoundTemplate::Unreadable(unreadable) => all.unreadable.push(unreadable),
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(all);
            }
        }
    }

    /// Writes changes, and gives those whose template was changed meanwhile, which are not written.
    pub async fn write(
        &self,
        account_sid: &AccountSid,
        changes: &[TemplateChange],
    ) -> Result<Vec<TemplateChange>, StoreError> {
        let mut refused = Vec::new();
        for portion in changes.chunks(CHANGES_IN_TRANSACTION) {
            let mut left: Vec<_> = portion.iter().collect();
            while !left.is_empty() {
                let mut actions =
                    left.iter().map(|change| self.action(account_sid, change)).collect::<Result<Vec<_>, _>>()?;
                actions.push(self.next_version(account_sid)?);
                let TransactionOutcome::Refused(conditions) = transact(&self.client, WRITING, actions).await? else {
                    break;
                };
                let (mut kept, before) = (Vec::new(), left.len());
                for (change, failed) in left.into_iter().zip(conditions) {
                    if failed.is_some() { refused.push(change.clone()) } else { kept.push(change) }
                }
                if kept.len() == before {
                    return Err(StoreError::contended(WRITING));
                }
                left = kept;
            }
        }
        Ok(refused)
    }

    /// Notes that a complete list was read, which began at this time.
    pub async fn finish_sync(&self, account_sid: &AccountSid, began: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, SYNC)))
            .update_expression("SET synced_at = :began")
            .condition_expression("attribute_not_exists(synced_at) OR synced_at < :began")
            .expression_attribute_values(":began", time(began));
        conditional(WRITING, update).await.map(drop)
    }

    /// Notes that the operator is warned of unused templates, once a day. Whether the warning is this one. It also is if it was noted
    /// already, as the SDK repeats a request whose answer was lost.
    pub async fn begin_warning(&self, account_sid: &AccountSid, today: Date) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, SYNC)))
            .update_expression("SET warned_on = :today, warning = :warning")
            .condition_expression("attribute_not_exists(warned_on) OR warned_on < :today OR warning = :warning")
            .expression_attribute_values(":today", text(today))
            .expression_attribute_values(":warning", text(uuid::Uuid::new_v4()));
        Ok(matches!(conditional(WRITING, update).await?, ConditionalWrite::Written(_)))
    }

    /// Notes the day on which a template was sent. It changes neither its revision nor the version of the registry.
    pub async fn note_use(&self, account_sid: &AccountSid, sid: &ContentSid, day: Date) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, sid.as_str())))
            .update_expression("SET last_used_on = :day")
            .condition_expression(
                "attribute_exists(template) AND (attribute_not_exists(last_used_on) OR last_used_on < :day)",
            )
            .expression_attribute_values(":day", text(day))
            .return_values(ReturnValue::None);
        conditional("noting the use of a template in the Templates table", update).await.map(drop)
    }

    fn action(&self, account_sid: &AccountSid, change: &TemplateChange) -> Result<TransactWriteItem, StoreError> {
        let key = key(account_sid, change.sid().as_str());
        match change {
            TemplateChange::Put { template, seen } => {
                let update = Update::builder()
                    .table_name(&self.table)
                    .set_key(Some(key))
                    .update_expression("SET entry = :entry, revision = :next")
                    .expression_attribute_values(":entry", entry(template)?)
                    .expression_attribute_values(":next", number(seen.unwrap_or_default() + 1));
                let update = match seen {
                    Some(seen) => update
                        .condition_expression("revision = :seen")
                        .expression_attribute_values(":seen", number(seen)),
                    None => update.condition_expression("attribute_not_exists(revision)"),
                };
                let update = update.build().map_err(|error| StoreError::new(WRITING, error))?;
                Ok(TransactWriteItem::builder().update(update).build())
            }
            TemplateChange::Remove { seen, .. } => {
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(key))
                    .condition_expression("revision = :seen")
                    .expression_attribute_values(":seen", number(seen));
                let delete = delete.build().map_err(|error| StoreError::new(WRITING, error))?;
                Ok(TransactWriteItem::builder().delete(delete).build())
            }
        }
    }

    fn next_version(&self, account_sid: &AccountSid) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, SYNC)))
            .update_expression("ADD version :one")
            .expression_attribute_values(":one", number(1));
        let update = update.build().map_err(|error| StoreError::new(WRITING, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

fn key(account_sid: &AccountSid, template: &str) -> Item {
    Item::from([("account".to_owned(), text(account_sid)), ("template".to_owned(), text(template))])
}

/// The entry without the day of its last use, which is a separate attribute.
fn entry(template: &RegisteredTemplate) -> Result<AttributeValue, StoreError> {
    let entry = RegisteredTemplate { last_used_on: None, ..template.clone() };
    serde_dynamo::to_attribute_value(entry).map_err(|error| StoreError::new(WRITING, error))
}

fn read(item: Item) -> Result<StoredTemplate, StoreError> {
    #[derive(Deserialize)]
    struct Attributes {
        entry: RegisteredTemplate,
        revision: i64,
        #[serde(default)]
        last_used_on: Option<Date>,
    }
    let found: Attributes = serde_dynamo::from_item(item).map_err(|error| StoreError::new(READING, error))?;
    let template = RegisteredTemplate { last_used_on: found.last_used_on, ..found.entry };
    Ok(StoredTemplate { template, revision: found.revision })
}

#[cfg(test)]
mod tests;
