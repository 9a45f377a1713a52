//! People who opted out, and whose scheduled messages could not be cancelled at Twilio at once: the items `cancellations#AC` of
//! the `RateLimits` table, whose key attribute is `sender`. `reconcile` tries each again later, so that one person's messages do
//! not hold up the others.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use domain::contact_key::ContactKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::sid::AccountSid;

use crate::{
    attribute::{number, text},
    contacts::PreferenceChange,
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

/// How many people of an account may be pending. An item may have 400 KB, and an entry has less than one.
const MAX_PENDING: usize = 300;

/// The attribute with the entries, by the person's home.
const PENDING: &str = "pending";

const READING: &str = "reading pending cancellations of the RateLimits table";
const WRITING: &str = "writing a pending cancellation of the RateLimits table";

#[derive(Debug, Clone)]
pub struct PendingCancellations {
    client: Client,
    table: String,
}

/// An opt-out whose scheduled messages are still to be cancelled.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingCancellation {
    pub opt_out: PreferenceChange,
    pub failures: u32,
    pub retry_at: Timestamp,
}

impl fmt::Debug for PendingCancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingCancellation")
            .field("event_id", &self.opt_out.event_id)
            .field("failures", &self.failures)
            .field("retry_at", &self.retry_at)
            .finish()
    }
}

/// What became of adding an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingOutcome {
    Kept,
    /// The account has as many entries as an item can hold.
    Full,
}

impl PendingCancellations {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The entries of an account, by the person's home.
    pub async fn of(&self, account_sid: &AccountSid) -> Result<BTreeMap<String, PendingCancellation>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account_sid))).consistent_read(true);
        let item = get.send().await.map_err(|error| StoreError::of_sdk(READING, error))?.item;
        Ok(item.map(|item| read(&item)).unwrap_or_default())
    }

    /// Adds or replaces the entry of a person.
    pub async fn keep(
        &self,
        account_sid: &AccountSid,
        home: &ContactKey,
        pending: &PendingCancellation,
    ) -> Result<PendingOutcome, StoreError> {
        let entry: Item = serde_dynamo::to_item(pending).map_err(|error| StoreError::new(WRITING, error))?;
        // An entry of a map can be set only once the map exists.
        let create = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid)))
            .update_expression("SET #pending = if_not_exists(#pending, :empty)")
            .expression_attribute_names("#pending", PENDING)
            .expression_attribute_values(":empty", AttributeValue::M(HashMap::new()));
        create.send().await.map_err(|error| StoreError::of_sdk(WRITING, error))?;
        let set = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid)))
            .update_expression("SET #pending.#home = :entry")
            .condition_expression("attribute_exists(#pending.#home) OR size(#pending) < :most")
            .expression_attribute_names("#pending", PENDING)
            .expression_attribute_names("#home", home.address())
            .expression_attribute_values(":entry", AttributeValue::M(entry))
            .expression_attribute_values(":most", number(MAX_PENDING));
        match conditional(WRITING, set).await? {
            ConditionalWrite::Written(_) => Ok(PendingOutcome::Kept),
            ConditionalWrite::Refused(_) => Ok(PendingOutcome::Full),
        }
    }

    /// Removes the entry of a person, unless a later opt-out has replaced it. `address` is that of the person's home.
    pub async fn remove(&self, account_sid: &AccountSid, address: &str, event_id: &str) -> Result<(), StoreError> {
        let remove = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid)))
            .update_expression("REMOVE #pending.#home")
            .condition_expression("#pending.#home.opt_out.event_id = :event_id")
            .expression_attribute_names("#pending", PENDING)
            .expression_attribute_names("#home", address)
            .expression_attribute_values(":event_id", text(event_id));
        conditional(WRITING, remove).await.map(drop)
    }
}

fn key(account_sid: &AccountSid) -> Item {
    Item::from([("sender".to_owned(), text(format_args!("cancellations#{account_sid}")))])
}

/// One entry that cannot be read does not hide the others.
fn read(item: &Item) -> BTreeMap<String, PendingCancellation> {
    let Some(Ok(entries)) = item.get(PENDING).map(AttributeValue::as_m) else { return BTreeMap::new() };
    let read = entries.iter().filter_map(|(home, entry)| {
        let entry = entry.as_m().ok().and_then(|entry| serde_dynamo::from_item(entry.clone()).ok());
        if entry.is_none() {
            tracing::error!(alarm = "cancel", "a pending cancellation in the RateLimits table cannot be read");
        }
        Some((home.clone(), entry?))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pending() -> PendingCancellation {
        let opt_out = json!({
            "event_id": "SM1.contact_opted_out", "preference": "opted_out", "channel": "whatsapp",
            "identity": "+14155550123", "scopes": ["all"], "at": "2026-11-20T09:00:00Z"
        });
        PendingCancellation {
            opt_out: serde_json::from_value(opt_out).unwrap(),
            failures: 1,
            retry_at: "2026-11-20T09:05:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn entry_that_cannot_be_read_does_not_hide_the_others() {
        let entry = |entry: Item| AttributeValue::M(entry);
        let pending_item = entry(serde_dynamo::to_item(pending()).unwrap());
        let entries = [("+14155550123".to_owned(), pending_item), ("+14155550124".to_owned(), entry(Item::new()))];
        let item = Item::from([(PENDING.to_owned(), AttributeValue::M(entries.into()))]);
        assert_eq!(read(&item), [("+14155550123".to_owned(), pending())].into());
        assert_eq!(read(&Item::new()), BTreeMap::new());
    }

    #[test]
    fn debug_shows_no_address() {
        assert!(!format!("{:?}", pending()).contains("1415"));
    }
}
