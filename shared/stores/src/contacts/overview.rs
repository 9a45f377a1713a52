//! Everything that is stored about a contact.

use std::{cmp::Reverse, collections::BTreeMap, fmt};

use domain::{
    consent::{Consent, ConsentEvidence},
    contact_key::ContactKey,
    limits::SERVICE_WINDOW,
    notification::Category,
    person::{HISTORY, WindowKey},
    preference::{Preference, RecordedPreference},
    suppression::Scope,
};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Contacts, HistoryEntry, PreferenceChange, StoredPerson,
    consents::evidence_in,
    history::history_entry,
    person_item::{CONSENT, PersonItem},
    preferences::suppressions,
};
use crate::{
    attribute::text_in,
    dynamodb::{Item, StoreError},
};

const OPERATION: &str = "reading a contact from the Contacts table";

/// Everything that is stored about a contact. `GET /contacts/{contact}` answers with this JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ContactOverview {
    /// Opt-outs, and opt-outs that were lifted.
    pub suppressions: Vec<Suppression>,
    pub consents: Vec<ConsentHistory>,
    pub windows: Vec<ServiceWindow>,
    /// Linked identities.
    pub linked: Vec<LinkedIdentity>,
    /// Every STOP and START, the newest first.
    pub history: Vec<PreferenceChange>,
}

/// A preference in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suppression {
    pub channel: String,
    pub scope: Scope,
    #[serde(flatten)]
    pub preference: RecordedPreference,
}

/// The consent for a category, with all its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsentHistory {
    pub current: Consent,
    /// The newest first.
    pub evidence: Vec<ConsentEvidence>,
}

/// The service window of a sender: how long it may send free-form messages.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ServiceWindow {
    pub sender: String,
    pub last_inbound_at: Timestamp,
    pub open_until: Timestamp,
}

/// Another identity of the same person.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct LinkedIdentity {
    /// A phone number or a WhatsApp user id.
    pub address: String,
    /// When one message first named both.
    pub linked_at: Timestamp,
}

impl fmt::Debug for ServiceWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceWindow").field("last_inbound_at", &self.last_inbound_at).finish_non_exhaustive()
    }
}

impl fmt::Debug for LinkedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkedIdentity").field("linked_at", &self.linked_at).finish_non_exhaustive()
    }
}

impl Contacts {
    /// Reads everything about the person of an identity consistently: what was just recorded is in it.
    pub async fn overview(&self, contact: &ContactKey) -> Result<ContactOverview, StoreError> {
        let stored = self.person(contact).await?;
        let items = stored.identities().into_iter().map(async |identity| self.items(OPERATION, &identity).await);
        let items = try_join_all(items).await?.into_iter().flatten().collect();
        read(contact, &stored, items)
    }
}

fn read(contact: &ContactKey, stored: &StoredPerson, items: Vec<Item>) -> Result<ContactOverview, StoreError> {
    let (mut evidence, mut history, mut linked_at) = (Vec::new(), Vec::new(), BTreeMap::new());
    for item in items {
        let facet = text_in(&item, "facet").unwrap_or_default().to_owned();
        if facet.starts_with(CONSENT) {
            evidence.push(evidence_in(OPERATION, item)?);
        } else if facet.starts_with(HISTORY) {
            history.push(history_entry(item)?);
        } else if let PersonItem::Alias { contact, linked_at: Some(at), .. } = PersonItem::read(item)? {
            linked_at.insert(contact, at);
        }
    }
    history.sort_by_key(|entry| Reverse(entry.change.at));
    evidence.extend(history.iter().flat_map(withdrawals));
    evidence.sort_by_key(|evidence| Reverse(evidence.at));
    let others = stored.identities().into_iter().filter(|identity| identity != contact && !identity.is_erased());
    Ok(ContactOverview {
        suppressions: suppressions(&stored.person).collect(),
        consents: Category::ALL
            .into_iter()
            .filter_map(|category| consent_history(stored, category, &evidence))
            .collect(),
        windows: stored.person.windows.iter().map(|(window, at)| service_window(window, *at)).collect(),
        // The item of the home has no time: it is linked since the identity that was asked for is.
        linked: others
            .map(|other| LinkedIdentity {
                address: other.address().to_owned(),
                linked_at: linked_at.get(&other).or_else(|| linked_at.get(contact)).copied().unwrap_or_default(),
            })
            .collect(),
        history: history.into_iter().map(|entry| entry.change).collect(),
    })
}

/// The consent that counts in a category, with all its evidence. A STOP is shown with the consents that it ended.
fn consent_history(stored: &StoredPerson, category: Category, evidence: &[ConsentEvidence]) -> Option<ConsentHistory> {
    stored.person.consents.get(&category)?;
    let current = stored.person.consent(category)?;
    let evidence = evidence.iter().filter(|one| one.category == category).cloned().collect();
    Some(ConsentHistory { current, evidence })
}

/// The withdrawals that a STOP is.
fn withdrawals(entry: &HistoryEntry) -> Vec<ConsentEvidence> {
    let change = &entry.change;
    if change.preference != Preference::OptedOut {
        return Vec::new();
    }
    let is_marketing_only = change.scopes.iter().all(|scope| *scope == Scope::Marketing);
    let categories = if is_marketing_only { &[Category::Marketing][..] } else { &Category::ALL };
    let source = match (&change.message_sid, change.code) {
        (_, Some(code)) => format!("Twilio's code {code}"),
        (Some(sid), None) => format!("opt-out by {sid}"),
        (None, None) => "opt-out".to_owned(),
    };
    categories.iter().map(|category| ConsentEvidence::withdrawal(*category, change.at, &source, change.at)).collect()
}

fn service_window(window: &WindowKey, last_inbound_at: Timestamp) -> ServiceWindow {
    let open_until = last_inbound_at.saturating_add(SERVICE_WINDOW).unwrap_or(Timestamp::MAX);
    ServiceWindow { sender: window.sender().to_owned(), last_inbound_at, open_until }
}

#[cfg(test)]
mod tests;
