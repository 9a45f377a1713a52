//! The identities that one message named, and the one person that they are.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{
    contact_key::ContactKey,
    person::{Person, choose_home},
};
use jiff::Timestamp;

use super::{Contacts, MAX_HOPS, PersonWrite, READING, StoredPerson, person_item::PersonItem, read_all};
use crate::dynamodb::{StoreError, TransactionOutcome, batch_get, transact};

/// The person of several identities, with what has to be written so that they are one.
#[derive(Debug)]
pub struct MergedPerson {
    /// The home with the version that was read there.
    home: StoredPerson,
    /// Everything that is known of the person at any of the identities, with all identities as aliases.
    pub person: Person,
    /// The aliases whose item does not name the home yet, with the version that was read.
    aliases: Vec<(ContactKey, Option<i64>)>,
    /// What is stored of those identities that were erased.
    erased: Vec<StoredPerson>,
}

impl MergedPerson {
    /// Whether the stored person is known by all identities.
    pub fn is_stored(&self, after: &Person) -> bool {
        self.aliases.is_empty() && self.home.version.is_some() && *after == self.home.person && self.erased.is_empty()
    }

    /// Makes one person of the items of some identities, their aliases and their homes, and of those that were erased.
    fn of(
        identities: &[ContactKey],
        items: &HashMap<ContactKey, PersonItem>,
        erased: Vec<StoredPerson>,
    ) -> Option<Self> {
        let people = || items.values().filter_map(PersonItem::person);
        let homes: Vec<ContactKey> = people().map(|person| person.home.clone()).collect();
        let home = choose_home(&homes, identities)?.clone();
        let before =
            people().find(|person| person.home == home).map(|person| person.person.clone()).unwrap_or_default();
        let mut person = before.clone();
        for other in people().filter(|other| other.home != home) {
            person.merge(other.person.clone());
            person.aliases.insert(other.home.address().to_owned());
        }
        for erased in &erased {
            person.merge(erased.person.clone());
        }
        person.aliases.extend(identities.iter().map(|identity| identity.address().to_owned()));
        person.aliases.remove(home.address());
        let aliases = person.aliases.iter().map(|alias| home.beside(alias));
        let stale = aliases.filter(|alias| items.get(alias).and_then(PersonItem::home) != Some(&home));
        let version = |contact: &ContactKey| items.get(contact).and_then(PersonItem::version);
        let aliases = stale.map(|alias| (alias.clone(), version(&alias))).collect();
        Some(Self { home: StoredPerson { version: version(&home), person: before, home }, person, aliases, erased })
    }
}

impl Contacts {
    /// Reads the people of these identities, consistently, and makes them one. There is at least one identity.
    pub async fn merged_person(&self, identities: &[ContactKey]) -> Result<MergedPerson, StoreError> {
        let mut items = HashMap::new();
        let mut wanted = identities.to_vec();
        // An alias leads to its home, and a home to its other aliases.
        for _ in 0..=MAX_HOPS {
            if wanted.is_empty() {
                break;
            }
            let (table, keys) = self.batch_keys(wanted.iter())?;
            let mut found = batch_get(&self.client, READING, [(table, keys)].into()).await?;
            let found = read_all(found.remove(&self.table).unwrap_or_default())?;
            let named: Vec<ContactKey> = found.values().flat_map(PersonItem::others).collect();
            items.extend(found);
            wanted.retain(|contact| !items.contains_key(contact));
            let absent = std::mem::take(&mut wanted);
            wanted.extend(named.into_iter().filter(|named| !items.contains_key(named) && !absent.contains(named)));
        }
        let absent: Vec<_> = identities.iter().filter(|identity| !items.contains_key(*identity)).collect();
        let erased = self.erased_persons(absent.into_iter()).await?.into_values().collect();
        MergedPerson::of(identities, &items, erased).ok_or_else(|| StoreError::contended(READING))
    }

    /// The actions of a transaction that write a changed person to its home, and make every other identity its alias, each
    /// on the condition that its item is as it was read.
    pub fn write_merged_actions(
        &self,
        merged: &MergedPerson,
        after: &Person,
        write: &PersonWrite,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let home = &merged.home;
        let mut actions = vec![self.put_person_action(home, after, write, now)?];
        for (alias, version) in &merged.aliases {
            actions.push(self.write_alias_action(alias, &home.home, *version, now)?);
        }
        for erased in &merged.erased {
            actions.push(self.delete_action(erased)?);
        }
        let written = [(&home.home, home.version)].into_iter();
        let written = written.chain(merged.aliases.iter().map(|(alias, version)| (alias, *version)));
        let is_erased = |contact: &ContactKey| {
            let erased = self.erasure.erased(contact);
            merged.erased.iter().any(|found| found.home == erased)
        };
        for (new, _) in written.filter(|(contact, version)| version.is_none() && !is_erased(contact)) {
            actions.push(self.not_erased_action(new)?);
        }
        Ok(actions)
    }

    /// Records that two identities are one person.
    pub async fn link(&self, one: &ContactKey, other: &ContactKey, now: Timestamp) -> Result<(), StoreError> {
        let operation = "linking two identities in the Contacts table";
        self.unite(&[one.clone(), other.clone()], &PersonWrite::Message, operation, now).await
    }

    /// Makes one stored person of these identities.
    pub(super) async fn unite(
        &self,
        identities: &[ContactKey],
        write: &PersonWrite,
        operation: &'static str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for _ in 0..super::MAX_ROUNDS {
            let merged = self.merged_person(identities).await?;
            if merged.is_stored(&merged.person) {
                return Ok(());
            }
            let actions = self.write_merged_actions(&merged, &merged.person, write, now)?;
            if let TransactionOutcome::Written = transact(&self.client, operation, actions).await? {
                return Ok(());
            }
        }
        Err(StoreError::contended(operation))
    }
}
