//! The Contacts table: the people, and what they said.
//!
//! The key `contact` is `AC#<identity>`, where the identity is a phone number or a WhatsApp user id; the range key is
//! `facet`.
//!
//! | `facet` | what the item holds | written by | expires |
//! |---|---|---|---|
//! | `person` at the home identity | the person ([`domain::person::Person`]): preferences, consents, service windows, what the cap and the rate count, the other identities, a version | `inbound`, `send` in the transaction of its claim, `contacts`, `publish`, `reconcile`, `wa` | never, if it holds a STOP or a consent; else 30 days after its last change |
//! | `person` at another identity | `home`: the identity of the same person that has the item above | the writer of a message that named both | never |
//! | `consent#<category>#<time>#<random>` | the evidence of one consent or withdrawal | `contacts`, `wa` | never |
//! | `person` at `AC#erased:<hash>` | that an erased person is suppressed ([`domain::erasure`]): no identity and no history | `wa erase` | never |
//! | `history#SM`, `history#<time>#<random>` | one STOP or START | the writer of the person, in one transaction | never |
//!
//! *Invariants:*
//! - A person's item is written only on the condition that its `version` is the one that was read, except that a message
//!   moves windows forward by [`crate::record_inbound`]'s first attempt. So whatever was decided by the item still holds
//!   when it is written: no stop, no withdrawal, no message and no other claim came between.
//! - `person` at one identity names all others as `aliases`, and each of those names it as `home`. One transaction changes
//!   all of them.
//! - An identity has an item, or there is one at its hash, never both: what creates the one is refused while the other is
//!   stored, or deletes it in the same transaction. So a message to an erased person is always refused by the claim.
//! - Evidence and history are never changed.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};
use domain::{contact_key::ContactKey, erasure::ErasureKey};

use crate::{
    attribute::{text, text_in},
    dynamodb::{Item, StoreError, batch_get, consistent_keys},
};

mod awaiting;
pub(crate) mod consents;
mod erased;
pub(crate) mod history;
mod listing;
mod merged_person;
mod overview;
mod person_item;
mod preferences;
mod recorded_consent;
mod unchanged;
mod windows;

pub use erased::{ERASURE_REASON, ErasedPerson, PersonRecords};
pub use history::HistoryEntry;
pub use listing::{ContactPage, ContactRecord, RecordedFact};
pub use merged_person::MergedPerson;
pub use overview::{ConsentHistory, ContactOverview, LinkedIdentity, ServiceWindow, Suppression};
pub use person_item::{PersonWrite, PreferenceChange, StoredPerson, is_pair_attribute};
pub use preferences::{PreferenceOutcome, PreferenceSource};
pub use recorded_consent::{ConsentRecovery, RecordedConsent};

pub(crate) use consents::is_consent;

use person_item::PersonItem;

/// How often a person is decided about again because another writer changed the item. Each time another change of the
/// same person was written, so this many are more than happen at once to one person, except that a batch of ten
/// notifications to one person claims them together.
pub const MAX_ROUNDS: usize = 24;

#[derive(Debug, Clone)]
pub struct Contacts {
    client: Client,
    table: String,
    erasure: ErasureKey,
}

const READING: &str = "reading a person from the Contacts table";

impl Contacts {
    pub fn new(client: Client, table: String, erasure: ErasureKey) -> Self {
        Self { client, table, erasure }
    }

    /// The person of an identity, read consistently. A person of whom nothing is stored is a new one.
    pub async fn person(&self, contact: &ContactKey) -> Result<StoredPerson, StoreError> {
        let mut found = self.persons(std::slice::from_ref(contact)).await?;
        Ok(found.remove(contact).unwrap_or_else(|| StoredPerson::new(contact.clone())))
    }

    /// The people of several identities, by identity, read consistently.
    pub async fn persons(&self, contacts: &[ContactKey]) -> Result<HashMap<ContactKey, StoredPerson>, StoreError> {
        let (table, keys) = self.batch_keys(contacts.iter())?;
        let mut found = batch_get(&self.client, READING, [(table, keys)].into()).await?;
        self.persons_in(contacts, found.remove(&self.table).unwrap_or_default()).await
    }

    /// The name of this table and the keys of these people, for a [`batch_get`] with other tables.
    pub fn batch_keys<'a>(
        &self,
        contacts: impl Iterator<Item = &'a ContactKey>,
    ) -> Result<(String, KeysAndAttributes), StoreError> {
        let keys = contacts.map(person_key);
        Ok((self.table.clone(), consistent_keys(READING, keys)?))
    }

    /// The people of these identities, from the items of [`Contacts::batch_keys`]. Where an identity is an alias, the
    /// person is read from the home; where nothing is stored, from the hash of an erased person.
    pub async fn persons_in(
        &self,
        contacts: &[ContactKey],
        items: Vec<Item>,
    ) -> Result<HashMap<ContactKey, StoredPerson>, StoreError> {
        let mut known = read_all(items)?;
        // A home may move to another identity between two reads, so an alias may lead to an alias; never in a circle.
        for _ in 0..MAX_HOPS {
            let homes: Vec<ContactKey> = known.values().filter_map(PersonItem::home).cloned().collect();
            let missing: Vec<ContactKey> = homes.into_iter().filter(|home| !known.contains_key(home)).collect();
            if missing.is_empty() {
                break;
            }
            let (table, keys) = self.batch_keys(missing.iter())?;
            let mut found = batch_get(&self.client, READING, [(table, keys)].into()).await?;
            let found = read_all(found.remove(&self.table).unwrap_or_default())?;
            if found.is_empty() {
                break;
            }
            known.extend(found);
        }
        let mut people: HashMap<_, _> =
            contacts.iter().map(|contact| (contact.clone(), resolve(contact, &known))).collect();
        let absent: Vec<_> = people.values().filter(|person| person.version.is_none()).map(|one| &one.home).collect();
        let erased = self.erased_persons(absent.into_iter()).await?;
        for person in people.values_mut().filter(|person| person.version.is_none()) {
            if let Some(erased) = erased.get(&self.erasure.erased(&person.home)).cloned() {
                *person = erased;
            }
        }
        Ok(people)
    }

    /// All items of a contact, read consistently.
    async fn items(&self, operation: &'static str, contact: &ContactKey) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("contact = :contact")
            .expression_attribute_values(":contact", text(contact.as_str()));
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        items.map_err(|error| StoreError::of_sdk(operation, error))
    }
}

const MAX_HOPS: usize = 4;

fn read_all(items: Vec<Item>) -> Result<HashMap<ContactKey, PersonItem>, StoreError> {
    items.into_iter().map(|item| PersonItem::read(item).map(|read| (read.contact().clone(), read))).collect()
}

fn resolve(contact: &ContactKey, known: &HashMap<ContactKey, PersonItem>) -> StoredPerson {
    let mut at = contact;
    for _ in 0..=MAX_HOPS {
        match known.get(at) {
            Some(PersonItem::Person(person)) => return person.clone(),
            Some(PersonItem::Alias { home, .. }) => at = home,
            None => break,
        }
    }
    StoredPerson::new(at.clone())
}

fn person_key(contact: &ContactKey) -> Item {
    key(contact, person_item::FACET)
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
