//! The `person` item: how a [`Person`] is stored, and the write that changes it.
//!
//! Its attributes are flat, so that one condition can compare them and a message can move a window without a read:
//! `version`, `aliases`, `stop#<channel>`, `stop#<channel>#<scope>`, `last_stop_at`, `last_marketing_stop_at`,
//! `consent#<category>`, `window#<sender or service>`, `pair#<sender>`, `marketing_sent`, `awaiting`, `last_change`,
//! `preference_change`, `expires_at`. An alias has `home`, `linked_at` and `version` only.

use std::{collections::BTreeSet, fmt};

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem};
use domain::{
    consent::Consent,
    contact_key::ContactKey,
    limits::{CONTACT_RETENTION, expiry},
    notification::{Category, NotificationId},
    person::{Person, WindowKey},
    preference::Preference,
    suppression::{Scope, SuppressionKey},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use twilio_types::{error_code::ErrorCode, sid::MessageSid};

use super::{Contacts, person_key, value};
use crate::{
    attribute::{number, text, text_in, time},
    dynamodb::{Item, StoreError},
    format,
};

pub(super) const FACET: &str = "person";

pub(super) const STOP: &str = "stop#";
pub(super) const CONSENT: &str = "consent#";
pub(crate) const WINDOW: &str = "window#";
const PAIR: &str = "pair#";

const OPERATION: &str = "writing a person to the Contacts table";
const READING: &str = "reading a person of the Contacts table";

/// A person as read from the table, or a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPerson {
    /// The identity whose item holds the person.
    pub home: ContactKey,
    pub person: Person,
    /// None if no item is stored.
    pub version: Option<i64>,
}

impl StoredPerson {
    pub fn new(home: ContactKey) -> Self {
        Self { home, person: Person::default(), version: None }
    }

    /// Every identity of the person, the home first.
    pub fn identities(&self) -> Vec<ContactKey> {
        let aliases = self.person.aliases.iter().map(|alias| self.home.beside(alias));
        [self.home.clone()].into_iter().chain(aliases).collect()
    }

    /// Whether this identity is one of the person.
    pub fn has(&self, contact: &ContactKey) -> bool {
        self.home == *contact || self.person.aliases.contains(contact.address())
    }
}

/// An item with the facet `person`.
#[derive(Debug, Clone)]
pub(super) enum PersonItem {
    Person(StoredPerson),
    Alias { contact: ContactKey, home: ContactKey, linked_at: Option<Timestamp>, version: Option<i64> },
}

/// Why a person is written. `last_change` says it, so that the stream brings only changed preferences to its readers.
#[derive(Debug, Clone)]
pub enum PersonWrite {
    /// A message opened a window, or named identities.
    Message,
    /// A STOP or a START: the event that the stream publishes.
    Preference(Box<PreferenceChange>),
    /// Evidence of a consent, or of a preference that stays as it was, was recorded.
    Evidence,
    /// A notification is claimed.
    Claim,
}

/// A changed preference. The item of the person carries the last one, so that the events of a person are in the order of
/// the changes: DynamoDB keeps the order of the changes of one item.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferenceChange {
    /// The id of the event: the same when it is published again.
    pub event_id: String,
    pub preference: Preference,
    /// The channel that it came by.
    pub channel: String,
    /// The identity that expressed it, or that a message could not be sent to.
    pub identity: String,
    /// What it covers, if no message expressed it: `all`, `marketing` or `sender`. If one did: `marketing`, if it asked for
    /// no more marketing alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The scopes that it changed.
    pub scopes: Vec<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_sid: Option<MessageSid>,
    /// The error code by which Twilio or WhatsApp reported an opt-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ARN of the IAM identity that requested it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_by: Option<String>,
    pub at: Timestamp,
}

impl PreferenceChange {
    /// Where it comes from, as an event says it: `message` (the person's own), `error_code` (Twilio or WhatsApp reported it)
    /// or `request` (of an operator, or of another system).
    pub const fn origin(&self) -> &'static str {
        match (&self.code, &self.message_sid) {
            (Some(_), _) => "error_code",
            (None, Some(_)) => "message",
            (None, None) => "request",
        }
    }
}

