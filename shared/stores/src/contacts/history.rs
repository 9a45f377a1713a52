//! What a person said about our messages: the facets `history#...`, append-only and without end. A STOP or START that a
//! message expressed has the message's SID in its key, so that a webhook that comes again after any time is recognised.

use std::fmt;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::{contact_key::ContactKey, person::HISTORY, preference::Preference};
use twilio_types::sid::MessageSid;

use super::{Contacts, PreferenceChange, facet_after, key};
use crate::{
    dynamodb::{Item, StoreError},
    format,
};

const OPERATION: &str = "recording history in the Contacts table";

/// A STOP or a START.
#[derive(Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The facet of the item.
    pub facet: String,
    pub change: PreferenceChange,
}

impl fmt::Debug for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryEntry").field("change", &self.change).finish_non_exhaustive()
    }
}

impl Contacts {
    /// Whether a STOP or a START of this message is recorded, by one consistent read. `contact` is the identity that the message
    /// came from.
    pub async fn has_request(&self, contact: &ContactKey, message_sid: &MessageSid) -> Result<bool, StoreError> {
        let facet = format!("{HISTORY}{message_sid}");
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(contact, &facet)));
        let found = get.consistent_read(true).projection_expression("facet").send().await;
        let found = found.map_err(|error| StoreError::new("reading history from the Contacts table", error))?;
        Ok(found.item.is_some())
    }

    /// The action of a transaction that records a STOP or a START. It is refused if a message with this SID is recorded.
    /// `contact` is the identity that the message came from, whatever the home is, so that a repetition finds it.
    pub fn history_action(
        &self,
        contact: &ContactKey,
        change: &PreferenceChange,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item: Item = serde_dynamo::to_item(change).map_err(|error| StoreError::new(OPERATION, error))?;
        item.extend(key(contact, &facet_of(change)));
        format::HISTORY.mark(&mut item);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(contact)")
            .build()
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

pub(crate) fn history_entry(item: Item) -> Result<HistoryEntry, StoreError> {
    format::HISTORY.check(OPERATION, &item)?;
    let facet = format!("{HISTORY}{}", facet_after(&item, HISTORY).unwrap_or_default());
    let change = serde_dynamo::from_item(item).map_err(|error| StoreError::new(OPERATION, error))?;
    Ok(HistoryEntry { facet, change })
}

/// Without a message, the time and a random part make it unique.
fn facet_of(change: &PreferenceChange) -> String {
    match &change.message_sid {
        Some(sid) => format!("{HISTORY}{sid}"),
        None => format!("{HISTORY}{:.3}#{}", change.at, uuid::Uuid::new_v4().simple()),
    }
}

impl PreferenceChange {
    /// The type of the event.
    pub const fn event_type(preference: Preference) -> &'static str {
        match preference {
            Preference::OptedOut => "contact_opted_out",
            Preference::OptedIn => "contact_opted_in",
        }
    }

    /// Reads the change from the image of a `person` item.
    pub fn in_image(item: &Item) -> Result<Option<Self>, StoreError> {
        let Some(change) = item.get("preference_change") else { return Ok(None) };
        let change = serde_dynamo::from_attribute_value(change.clone());
        change.map(Some).map_err(|error| StoreError::new("reading a changed preference", error))
    }
}
