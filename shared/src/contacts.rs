//! The Contacts table: a person's suppression, consent, identities and service windows.

use aws_sdk_dynamodb::{Client, operation::update_item::UpdateItemError, types::AttributeValue};
use jiff::Timestamp;

use crate::{
    address::{Address, ContactKey},
    dynamodb::{Item, StoreError},
    limits::{CONTACT_RETENTION, expiry},
};

mod consents;
mod identities;
mod overview;
mod preferences;

pub use consents::Recorded;
pub use overview::{ConsentHistory, ContactOverview, LinkedIdentity, Scope, Suppression, Window};
pub(crate) use preferences::ROUNDS;

/// The Contacts table.
#[derive(Debug, Clone)]
pub struct Contacts {
    client: Client,
    table: String,
}

impl Contacts {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Notes that the person wrote to a sender: the time the service window is counted from. Never moves back.
    pub async fn open_window(&self, contact: &ContactKey, sender: &Address, at: Timestamp) -> Result<(), StoreError> {
        let operation = "opening a service window in the Contacts table";
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(contact, &format!("window#{sender}"))))
            .update_expression("SET last_inbound_at = :at, expires_at = :expires_at")
            .condition_expression("attribute_not_exists(contact) OR last_inbound_at < :at")
            .expression_attribute_values(":at", sortable(at))
            .expression_attribute_values(":expires_at", value(operation, &expiry(at, CONTACT_RETENTION))?)
            .send()
            .await;
        match result {
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::of_sdk(operation, error)),
            Ok(_) => Ok(()),
        }
    }

    /// A contact's facets of a kind, read consistently. They are a handful of small items: one page holds them.
    async fn facets(
        &self,
        operation: &'static str,
        contact: &ContactKey,
        prefix: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("contact = :contact AND begins_with(facet, :prefix)")
            .expression_attribute_values(":contact", AttributeValue::S(contact.as_str().to_owned()))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
            .send()
            .await
            .map_err(|error| StoreError::of_sdk(operation, error))?;
        Ok(answer.items.unwrap_or_default())
    }
}

fn key(contact: &ContactKey, facet: &str) -> Item {
    Item::from([
        ("contact".to_owned(), AttributeValue::S(contact.as_str().to_owned())),
        ("facet".to_owned(), AttributeValue::S(facet.to_owned())),
    ])
}

/// What follows a prefix in an item's range key.
fn facet_after<'a>(item: &'a Item, prefix: &str) -> Option<&'a str> {
    item.get("facet")?.as_s().ok()?.strip_prefix(prefix)
}

/// A time whose order as text is its order: always with milliseconds.
fn sortable(at: Timestamp) -> AttributeValue {
    AttributeValue::S(format!("{at:.3}"))
}

fn value(operation: &'static str, value: &impl serde::Serialize) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|error| StoreError::new(operation, error))
}
