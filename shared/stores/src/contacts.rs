//! The Contacts table: a person's suppression, consent, identities and service windows.

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use domain::contact_key::ContactKey;

use crate::{
    attribute::{text, text_in},
    dynamodb::{Item, StoreError},
};

mod consents;
mod facts;
mod identities;
mod listing;
mod overview;
mod preferences;
mod windows;

pub use consents::ConsentOutcome;
pub use facts::{ContactFacts, FacetKey, MarketingSent};
pub use listing::{ContactPage, ContactRecord, RecordedFact};
pub use overview::{ConsentHistory, ContactOverview, LinkedIdentity, ServiceWindow, Suppression};
pub(crate) use preferences::MAX_ROUNDS;

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
            .expression_attribute_values(":contact", text(contact.as_str()))
            .expression_attribute_values(":prefix", text(prefix))
            .send()
            .await
            .map_err(|error| StoreError::of_sdk(operation, error))?;
        Ok(answer.items.unwrap_or_default())
    }
}

fn key(contact: &ContactKey, facet: &str) -> Item {
    Item::from([("contact".to_owned(), text(contact.as_str())), ("facet".to_owned(), text(facet))])
}

/// What follows a prefix in an item's range key.
fn facet_after<'a>(item: &'a Item, prefix: &str) -> Option<&'a str> {
    text_in(item, "facet")?.strip_prefix(prefix)
}

fn value(operation: &'static str, value: &impl serde::Serialize) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|error| StoreError::new(operation, error))
}
