//! A person's consents: the current ones are in the person's item, and each evidence is an item that is never changed.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::{
    consent::{Consent, ConsentEvidence},
    contact_key::ContactKey,
    person::ConsentEffect,
};
use jiff::Timestamp;

use super::{Contacts, MAX_ROUNDS, PersonWrite, key, person_item::CONSENT};
use crate::{
    attribute::text_in,
    dynamodb::{Item, StoreError, TransactionOutcome, transact},
    format,
};

const OPERATION: &str = "recording consent in the Contacts table";

impl Contacts {
    /// Stores evidence, and makes it the person's consent unless a newer consent, withdrawal or STOP counts. Evidence that
    /// arrives late is stored too: it proves the consent of its time.
    pub async fn record_consent(
        &self,
        contact: &ContactKey,
        evidence: &ConsentEvidence,
        now: Timestamp,
    ) -> Result<ConsentEffect, StoreError> {
        let consent = consent_of(evidence);
        for _ in 0..MAX_ROUNDS {
            let stored = self.person(contact).await?;
            if stored.is_erased() {
                self.revive(contact, now).await?;
                continue;
            }
            let mut person = stored.person.clone();
            let effect = person.record_consent(consent.clone());
            let mut actions = vec![self.evidence_action(contact, &consent, evidence)?];
            if let ConsentEffect::Current(_) = effect {
                actions.extend(self.write_person_actions(&stored, &person, &PersonWrite::Evidence, now)?);
            }
            if let TransactionOutcome::Written = transact(&self.client, OPERATION, actions).await? {
                return Ok(effect);
            }
        }
        Err(StoreError::contended(OPERATION))
    }

    /// Stores evidence, and never replaces other evidence.
    pub(super) fn evidence_action(
        &self,
        contact: &ContactKey,
        consent: &Consent,
        evidence: &ConsentEvidence,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item: Item = serde_dynamo::to_item(evidence).map_err(|error| StoreError::new(OPERATION, error))?;
        item.extend(key(contact, &consent.evidence));
        format::CONSENT.mark(&mut item);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(contact)")
            .build()
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// Whether these are the keys of evidence.
pub(crate) fn is_consent(keys: &Item) -> bool {
    text_in(keys, "facet").is_some_and(|facet| facet.starts_with(CONSENT))
}

/// Reads the item of evidence.
pub(crate) fn evidence_in(operation: &'static str, item: Item) -> Result<ConsentEvidence, StoreError> {
    format::CONSENT.check(operation, &item)?;
    serde_dynamo::from_item(item).map_err(|error| StoreError::new(operation, error))
}

/// The consent that evidence makes. The facet of the evidence sorts by its time, and is unique.
fn consent_of(evidence: &ConsentEvidence) -> Consent {
    let unique = uuid::Uuid::new_v4().simple();
    let facet = format!("{CONSENT}{}#{:.3}#{unique}", evidence.category.as_str(), evidence.at);
    consent_with(evidence, facet)
}

pub(super) fn consent_with(evidence: &ConsentEvidence, facet: String) -> Consent {
    let ConsentEvidence { category, state, at, .. } = *evidence;
    Consent { category, state, at, text_version: evidence.text_version.clone(), evidence: facet }
}

#[cfg(test)]
mod tests {
    use domain::notification::Category;
    use proptest::prelude::*;

    use super::*;

    fn evidence(at: Timestamp) -> ConsentEvidence {
        ConsentEvidence {
            text: Some("Send me offers.".to_owned()),
            text_version: Some("2026-11".to_owned()),
            ip: Some("2001:db8::1".parse().unwrap()),
            ..ConsentEvidence::withdrawal(Category::Marketing, at, "checkout-form", at)
        }
    }

    #[test]
    fn each_evidence_has_a_unique_facet() {
        let evidence = evidence("2026-11-20T09:00:00Z".parse().unwrap());
        let facets = [consent_of(&evidence).evidence, consent_of(&evidence).evidence];
        assert_ne!(facets[0], facets[1]);
        for facet in facets {
            assert!(facet.starts_with("consent#marketing#2026-11-20T09:00:00.000Z#"), "{facet}");
        }
    }

    proptest! {
        #[test]
        fn facets_of_evidence_sort_by_time(one in 0..4_000_000_000_000_i64, two in 0..4_000_000_000_000_i64) {
            let at = |millisecond| Timestamp::from_millisecond(millisecond).unwrap();
            let facet = |millisecond| consent_of(&evidence(at(millisecond))).evidence;
            prop_assume!(one != two);
            prop_assert_eq!(facet(one) < facet(two), one < two);
        }

        #[test]
        fn evidence_is_read_as_it_was_stored(millisecond in 0..4_000_000_000_000_i64, source in "\\PC{1,200}") {
            let at = Timestamp::from_millisecond(millisecond).unwrap();
            let evidence = ConsentEvidence { source, ..evidence(at) };
            let item: Item = serde_dynamo::to_item(&evidence).unwrap();
            prop_assert_eq!(serde_dynamo::from_item::<_, ConsentEvidence>(item).unwrap(), evidence);
        }
    }
}
