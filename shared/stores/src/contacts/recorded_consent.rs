//! Evidence of a consent with the place where it is stored: as the stream brings it, and as the archive brings it back.

use std::fmt;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{
    consent::{Consent, ConsentEvidence},
    contact_key::ContactKey,
    person::{ConsentEffect, Person},
};
use jiff::Timestamp;

use super::{
    Contacts, MAX_ROUNDS, PersonWrite,
    consents::{consent_with, evidence_in, is_consent},
    key,
    person_item::CONSENT,
};
use crate::{
    attribute::text_in,
    dynamodb::{Item, StoreError, TransactionOutcome, transact},
};

const OPERATION: &str = "bringing back a consent in the Contacts table";

/// Evidence and its place. The place is unique, so that the same evidence is never stored twice.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordedConsent {
    /// The identity that the consent was recorded of.
    pub contact: ContactKey,
    /// The facet of the item.
    pub facet: String,
    pub evidence: ConsentEvidence,
}

/// What became of evidence that was to be brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentRecovery {
    /// The evidence was not stored, or did not count.
    Recovered,
    /// It is stored and counts, or a newer consent or STOP does.
    Known,
}

impl fmt::Debug for RecordedConsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedConsent").field("evidence", &self.evidence).finish_non_exhaustive()
    }
}

impl RecordedConsent {
    /// Whether an item with these keys is evidence of a consent.
    pub fn is_in(item: &Item) -> bool {
        is_consent(item)
    }

    /// Whether its place is one of evidence.
    pub fn is_record(&self) -> bool {
        self.facet.starts_with(CONSENT)
    }

    /// Reads the item of evidence.
    pub fn read(item: Item) -> Result<Self, StoreError> {
        let text = |name| text_in(&item, name).unwrap_or_default().to_owned();
        let (contact, facet) = (ContactKey::stored(&text("contact")), text("facet"));
        Ok(Self { contact, facet, evidence: evidence_in("reading evidence of a consent", item)? })
    }

    fn consent(&self) -> Consent {
        consent_with(&self.evidence, self.facet.clone())
    }

    /// The person with this consent; none if the same one, or what is newer, counts already.
    fn counted_by(&self, person: &Person) -> Option<Person> {
        let ConsentEvidence { category, state, at, .. } = self.evidence;
        // Two records may say the same of the same moment. Each of them would replace the other for ever.
        let is_same = |known: Consent| (known.at, known.state) == (at, state);
        if person.consent(category).is_some_and(is_same) {
            return None;
        }
        let mut changed = person.clone();
        match changed.record_consent(self.consent()) {
            ConsentEffect::Current(_) => Some(changed),
            ConsentEffect::Historic(_) => None,
        }
    }
}

impl Contacts {
    /// Whether evidence is not stored, or does not count though nothing newer does.
    pub async fn lacks_consent(&self, recorded: &RecordedConsent, now: Timestamp) -> Result<bool, StoreError> {
        Ok(!self.missing_actions(recorded, now).await?.is_empty())
    }

    /// Stores evidence that is not stored, at its place, and makes it count unless something newer does. Evidence of an erased person
    /// is left out: it would name a person who is suppressed anyway.
    pub async fn recover_consent(
        &self,
        recorded: &RecordedConsent,
        now: Timestamp,
    ) -> Result<ConsentRecovery, StoreError> {
        for _ in 0..MAX_ROUNDS {
            let actions = self.missing_actions(recorded, now).await?;
            if actions.is_empty() {
                return Ok(ConsentRecovery::Known);
            }
            if let TransactionOutcome::Written = transact(&self.client, OPERATION, actions).await? {
                return Ok(ConsentRecovery::Recovered);
            }
        }
        Err(StoreError::contended(OPERATION))
    }

    async fn missing_actions(
        &self,
        recorded: &RecordedConsent,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let stored = self.person(&recorded.contact).await?;
        if stored.is_erased() {
            return Ok(Vec::new());
        }
        let mut actions = Vec::new();
        if !self.is_stored(recorded).await? {
            actions.push(self.evidence_action(&recorded.contact, &recorded.consent(), &recorded.evidence)?);
        }
        if let Some(person) = recorded.counted_by(&stored.person) {
            actions.extend(self.write_person_actions(&stored, &person, &PersonWrite::Evidence, now)?);
        }
        Ok(actions)
    }

    async fn is_stored(&self, recorded: &RecordedConsent) -> Result<bool, StoreError> {
        let key = key(&recorded.contact, &recorded.facet);
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk(OPERATION, error))?;
        Ok(answer.item.is_some())
    }
}

#[cfg(test)]
mod tests {
    use domain::{consent::ConsentState, notification::Category};

    use super::*;

    fn recorded(facet: &str, second: i64, state: ConsentState) -> RecordedConsent {
        let at = Timestamp::from_second(1_790_000_000 + second).unwrap();
        RecordedConsent {
            contact: ContactKey::stored("AC00000000000000000000000000000001#+14155550123"),
            facet: format!("consent#marketing#{facet}"),
            evidence: ConsentEvidence { state, ..ConsentEvidence::withdrawal(Category::Marketing, at, "form", at) },
        }
    }

    #[test]
    fn newest_consent_counts_in_any_order() {
        let given = recorded("1", 0, ConsentState::Given);
        let withdrawn = recorded("2", 9, ConsentState::Withdrawn);
        let person = given.counted_by(&Person::default()).unwrap();
        assert!(withdrawn.counted_by(&person).is_some());
        let person = withdrawn.counted_by(&Person::default()).unwrap();
        assert_eq!(given.counted_by(&person), None);
    }

    #[test]
    fn two_records_of_one_moment_do_not_replace_each_other() {
        let [one, two] = ["1", "2"].map(|facet| recorded(facet, 0, ConsentState::Given));
        let person = one.counted_by(&Person::default()).unwrap();
        assert_eq!((one.counted_by(&person), two.counted_by(&person)), (None, None));
        let withdrawn = recorded("3", 0, ConsentState::Withdrawn);
        assert!(withdrawn.counted_by(&person).is_some(), "of the same moment the withdrawal counts");
    }
}
