//! The facets of the recipients of a batch, read with one request.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

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

/// The facet of the last message of a person to any sender.
pub(super) const WINDOW: &str = "window";
/// The facet of the recent marketing notifications.
const MARKETING: &str = "sent#marketing";

/// A facet of a contact that a decision may need.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum FacetKey {
    Suppression(Channel, Scope),
    /// The service window of this sender, or of any sender.
    Window(Option<String>),
    Consent(Category),
    Marketing,
}

impl fmt::Debug for FacetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suppression(channel, scope) => f.debug_tuple("Suppression").field(channel).field(scope).finish(),
            Self::Window(sender) => f.debug_tuple("Window").field(&sender.as_ref().map(|_| "..")).finish(),
            Self::Consent(category) => f.debug_tuple("Consent").field(category).finish(),
            Self::Marketing => f.write_str("Marketing"),
        }
    }
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

/// The items of a batch read, by contact and facet.
#[derive(Default)]
pub struct ContactFacts(HashMap<(String, String), Item>);

impl fmt::Debug for ContactFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactFacts").field("items", &self.0.len()).finish_non_exhaustive()
    }
}

/// The recent marketing notifications to a person: their times by their ids.
pub type MarketingSent = BTreeMap<String, Timestamp>;

impl ContactFacts {
    pub fn new(items: Vec<Item>) -> Self {
        let text = |item: &Item, name: &str| text_in(item, name).map(str::to_owned);
        let keyed = items.into_iter().filter_map(|item| Some(((text(&item, "contact")?, text(&item, "facet")?), item)));
        Self(keyed.collect())
    }

    fn read<T: DeserializeOwned>(&self, contact: &ContactKey, key: &FacetKey) -> Result<Option<T>, StoreError> {
        let item = self.0.get(&(contact.as_str().to_owned(), key.facet()));
        item.cloned()
            .map(serde_dynamo::from_item)
            .transpose()
            .map_err(|error| StoreError::new("reading an item of the Contacts table", error))
    }

    pub fn is_suppressed(&self, contact: &ContactKey, channel: &Channel, scope: &Scope) -> Result<bool, StoreError> {
        let key = FacetKey::Suppression(channel.clone(), scope.clone());
        let preference: Option<RecordedPreference> = self.read(contact, &key)?;
        Ok(preference.is_some_and(|recorded| recorded.preference == Preference::OptedOut))
    }

    /// When the person last wrote to the sender, or to any sender.
    pub fn last_inbound_at(&self, contact: &ContactKey, sender: Option<&str>) -> Result<Option<Timestamp>, StoreError> {
        #[derive(Deserialize)]
        struct WindowFacet {
            last_inbound_at: Option<Timestamp>,
        }
        let window: Option<WindowFacet> = self.read(contact, &FacetKey::Window(sender.map(str::to_owned)))?;
        Ok(window.and_then(|window| window.last_inbound_at))
    }

    /// When the current consent in a category was given; none if it was withdrawn.
    pub fn consent_given_at(&self, contact: &ContactKey, category: Category) -> Result<Option<Timestamp>, StoreError> {
        let consent: Option<Consent> = self.read(contact, &FacetKey::Consent(category))?;
        Ok(consent.filter(|consent| consent.state == ConsentState::Given).map(|consent| consent.at))
    }

    /// The recent marketing notifications; none if the facet is not stored.
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
    /// The name of this table and the keys of these facets, for a [`crate::dynamodb::batch_get`].
    pub fn batch_keys<'a>(
        &self,
        facets: impl Iterator<Item = (&'a ContactKey, FacetKey)>,
    ) -> Result<(String, KeysAndAttributes), StoreError> {
        let keys = facets.map(|(contact, key_of_facet)| key(contact, &key_of_facet.facet()));
        Ok((self.table.clone(), consistent_keys("reading from the Contacts table", keys)?))
    }

    /// The action of a transaction that adds a marketing notification to the recent ones, if those are as they were
    /// read. Notifications that are older than `memory` are dropped.
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

    /// Reads the item that refused [`Contacts::marketing_action`].
    pub fn read_marketing_sent(item: Item) -> Result<Option<MarketingSent>, StoreError> {
        if item.is_empty() {
            return Ok(None);
        }
        let facet: MarketingFacet = serde_dynamo::from_item(item)
            .map_err(|error| StoreError::new("reading the marketing notifications of the Contacts table", error))?;
        Ok(Some(facet.sent))
    }
}
