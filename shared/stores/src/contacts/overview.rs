//! Everything that is stored about a contact.

use std::fmt;

use domain::{
    consent::{Consent, ConsentEvidence},
    contact_key::ContactKey,
    limits::SERVICE_WINDOW,
    preference::RecordedPreference,
    suppression::Scope,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Contacts, consents::CONSENT, identities::IDENTITIES};
use crate::{
    attribute::{text, text_in},
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
    /// Reads everything about a contact consistently: what was just recorded is in it.
    pub async fn overview(&self, contact: &ContactKey) -> Result<ContactOverview, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            // The newest evidence first.
            .scan_index_forward(false)
            .key_condition_expression("contact = :contact")
            .expression_attribute_values(":contact", text(contact.as_str()));
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        read(items.map_err(|error| StoreError::of_sdk(OPERATION, error))?)
    }
}

fn read(items: Vec<Item>) -> Result<ContactOverview, StoreError> {
    let mut overview = ContactOverview::default();
    let mut evidence = Vec::new();
    for item in items {
        let facet = text_in(&item, "facet").unwrap_or_default().to_owned();
        if let Some((channel, scope)) = Scope::in_facet(&facet) {
            let preference = deserialized(item)?;
            overview.suppressions.push(Suppression { channel: channel.to_owned(), scope, preference });
        } else if let Some(category) = facet.strip_prefix(CONSENT) {
            if category.contains('#') {
                evidence.push(deserialized::<ConsentEvidence>(item)?);
            } else {
                let current = Contacts::read_consent(item)?;
                overview.consents.push(ConsentHistory { current, evidence: Vec::new() });
            }
        } else if let Some(sender) = facet.strip_prefix("window#") {
            overview.windows.push(window(sender, item)?);
        } else if let Some(address) = facet.strip_prefix(IDENTITIES) {
            overview.linked.push(linked(address, item)?);
        }
    }
    for history in &mut overview.consents {
        history.evidence = evidence.iter().filter(|one| one.category == history.current.category).cloned().collect();
    }
    Ok(overview)
}

fn window(sender: &str, item: Item) -> Result<ServiceWindow, StoreError> {
    #[derive(Deserialize)]
    struct WindowItem {
        last_inbound_at: Timestamp,
    }

    let WindowItem { last_inbound_at } = deserialized(item)?;
    let open_until = last_inbound_at.saturating_add(SERVICE_WINDOW).unwrap_or(Timestamp::MAX);
    Ok(ServiceWindow { sender: sender.to_owned(), last_inbound_at, open_until })
}

fn linked(address: &str, item: Item) -> Result<LinkedIdentity, StoreError> {
    #[derive(Deserialize)]
    struct IdentityItem {
        linked_at: Timestamp,
    }

    let IdentityItem { linked_at } = deserialized(item)?;
    Ok(LinkedIdentity { address: address.to_owned(), linked_at })
}

fn deserialized<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::new(OPERATION, error))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn overview(items: &[Value]) -> Value {
        let items = items.iter().map(|item| serde_dynamo::to_item(item).unwrap()).collect();
        serde_json::to_value(read(items).unwrap()).unwrap()
    }

    #[test]
    fn each_facet_is_shown_in_its_list() {
        let sid = "SM00000000000000000000000000000001";
        let at = "2026-11-20T09:00:00.000Z";
        let shown = overview(&[
            json!({"facet": "window#whatsapp:+14155238886", "last_inbound_at": at, "expires_at": 1}),
            json!({"facet": "window", "last_inbound_at": at, "sender": "whatsapp:+14155238886"}),
            json!({"facet": "sent#marketing", "sent": {"a": at}}),
            json!({"facet": "opt#whatsapp#whatsapp:+14155238886", "preference": "opted_in", "changed_at": at}),
            json!({"facet": "opt#whatsapp#marketing", "preference": "opted_out", "changed_at": at, "message_sid": null}),
            json!({"facet": "opt#whatsapp", "preference": "opted_out", "changed_at": at, "message_sid": sid}),
            json!({"facet": "identity#US.1", "linked_at": at}),
        ]);
        let at = "2026-11-20T09:00:00Z";
        let expected = json!({
            "suppressions": [
                {"channel": "whatsapp", "scope": {"sender": "whatsapp:+14155238886"}, "preference": "opted_in", "changed_at": at},
                {"channel": "whatsapp", "scope": "marketing", "preference": "opted_out", "changed_at": at},
                {"channel": "whatsapp", "scope": "all", "preference": "opted_out", "changed_at": at, "message_sid": sid},
            ],
            "consents": [],
            "windows": [{"sender": "whatsapp:+14155238886", "last_inbound_at": at, "open_until": "2026-11-21T09:00:00Z"}],
            "linked": [{"address": "US.1", "linked_at": at}],
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn evidence_is_shown_with_its_category() {
        let evidence = |category: &str, at: &str, id: &str| {
            json!({"facet": format!("consent#{category}#{at}#{id}"), "category": category, "state": "given", "at": at,
                   "source": id, "recorded_at": at})
        };
        let current = |category: &str, at: &str| json!({"facet": format!("consent#{category}"), "category": category, "state": "given", "at": at, "evidence": "x"});
        let (old, new) = ("2026-11-19T09:00:00.000Z", "2026-11-20T09:00:00.000Z");
        let shown = overview(&[
            evidence("utility", new, "c"),
            current("utility", new),
            evidence("marketing", new, "b"),
            evidence("marketing", old, "a"),
            current("marketing", new),
        ]);
        let sources = |history: &Value| {
            let sources = history["evidence"].as_array().unwrap().iter().map(|one| one["source"].clone());
            (history["current"]["category"].clone(), sources.collect::<Vec<_>>())
        };
        assert_eq!(sources(&shown["consents"][0]), (json!("utility"), vec![json!("c")]));
        assert_eq!(sources(&shown["consents"][1]), (json!("marketing"), vec![json!("b"), json!("a")]));
    }

    #[test]
    fn an_unknown_contact_has_empty_lists() {
        assert_eq!(overview(&[]), json!({"suppressions": [], "consents": [], "windows": [], "linked": []}));
    }
}
