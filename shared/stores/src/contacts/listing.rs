//! Lists all preferences and consents of an account page by page, for an export.

use std::fmt;

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

/// A preference, or the evidence of a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedFact {
    Preference { channel: String, scope: Scope, preference: RecordedPreference },
    Consent(ConsentEvidence),
}

/// A fact about a person.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactRecord {
    pub identity: Identity,
    pub fact: RecordedFact,
}

impl fmt::Debug for ContactRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactRecord").field("fact", &self.fact).finish_non_exhaustive()
    }
}

/// A page of the listing.
pub struct ContactPage {
    pub listed: Vec<ContactRecord>,
    /// The number of items that DynamoDB read for the page.
    pub scanned: u64,
    /// The start key of the next page; none after the last page.
    pub next: Option<Item>,
}

impl fmt::Debug for ContactPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactPage")
            .field("listed", &self.listed)
            .field("scanned", &self.scanned)
            .finish_non_exhaustive()
    }
}

impl Contacts {
    /// Reads a page. DynamoDB reads, and charges for, every item of the table.
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

/// The current consent is left out, because it repeats the newest evidence.
fn listed(item: Item) -> Result<Option<ContactRecord>, StoreError> {
    let text = |name: &str| text_in(&item, name).unwrap_or_default().to_owned();
    let (contact, facet) = (text("contact"), text("facet"));
    let Some(Ok(identity)) = contact.split_once('#').map(|(_, address)| address.parse()) else { return Ok(None) };
    let recorded = if let Some((channel, scope)) = Scope::in_facet(&facet) {
        let Some(preference) = Contacts::read_preference(item)? else { return Ok(None) };
        RecordedFact::Preference { channel: channel.to_owned(), scope, preference }
    } else if facet.strip_prefix(CONSENT).is_some_and(|evidence| evidence.contains('#')) {
        RecordedFact::Consent(serde_dynamo::from_item(item).map_err(|error| StoreError::new(OPERATION, error))?)
    } else {
        return Ok(None);
    };
    Ok(Some(ContactRecord { identity, fact: recorded }))
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
    fn only_preferences_and_evidence_are_listed() {
        let at = "2026-11-20T09:00:00Z";
        let preference = json!({"preference": "opted_out", "changed_at": at, "reason": "asked by letter"});
        let Some(RecordedFact::Preference { channel, scope, preference }) = read("opt#whatsapp#marketing", preference)
        else {
            panic!("a preference")
        };
        assert_eq!((channel.as_str(), scope), ("whatsapp", Scope::Marketing));
        assert_eq!(preference.reason.as_deref(), Some("asked by letter"));
        let evidence =
            json!({"category": "marketing", "state": "withdrawn", "at": at, "source": "s", "recorded_at": at});
        assert!(matches!(read("consent#marketing#2026#1", evidence.clone()), Some(RecordedFact::Consent(_))));
        assert_eq!(read("consent#marketing", evidence), None);
        assert_eq!(read("window", json!({"last_inbound_at": at})), None);
    }
}
