//! All that is known of a contact.

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

/// All that is known of a contact. Of a stranger that is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ContactOverview {
    /// What the person does not want, or did not want once.
    pub suppressions: Vec<Suppression>,
    /// What the person agreed to.
    pub consents: Vec<ConsentHistory>,
    /// When the person last wrote to a sender.
    pub windows: Vec<ServiceWindow>,
    /// By what else the same person is known.
    pub linked: Vec<LinkedIdentity>,
}

/// A wish for silence, or the end of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// On which channel.
    pub channel: String,
    /// Of what.
    pub scope: Scope,
    /// What was wished, when, and by which message.
    #[serde(flatten)]
    pub preference: RecordedPreference,
}

/// Consent for a category, with its whole history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsentHistory {
    /// What holds now.
    pub current: Consent,
    /// Every proof, the newest first.
    pub evidence: Vec<ConsentEvidence>,
}

/// The service window of a sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceWindow {
    /// The sender's address.
    pub sender: String,
    /// When the person last wrote to it.
    pub last_inbound_at: Timestamp,
    /// Until when it may write free-form.
    pub open_until: Timestamp,
}

/// Another identity of the same person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkedIdentity {
    /// A phone number or a WhatsApp user id.
    pub address: String,
    /// When both were first seen together.
    pub linked_at: Timestamp,
}

impl Contacts {
    /// Reads all that is known of a contact, consistently: what was just recorded is in it.
    pub async fn overview(&self, contact: &ContactKey) -> Result<ContactOverview, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            // The newest proofs first.
            .scan_index_forward(false)
            .key_condition_expression("contact = :contact")
            .expression_attribute_values(":contact", text(contact.as_str()));
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        read(items.map_err(|error| StoreError::of_sdk(OPERATION, error))?)
    }
}

fn read(items: Vec<Item>) -> Result<ContactOverview, StoreError> {
    let mut overview = ContactOverview::default();
    let mut proofs = Vec::new();
    for item in items {
        let facet = text_in(&item, "facet").unwrap_or_default().to_owned();
        if let Some((channel, scope)) = Scope::in_facet(&facet) {
            let preference = deserialized(item)?;
            overview.suppressions.push(Suppression { channel: channel.to_owned(), scope, preference });
        } else if let Some(category) = facet.strip_prefix(CONSENT) {
            if category.contains('#') {
                proofs.push(deserialized::<ConsentEvidence>(item)?);
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
        history.evidence = proofs.iter().filter(|proof| proof.category == history.current.category).cloned().collect();
    }
    Ok(overview)
}

fn window(sender: &str, item: Item) -> Result<ServiceWindow, StoreError> {
    #[derive(Deserialize)]
    struct Stored {
        last_inbound_at: Timestamp,
    }

    let Stored { last_inbound_at } = deserialized(item)?;
    let open_until = last_inbound_at.saturating_add(SERVICE_WINDOW).unwrap_or(Timestamp::MAX);
    Ok(ServiceWindow { sender: sender.to_owned(), last_inbound_at, open_until })
}

fn linked(address: &str, item: Item) -> Result<LinkedIdentity, StoreError> {
    #[derive(Deserialize)]
    struct Stored {
        linked_at: Timestamp,
    }

    let Stored { linked_at } = deserialized(item)?;
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
    fn each_facet_is_shown_in_its_place() {
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
    fn proofs_are_with_their_category() {
        let proof = |category: &str, at: &str, id: &str| {
            json!({"facet": format!("consent#{category}#{at}#{id}"), "category": category, "state": "given", "at": at,
                   "source": id, "recorded_at": at})
        };
        let current = |category: &str, at: &str| json!({"facet": format!("consent#{category}"), "category": category, "state": "given", "at": at, "evidence": "x"});
        let (old, new) = ("2026-11-19T09:00:00.000Z", "2026-11-20T09:00:00.000Z");
        let shown = overview(&[
            proof("utility", new, "c"),
            current("utility", new),
            proof("marketing", new, "b"),
            proof("marketing", old, "a"),
            current("marketing", new),
        ]);
        let sources = |history: &Value| {
            let sources = history["evidence"].as_array().unwrap().iter().map(|proof| proof["source"].clone());
            (history["current"]["category"].clone(), sources.collect::<Vec<_>>())
        };
        assert_eq!(sources(&shown["consents"][0]), (json!("utility"), vec![json!("c")]));
        assert_eq!(sources(&shown["consents"][1]), (json!("marketing"), vec![json!("b"), json!("a")]));
    }

    #[test]
    fn of_a_stranger_nothing_is_known() {
        assert_eq!(overview(&[]), json!({"suppressions": [], "consents": [], "windows": [], "linked": []}));
    }
}
