//! All that people have said, page by page: for a copy of it elsewhere.

use domain::{
    consent::ConsentEvidence,
    preference::RecordedPreference,
    suppression::{PREFERENCES, Scope},
};
use twilio_types::{address::Identity, sid::AccountSid};

use super::{Contacts, consents::CONSENT};
use crate::{
    attribute::{text, text_in},
    dynamodb::{Item, StoreError},
};

const OPERATION: &str = "listing the Contacts table";

/// Something that a person has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedFact {
    /// Whether messages are wanted.
    Preference {
        /// On which channel.
        channel: String,
        /// Which messages.
        scope: Scope,
        /// What was said, and when.
        preference: RecordedPreference,
    },
    /// A proof of consent.
    Consent(ConsentEvidence),
}

/// Something that a person has said, and who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRecord {
    /// A phone number or a user id.
    pub identity: Identity,
    /// What was said.
    pub fact: RecordedFact,
}

/// A part of the table.
#[derive(Debug)]
pub struct ContactPage {
    /// What it holds.
    pub listed: Vec<ContactRecord>,
    /// How many items were looked at.
    pub scanned: u64,
    /// Where the next page begins; none after the last.
    pub next: Option<Item>,
}

impl Contacts {
    /// Reads a page of what an account's people have said. Every item of the table is read, and paid for.
    pub async fn list(&self, account_sid: &AccountSid, from: Option<Item>) -> Result<ContactPage, StoreError> {
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .set_exclusive_start_key(from)
            .filter_expression(
                "begins_with(contact, :account) AND (begins_with(facet, :preference) OR begins_with(facet, :consent))",
            )
            .expression_attribute_values(":account", text(format_args!("{account_sid}#")))
            .expression_attribute_values(":preference", text(PREFERENCES))
            .expression_attribute_values(":consent", text(CONSENT));
        let answer = scan.send().await.map_err(|error| StoreError::of_sdk(OPERATION, error))?;
        let scanned = u64::try_from(answer.scanned_count).unwrap_or_default();
        let read = answer.items.unwrap_or_default().into_iter().map(listed);
        let listed = read.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(ContactPage { listed, scanned, next: answer.last_evaluated_key.filter(|key| !key.is_empty()) })
    }
}

/// What holds of consent is left out: it is the newest of the proofs.
fn listed(item: Item) -> Result<Option<ContactRecord>, StoreError> {
    let text = |name: &str| text_in(&item, name).unwrap_or_default().to_owned();
    let (contact, facet) = (text("contact"), text("facet"));
    let Some(Ok(identity)) = contact.split_once('#').map(|(_, address)| address.parse()) else { return Ok(None) };
    let said = if let Some((channel, scope)) = Scope::in_facet(&facet) {
        let Some(preference) = Contacts::read_preference(item)? else { return Ok(None) };
        RecordedFact::Preference { channel: channel.to_owned(), scope, preference }
    } else if facet.strip_prefix(CONSENT).is_some_and(|proof| proof.contains('#')) {
        RecordedFact::Consent(serde_dynamo::from_item(item).map_err(|error| StoreError::new(OPERATION, error))?)
    } else {
        return Ok(None);
    };
    Ok(Some(ContactRecord { identity, fact: said }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(facet: &str, rest: Value) -> Option<RecordedFact> {
        let mut item = rest;
        item["contact"] = json!("AC00000000000000000000000000000001#+14155550123");
        item["facet"] = json!(facet);
        let listed = listed(serde_dynamo::to_item(item).unwrap()).unwrap();
        listed.map(|listed| {
            assert_eq!(listed.identity.as_str(), "+14155550123");
            listed.fact
        })
    }

    #[test]
    fn preferences_and_proofs_are_listed_and_nothing_else() {
        let at = "2026-11-20T09:00:00Z";
        let preference = json!({"preference": "opted_out", "changed_at": at, "reason": "asked by letter"});
        let Some(RecordedFact::Preference { channel, scope, preference }) = read("opt#whatsapp#marketing", preference)
        else {
            panic!("a preference")
        };
        assert_eq!((channel.as_str(), scope), ("whatsapp", Scope::Marketing));
        assert_eq!(preference.reason.as_deref(), Some("asked by letter"));
        let proof = json!({"category": "marketing", "state": "withdrawn", "at": at, "source": "s", "recorded_at": at});
        assert!(matches!(read("consent#marketing#2026#1", proof.clone()), Some(RecordedFact::Consent(_))));
        assert_eq!(read("consent#marketing", proof), None);
        assert_eq!(read("window", json!({"last_inbound_at": at})), None);
    }
}
