//! The Contacts table: a person's preferences, consents, identities and service windows.
//!
//! The key `contact` is `AC#<identity>`, where the identity is a phone number or a WhatsApp user id; the range key is
//! `facet`.
//!
//! | `facet` | what the item holds | written by | expires |
//! |---|---|---|---|
//! | `opt#<channel>`, `opt#<channel>#marketing`, `opt#<channel>#<sender>` | the preference in a scope | `inbound`, `reconcile`, `publish`, `wa` | an opt-out never; an opt-in 30 days after it was expressed |
//! | `consent#<category>` | the current consent | `contacts`, `publish`, `wa` | never |
//! | `consent#<category>#<time>#<random>` | the evidence of one consent or withdrawal, which is never replaced | as above | never |
//! | `identity#<identity>` | another identity of the same person | `publish` | never |
//! | `window` | when the person last wrote to any sender, and the notifications that wait for an answer | `publish`, `send` | after 30 days |
//! | `window#<sender>` | when the person last wrote to this sender | `publish` | after 30 days |
//! | `sent#marketing` | the recent marketing notifications, with their times | `send`, in the transaction of its claim | after the days of the cap |

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

#[derive(Debug, Clone)]
pub struct Contacts {
    client: Client,
    table: String,
}

impl Contacts {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The items of a contact whose facet has this prefix, read consistently. They are few and small, so one page holds
    /// them.
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

/// The rest of an item's facet after a prefix.
fn facet_after<'a>(item: &'a Item, prefix: &str) -> Option<&'a str> {
    text_in(item, "facet")?.strip_prefix(prefix)
}

fn value(operation: &'static str, value: &impl serde::Serialize) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|error| StoreError::new(operation, error))
}
