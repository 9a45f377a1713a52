//! The erased people: what is left of them, and what becomes of it when they come back.
//!
//! 1. [`Contacts::erase_person`] deletes the person and every alias, and puts an item at the hash of each identity, in one
//!    transaction. The item says that every message is suppressed, and since when.
//! 2. Who is not stored is looked up by the hash, so the policy sees the suppression, and the claim of a message to a new
//!    person is refused while an item is stored at the hash.
//! 3. A message of the person, a consent or a lifted suppression makes them a person again: the suppression moves to their
//!    identity, and the item at the hash is deleted, in one transaction. A START then lifts it as any other.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, TransactWriteItem};
use domain::{
    contact_key::ContactKey,
    person::Person,
    preference::{Preference, RecordedPreference},
    suppression::Scope,
};
use jiff::Timestamp;
use twilio_types::address::Channel;

use super::{
    Contacts, MAX_ROUNDS, PersonWrite, READING, StoredPerson, key,
    person_item::{CONSENT, FACET},
    person_key, read_all,
};
use crate::{
    attribute::{number, text, text_in},
    dynamodb::{Item, StoreError, TransactionOutcome, batch_get, transact},
};

const OPERATION: &str = "erasing a person from the Contacts table";

/// What is stored as the reason of an erased person's suppression.
pub const ERASURE_REASON: &str = "erased";

/// What became of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasedPerson {
    /// Nothing names the person any more.
    Erased,
    /// The person was erased before.
    ErasedBefore,
    /// The person has another identity than those whose data was deleted.
    HasOtherIdentities,
    /// The person opted in again meanwhile.
    OptedIn,
}

/// What was recorded of a person besides the person's item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PersonRecords {
    pub consents: usize,
    /// STOPs and STARTs.
    pub history: usize,
}

impl StoredPerson {
    /// Whether the person was erased, and only the suppression is stored.
    pub fn is_erased(&self) -> bool {
        self.home.is_erased()
    }
}

impl Contacts {
    /// The erased people among those of whom nothing is stored, by the keys of their items.
    pub(super) async fn erased_persons(
        &self,
        absent: impl Iterator<Item = &ContactKey>,
    ) -> Result<HashMap<ContactKey, StoredPerson>, StoreError> {
        let keys: Vec<_> = absent.map(|contact| self.erasure.erased(contact)).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let (table, keys) = self.batch_keys(keys.iter())?;
        let mut found = batch_get(&self.client, READING, [(table, keys)].into()).await?;
        let found = read_all(found.remove(&self.table).unwrap_or_default())?;
        Ok(found.into_iter().filter_map(|(key, item)| Some((key, item.person()?.clone()))).collect())
    }

    /// The action of a transaction that is refused if this person is erased.
    pub(super) fn not_erased_action(&self, contact: &ContactKey) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(person_key(&self.erasure.erased(contact))))
            .condition_expression("attribute_not_exists(contact)")
            .build()
            .map_err(|error| StoreError::new("checking an erased person in the Contacts table", error))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// The action that deletes the item of an erased person, if it is as it was read.
    pub(super) fn delete_action(&self, person: &StoredPerson) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder().table_name(&self.table).set_key(Some(person_key(&person.home)));
        let delete = match person.version {
            None => delete.condition_expression("attribute_not_exists(contact)"),
            Some(version) => {
                delete.condition_expression("version = :seen").expression_attribute_values(":seen", number(version))
            }
        };
        let delete = delete.build().map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Makes an erased person a person again, who is still suppressed.
    pub(super) async fn revive(&self, contact: &ContactKey, now: Timestamp) -> Result<(), StoreError> {
        let operation = "storing an erased person again in the Contacts table";
        self.unite(std::slice::from_ref(contact), &PersonWrite::Evidence, operation, now).await
    }

    /// Every item of a person, of all identities, as it is stored.
    pub async fn items_of(&self, identities: &[ContactKey]) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for identity in identities {
            items.extend(self.items(READING, identity).await?);
        }
        Ok(items)
    }

    /// Deletes what is recorded of these identities besides the person: the evidence of consents, and the history.
    pub async fn delete_records(&self, identities: &[ContactKey]) -> Result<PersonRecords, StoreError> {
        let mut deleted = PersonRecords::default();
        for item in self.items_of(identities).await? {
            let (Some(contact), Some(facet)) = (text_in(&item, "contact"), text_in(&item, "facet")) else { continue };
            if facet == FACET {
                continue;
            }
            let key = key(&ContactKey::stored(contact), facet);
            let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key)).send().await;
            delete.map_err(|error| StoreError::of_sdk(OPERATION, error))?;
            let count = if facet.starts_with(CONSENT) { &mut deleted.consents } else { &mut deleted.history };
            *count += 1;
        }
        Ok(deleted)
    }

    /// Replaces the person by a suppression at the hash of each identity, if the person has no other identity than these, and
    /// is still suppressed.
    pub async fn erase_person(
        &self,
        contact: &ContactKey,
        identities: &[ContactKey],
        now: Timestamp,
    ) -> Result<ErasedPerson, StoreError> {
        for _ in 0..MAX_ROUNDS {
            let stored = self.person(contact).await?;
            if stored.is_erased() {
                return Ok(ErasedPerson::ErasedBefore);
            }
            if stored.identities().iter().any(|identity| !identities.contains(identity)) {
                return Ok(ErasedPerson::HasOtherIdentities);
            }
            if stored.person.suppressed_by([&Scope::All]).is_none() {
                return Ok(ErasedPerson::OptedIn);
            }
            let actions = self.erase_actions(&stored, now)?;
            if let TransactionOutcome::Written = transact(&self.client, OPERATION, actions).await? {
                return Ok(ErasedPerson::Erased);
            }
        }
        Err(StoreError::contended(OPERATION))
    }

    fn erase_actions(&self, stored: &StoredPerson, now: Timestamp) -> Result<Vec<TransactWriteItem>, StoreError> {
        let suppressed = suppressed_since(stored.person.last_stop_at.unwrap_or(now));
        let mut actions = vec![self.delete_action(stored)?];
        for alias in stored.identities().iter().skip(1) {
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(person_key(alias)))
                .condition_expression("home = :home")
                .expression_attribute_values(":home", text(stored.home.address()))
                .build()
                .map_err(|error| StoreError::new(OPERATION, error))?;
            actions.push(TransactWriteItem::builder().delete(delete).build());
        }
        for identity in stored.identities() {
            let erased = StoredPerson::new(self.erasure.erased(&identity));
            actions.push(self.put_person_action(&erased, &suppressed, &PersonWrite::Evidence, now)?);
        }
        Ok(actions)
    }
}

/// A person of whom nothing is known but a suppression, which covers everything.
fn suppressed_since(at: Timestamp) -> Person {
    let mut person = Person::default();
    let preference = RecordedPreference {
        preference: Preference::OptedOut,
        changed_at: at,
        message_sid: None,
        reason: Some(ERASURE_REASON.to_owned()),
    };
    person.record_preference(&Channel::WhatsApp, &[Scope::All], &preference);
    person
}