impl fmt::Debug for PreferenceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreferenceChange")
            .field("preference", &self.preference)
            .field("message_sid", &self.message_sid)
            .field("code", &self.code)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl PersonItem {
    pub(super) fn contact(&self) -> &ContactKey {
        match self {
            Self::Person(person) => &person.home,
            Self::Alias { contact, .. } => contact,
        }
    }

    pub(super) fn home(&self) -> Option<&ContactKey> {
        match self {
            Self::Person(_) => None,
            Self::Alias { home, .. } => Some(home),
        }
    }

    pub(super) fn person(&self) -> Option<&StoredPerson> {
        if let Self::Person(person) = self { Some(person) } else { None }
    }

    pub(super) fn version(&self) -> Option<i64> {
        match self {
            Self::Person(person) => person.version,
            Self::Alias { version, .. } => *version,
        }
    }

    /// The other identities of the person that the item names.
    pub(super) fn others(&self) -> Vec<ContactKey> {
        match self {
            Self::Person(person) => person.identities().into_iter().skip(1).collect(),
            Self::Alias { home, .. } => vec![home.clone()],
        }
    }

    pub(super) fn read(item: Item) -> Result<Self, StoreError> {
        format::PERSON.check(READING, &item)?;
        let key = ContactKey::stored(text_in(&item, "contact").unwrap_or_default());
        let version = item.get("version").and_then(|version| version.as_n().ok()?.parse().ok());
        if let Some(home) = text_in(&item, "home") {
            let linked_at = text_in(&item, "linked_at").and_then(|at| at.parse().ok());
            return Ok(Self::Alias { home: key.beside(home), contact: key, linked_at, version });
        }
        Ok(Self::Person(StoredPerson { home: key, person: person_in(item)?, version }))
    }
}

/// Reads the attributes of a person, and ignores those of no person.
fn person_in(item: Item) -> Result<Person, StoreError> {
    let mut person = Person::default();
    for (name, attribute) in item {
        match name.as_str() {
            "aliases" => person.aliases = strings(&attribute).collect(),
            "last_stop_at" => person.last_stop_at = Some(read(attribute)?),
            "last_marketing_stop_at" => person.last_marketing_stop_at = Some(read(attribute)?),
            "marketing_sent" => person.marketing_sent = read(attribute)?,
            "awaiting" => {
                let ids = strings(&attribute).filter_map(|id| NotificationId::try_from(id).ok());
                person.awaiting = ids.collect::<BTreeSet<_>>();
            }
            _ => read_named(&mut person, &name, attribute)?,
        }
    }
    Ok(person)
}

/// Reads an attribute whose name has a value after its prefix.
fn read_named(person: &mut Person, name: &str, attribute: AttributeValue) -> Result<(), StoreError> {
    if let Some(key) = name.strip_prefix(STOP) {
        person.preferences.insert(SuppressionKey::parse(key), read(attribute)?);
    } else if name.starts_with(CONSENT) {
        let consent: Consent = read(attribute)?;
        person.consents.insert(consent.category, consent);
    } else if let Some(sender) = name.strip_prefix(WINDOW) {
        person.windows.insert(WindowKey::of(sender), read(attribute)?);
    } else if let Some(sender) = name.strip_prefix(PAIR) {
        person.buckets.insert(sender.to_owned(), read(attribute)?);
    }
    Ok(())
}

fn read<T: DeserializeOwned>(attribute: AttributeValue) -> Result<T, StoreError> {
    serde_dynamo::from_attribute_value(attribute).map_err(|error| StoreError::new(READING, error))
}

fn strings(attribute: &AttributeValue) -> impl Iterator<Item = String> + '_ {
    attribute.as_ss().into_iter().flatten().cloned()
}

