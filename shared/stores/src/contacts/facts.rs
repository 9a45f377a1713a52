//! What the Contacts table knows about the recipients of a batch, read at once.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{
    KeysAndAttributes, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update,
};
use domain::{
    consent::{Consent, ConsentState},
    contact_key::ContactKey,
    limits::expiry,
    notification::{Category, NotificationId},
    preference::{Preference, RecordedPreference},
    suppression::Scope,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use twilio_types::address::Channel;

use super::{Contacts, consents, key, value};
use crate::{
    attribute::{number, text_in},
    dynamodb::{Item, StoreError, consistent_keys},
};

/// The facet of the last message to any sender.
pub(super) const WINDOW: &str = "window";
/// The facet of the marketing messages that went out.
const MARKETING: &str = "sent#marketing";

/// A facet of a contact that a decision may need.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FacetKey {
    /// Whether the person opted out of a scope, on a channel.
    Suppression(Channel, Scope),
    /// When the person last wrote: to this sender, or to any.
    Window(Option<String>),
    /// The consent in a category.
    Consent(Category),
    /// The marketing messages of late.
    Marketing,
}

impl FacetKey {
    fn facet(&self) -> String {
        match self {
            Self::Suppression(channel, scope) => scope.facet(channel),
            Self::Window(Some(sender)) => format!("{WINDOW}#{sender}"),
            Self::Window(None) => WINDOW.to_owned(),
            Self::Consent(category) => consents::facet(*category),
            Self::Marketing => MARKETING.to_owned(),
        }
    }
}

/// The items of a batch read.
#[derive(Debug, Default)]
pub struct ContactFacts(HashMap<(String, String), Item>);

/// The marketing messages that a person was sent: when, by notification.
pub type MarketingSent = BTreeMap<String, Timestamp>;

impl ContactFacts {
    /// The items that a batch read gave of this table.
    pub fn new(items: Vec<Item>) -> Self {
        let text = |item: &Item, name: &str| text_in(item, name).map(str::to_owned);
        let keyed = items.into_iter().filter_map(|item| Some(((text(&item, "contact")?, text(&item, "facet")?), item)));
        Self(keyed.collect())
    }

    fn read<T: DeserializeOwned>(&self, contact: &ContactKey, wanted: &FacetKey) -> Result<Option<T>, StoreError> {
        let item = self.0.get(&(contact.as_str().to_owned(), wanted.facet()));
        item.cloned()
            .map(serde_dynamo::from_item)
            .transpose()
            .map_err(|error| StoreError::new("reading an item of the Contacts table", error))
    }

    /// Whether the person has opted out of this scope.
    pub fn is_suppressed(&self, contact: &ContactKey, channel: &Channel, scope: &Scope) -> Result<bool, StoreError> {
        let wanted = FacetKey::Suppression(channel.clone(), scope.clone());
        let preference: Option<RecordedPreference> = self.read(contact, &wanted)?;
        Ok(preference.is_some_and(|recorded| recorded.preference == Preference::OptedOut))
    }

    /// When the person last wrote to the sender, or to any.
    pub fn last_inbound_at(&self, contact: &ContactKey, sender: Option<&str>) -> Result<Option<Timestamp>, StoreError> {
        #[derive(Deserialize)]
        struct WindowFacet {
            last_inbound_at: Option<Timestamp>,
        }
        let window: Option<WindowFacet> = self.read(contact, &FacetKey::Window(sender.map(str::to_owned)))?;
        Ok(window.and_then(|window| window.last_inbound_at))
    }

    /// When the consent was given that holds in a category.
    pub fn consent_given_at(&self, contact: &ContactKey, category: Category) -> Result<Option<Timestamp>, StoreError> {
        let consent: Option<Consent> = self.read(contact, &FacetKey::Consent(category))?;
        Ok(consent.filter(|consent| consent.state == ConsentState::Given).map(|consent| consent.at))
    }

    /// The marketing messages of late; none where nothing was ever noted.
    pub fn marketing_sent(&self, contact: &ContactKey) -> Result<Option<MarketingSent>, StoreError> {
        let facet: Option<MarketingFacet> = self.read(contact, &FacetKey::Marketing)?;
        Ok(facet.map(|facet| facet.sent))
    }
}

#[derive(Deserialize)]
struct MarketingFacet {
    sent: MarketingSent,
}

impl Contacts {
    /// What a batch read of these facets asks of this table, by the table's name.
    pub fn batch_keys<'a>(
        &self,
        facets: impl Iterator<Item = (&'a ContactKey, FacetKey)>,
    ) -> Result<(String, KeysAndAttributes), StoreError> {
        let keys = facets.map(|(contact, wanted)| key(contact, &wanted.facet()));
        Ok((self.table.clone(), consistent_keys("reading from the Contacts table", keys)?))
    }

    /// An action that adds a marketing message to those of late, on the condition that they are as they were seen. What
    /// is older than `memory` is left out.
    pub fn marketing_action(
        &self,
        contact: &ContactKey,
        seen: Option<&MarketingSent>,
        id: &NotificationId,
        memory: SignedDuration,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let operation = "counting marketing in the Contacts table";
        let recent = seen.into_iter().flatten().filter(|(_, at)| now.duration_since(**at) < memory);
        let mut sent: MarketingSent = recent.map(|(id, at)| (id.clone(), *at)).collect();
        sent.insert(id.to_string(), now);
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(contact, MARKETING)))
            .update_expression("SET sent = :sent, expires_at = :expires_at")
            .expression_attribute_values(":sent", value(operation, &sent)?)
            .expression_attribute_values(":expires_at", number(expiry(now, memory)))
            .return_values_on_condition_check_failure(AllOld);
        let update = match seen {
            None => update.condition_expression("attribute_not_exists(sent)"),
            Some(seen) => update
                .condition_expression("sent = :seen")
                .expression_attribute_values(":seen", value(operation, seen)?),
        };
        let update = update.build().map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The marketing messages in an item that refused [`Contacts::marketing_action`].
    pub fn read_marketing_sent(item: Item) -> Result<Option<MarketingSent>, StoreError> {
        if item.is_empty() {
            return Ok(None);
        }
        let facet: MarketingFacet =
            serde_dynamo::from_item(item).map_err(|error| StoreError::new("reading the marketing sent", error))?;
        Ok(Some(facet.sent))
    }
}
