//! Lists all preferences and consents of an account page by page, for an export.

use std::fmt;

use domain::{
    consent::{ConsentEvidence, ConsentState},
    contact_key::ContactKey,
    notification::Category,
    person::{HISTORY, Person},
    preference::RecordedPreference,
    suppression::Scope,
};
use twilio_types::{address::Identity, sid::AccountSid};

use super::{
    Contacts,
    consents::evidence_in,
    person_item::{CONSENT, FACET, PersonItem},
};
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
    /// The facet of the item that says it.
    pub facet: String,
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
            .filter_expression("begins_with(contact, :account) AND (facet = :person OR begins_with(facet, :consent))")
            .expression_attribute_values(":account", text(format_args!("{account_sid}#")))
            .expression_attribute_values(":person", text(FACET))
            .expression_attribute_values(":consent", text(CONSENT));
        let answer = scan.send().await.map_err(|error| StoreError::of_sdk(OPERATION, error))?;
        let scanned = u64::try_from(answer.scanned_count).unwrap_or_default();
        let read: Result<Vec<_>, _> = answer.items.unwrap_or_default().into_iter().map(listed).collect();
        Ok(ContactPage {
            listed: read?.into_iter().flatten().collect(),
            scanned,
            next: answer.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }
}

/// The current consents are left out, because they repeat the newest evidence, and so are erased people, whose hashes mean
/// nothing elsewhere.
fn listed(item: Item) -> Result<Vec<ContactRecord>, StoreError> {
    let text = |name: &str| text_in(&item, name).unwrap_or_default().to_owned();
    let (contact, facet) = (text("contact"), text("facet"));
    if ContactKey::stored(&contact).is_erased() {
        return Ok(Vec::new());
    }
    let Some(Ok(identity)) = contact.split_once('#').map(|(_, address)| address.parse::<Identity>()) else {
        return Ok(Vec::new());
    };
    if facet != FACET {
        let evidence = evidence_in(OPERATION, item)?;
        return Ok(vec![ContactRecord { identity, facet, fact: RecordedFact::Consent(evidence) }]);
    }
    let PersonItem::Person(stored) = PersonItem::read(item)? else { return Ok(Vec::new()) };
    let ended = ended_consents(&stored.person).map(RecordedFact::Consent).collect::<Vec<_>>();
    let preferences = stored.person.preferences.into_iter().map(|(key, preference)| RecordedFact::Preference {
        channel: key.channel,
        scope: key.scope,
        preference,
    });
    let record = |fact| ContactRecord { identity: identity.clone(), facet: facet.clone(), fact };
    Ok(preferences.chain(ended).map(record).collect())
}

/// The withdrawals of consents that a STOP ended. A STOP that was lifted is not a preference any more, and without these
/// the consents would count again where the list is imported.
fn ended_consents(person: &Person) -> impl Iterator<Item = ConsentEvidence> + '_ {
    let given = Category::ALL.into_iter().filter(|category| person.consents.contains_key(category));
    given.filter_map(|category| person.consent(category)).filter_map(|consent| {
        let message_sid = consent.evidence.strip_prefix(HISTORY)?;
        let source = if message_sid.is_empty() { "opt-out".to_owned() } else { format!("opt-out by {message_sid}") };
        let is_withdrawn = consent.state == ConsentState::Withdrawn;
        is_withdrawn.then(|| ConsentEvidence::withdrawal(consent.category, consent.at, &source, consent.at))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(facet: &str, rest: Value) -> Vec<RecordedFact> {
        let mut item = rest;
        item["contact"] = json!("AC00000000000000000000000000000001#+14155550123");
        item["facet"] = json!(facet);
        let listed = listed(serde_dynamo::to_item(item).unwrap()).unwrap();
        assert!(listed.iter().all(|listed| listed.identity.as_str() == "+14155550123"));
        listed.into_iter().map(|listed| listed.fact).collect()
    }

    #[test]
    fn preferences_and_evidence_are_listed() {
        let at = "2026-11-20T09:00:00Z";
        let person = json!({
            "version": 1, "last_stop_at": at, "window#whatsapp:+14155238886": at,
            "consent#marketing": {"category": "marketing", "state": "given", "at": at, "evidence": "x"},
            "stop#sms": {"preference": "opted_in", "changed_at": at},
            "stop#whatsapp#marketing": {"preference": "opted_out", "changed_at": at, "reason": "asked by letter"},
        });
        let facts = read("person", person);
        let [first, second, RecordedFact::Consent(_)] = facts.as_slice() else { panic!("{facts:?}") };
        let RecordedFact::Preference { channel, scope, preference } = second else { panic!("{second:?}") };
        assert_eq!((channel.as_str(), scope), ("whatsapp", &Scope::Marketing));
        assert_eq!(preference.reason.as_deref(), Some("asked by letter"));
        assert!(matches!(first, RecordedFact::Preference { channel, scope: Scope::All, .. } if channel == "sms"));
        let evidence =
            json!({"category": "marketing", "state": "withdrawn", "at": at, "source": "s", "recorded_at": at});
        assert!(matches!(read("consent#marketing#2026#1", evidence)[..], [RecordedFact::Consent(_)]));
        assert_eq!(read("person", json!({"home": "US.1", "version": 1})), []);
    }

    #[test]
    fn consent_that_a_lifted_stop_ended_is_listed_as_withdrawn() {
        let (given, stopped) = ("2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z");
        let person = |last_stop_at: &str| {
            let consent = json!({"category": "marketing", "state": "given", "at": given, "evidence": "x"});
            let lifted = json!({"preference": "opted_in", "changed_at": "2026-11-20T11:00:00Z"});
            json!({"version": 1, "last_stop_at": last_stop_at, "consent#marketing": consent, "stop#whatsapp": lifted})
        };
        let facts = read("person", person(stopped));
        let [RecordedFact::Preference { .. }, RecordedFact::Consent(ended)] = facts.as_slice() else {
            panic!("{facts:?}")
        };
        assert_eq!((ended.state, ended.at.to_string().as_str()), (ConsentState::Withdrawn, stopped));
        assert_eq!((ended.category, ended.source.as_str()), (Category::Marketing, "opt-out"));
        assert_eq!(read("person", person("2026-11-20T08:00:00Z")).len(), 1, "the consent is newer than the STOP");
    }
}