/// The item of a person with a new version.
pub(super) fn item_of(
    home: &ContactKey,
    person: &Person,
    version: i64,
    write: &PersonWrite,
    now: Timestamp,
) -> Result<Item, StoreError> {
    let mut item = person_key(home);
    format::PERSON.mark(&mut item);
    let mut set = |name: String, value: AttributeValue| item.insert(name, value);
    set("version".to_owned(), number(version));
    let sets = [
        ("aliases", person.aliases.iter().cloned().collect::<Vec<_>>()),
        ("awaiting", person.awaiting.iter().map(ToString::to_string).collect()),
    ];
    for (name, values) in sets.into_iter().filter(|(_, values)| !values.is_empty()) {
        set(name.to_owned(), AttributeValue::Ss(values));
    }
    for (key, preference) in &person.preferences {
        set(format!("{STOP}{key}"), value(OPERATION, preference)?);
    }
    for (name, at) in [("last_stop_at", person.last_stop_at), ("last_marketing_stop_at", person.last_marketing_stop_at)]
    {
        if let Some(at) = at {
            set(name.to_owned(), text(at));
        }
    }
    for (category, consent) in &person.consents {
        set(consent_attribute(*category), value(OPERATION, consent)?);
    }
    for (window, at) in &person.windows {
        set(window_attribute(window), time(*at));
    }
    for (sender, tat) in &person.buckets {
        set(format!("{PAIR}{sender}"), number(tat));
    }
    if !person.marketing_sent.is_empty() {
        set("marketing_sent".to_owned(), value(OPERATION, &person.marketing_sent)?);
    }
    set("last_change".to_owned(), text(write.name()));
    if let PersonWrite::Preference(change) = write {
        set("preference_change".to_owned(), value(OPERATION, change)?);
    }
    if !person.is_kept() {
        set("expires_at".to_owned(), number(expiry(now, CONTACT_RETENTION)));
    }
    Ok(item)
}

/// Whether an attribute of a person is the time at which a sender may write to the person again.
pub fn is_pair_attribute(name: &str) -> bool {
    name.starts_with(PAIR)
}

pub(crate) fn window_attribute(window: &WindowKey) -> String {
    format!("{WINDOW}{}", window.as_str())
}

fn consent_attribute(category: Category) -> String {
    format!("{CONSENT}{}", category.as_str())
}

impl PersonWrite {
    /// The value of `last_change`. The template's stream filters name `preference`.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Preference(_) => "preference",
            Self::Evidence => "evidence",
            Self::Claim => "claim",
        }
    }
}

impl Contacts {
    /// The actions of a transaction that write a person, if the stored one is as it was read. A refusal of the first brings the
    /// stored item: [`Contacts::read_person`]. A new person is only written while they are not erased.
    pub fn write_person_actions(
        &self,
        before: &StoredPerson,
        after: &Person,
        write: &PersonWrite,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut actions = vec![self.put_person_action(before, after, write, now)?];
        if before.version.is_none() {
            actions.push(self.not_erased_action(&before.home)?);
        }
        Ok(actions)
    }

    /// The action that writes a person, whether or not they are erased.
    pub(super) fn put_person_action(
        &self,
        before: &StoredPerson,
        after: &Person,
        write: &PersonWrite,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut after = after.clone();
        after.prune(now);
        let item = item_of(&before.home, &after, next_version(before.version, now), write, now)?;
        self.put_action(item, before.version)
    }

    /// The action that makes an identity an alias of a home, if its item is as it was read.
    pub(super) fn write_alias_action(
        &self,
        contact: &ContactKey,
        home: &ContactKey,
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item = person_key(contact);
        format::PERSON.mark(&mut item);
        item.insert("home".to_owned(), text(home.address()));
        item.insert("linked_at".to_owned(), time(now));
        item.insert("version".to_owned(), number(next_version(version, now)));
        self.put_action(item, version)
    }

    fn put_action(&self, item: Item, seen: Option<i64>) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(AllOld);
        let put = match seen {
            None => put.condition_expression("attribute_not_exists(contact)"),
            Some(version) => {
                put.condition_expression("version = :seen").expression_attribute_values(":seen", number(version))
            }
        };
        let put = put.build().map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Reads the item that refused [`Contacts::write_person_actions`]: the person as stored now. None if the person has to be
    /// read again: the home is an alias meanwhile, or the person was erased.
    pub fn read_person(item: Item) -> Result<Option<StoredPerson>, StoreError> {
        if item.is_empty() {
            return Ok(None);
        }
        Ok(match PersonItem::read(item)? {
            PersonItem::Person(person) => Some(person),
            PersonItem::Alias { .. } => None,
        })
    }
}

/// A version that no earlier item with this key had, even if that item has expired meanwhile.
fn next_version(seen: Option<i64>, now: Timestamp) -> i64 {
    seen.map_or_else(|| now.as_microsecond(), |seen| seen.saturating_add(1))
}

#[cfg(test)]
mod tests;
