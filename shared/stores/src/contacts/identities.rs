//! The identities of one person: a phone number and a WhatsApp user id that came in one message. Facets `identity#...`.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::contact_key::ContactKey;
use jiff::Timestamp;

use super::{Contacts, facet_after, key};
use crate::{
    attribute::time,
    dynamodb::{Item, StoreError, transact},
};

pub(super) const IDENTITIES: &str = "identity#";

/// Set when both contacts have the same preferences. A link without it belongs to a writer that stopped before the
/// copy.
const SHARED_AT: &str = "shared_at";

impl Contacts {
    /// Records that contacts are one person, because one message named them all, and copies their preferences to each
    /// other. It may be repeated after any interruption. If they are linked already, it is one small read.
    pub async fn record_identities(&self, contacts: &[ContactKey], at: Timestamp) -> Result<(), StoreError> {
        let Some((first, others)) = contacts.split_first() else { return Ok(()) };
        for other in others {
            if self.is_shared(first, other).await? {
                continue;
            }
            // The link is written first: a STOP that comes between both steps either finds it, or is copied by the
            // second step.
            self.link(first, other, at).await?;
            self.exchange_preferences(first, other).await?;
            self.mark_shared(first, other, at).await?;
        }
        Ok(())
    }

    /// Links two contacts in both directions. A second call changes nothing.
    pub async fn link(&self, a: &ContactKey, b: &ContactKey, at: Timestamp) -> Result<(), StoreError> {
        let operation = "linking two contacts in the Contacts table";
        let update = |contact: &ContactKey, other: &ContactKey| {
            let update = Update::builder()
                .table_name(&self.table)
                .set_key(Some(key(contact, &identity_facet(other))))
                .update_expression("SET linked_at = if_not_exists(linked_at, :at)")
                .expression_attribute_values(":at", time(at))
                .build()
                .map_err(|error| StoreError::new(operation, error))?;
            Ok(TransactWriteItem::builder().update(update).build())
        };
        transact(&self.client, operation, vec![update(a, b)?, update(b, a)?]).await.map(drop)
    }

    /// The other contacts of the same person, read consistently.
    pub async fn linked(&self, contact: &ContactKey) -> Result<Vec<ContactKey>, StoreError> {
        let items = self.facets("listing identities in the Contacts table", contact, IDENTITIES).await?;
        Ok(items
            .iter()
            .filter_map(|item| facet_after(item, IDENTITIES))
            .map(|address| contact.beside(address))
            .collect())
    }

    async fn is_shared(&self, contact: &ContactKey, other: &ContactKey) -> Result<bool, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(contact, &identity_facet(other))))
            .projection_expression(SHARED_AT)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("reading an identity in the Contacts table", error))?;
        Ok(answer.item.is_some_and(|item: Item| item.contains_key(SHARED_AT)))
    }

    async fn mark_shared(&self, contact: &ContactKey, other: &ContactKey, at: Timestamp) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(contact, &identity_facet(other))))
            .update_expression(format!("SET {SHARED_AT} = :at"))
            .expression_attribute_values(":at", time(at))
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::of_sdk("marking an identity in the Contacts table", error))
    }
}

fn identity_facet(other: &ContactKey) -> String {
    format!("{IDENTITIES}{}", other.address())
}
