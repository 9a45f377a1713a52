//! A contact's consent: what holds now, one item for each category, and the proofs, which only ever become more.

use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update};
use domain::{
    consent::{Consent, ConsentEvidence, ConsentState},
    contact_key::ContactKey,
    notification::Category,
};
use jiff::Timestamp;

use super::{Contacts, key, value};
use crate::{
    attribute::{text, time},
    dynamodb::{Item, StoreError, TransactionOutcome, transact},
};

/// The facets of consent begin with this.
pub(super) const CONSENT: &str = "consent#";

const OPERATION: &str = "recording consent in the Contacts table";

/// What a proof changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentOutcome {
    /// It is what holds now.
    Current(Consent),
    /// It is kept, and this, which is newer, still holds.
    Historic(Consent),
}

/// When a proof may change what holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConsentCondition {
    /// What is there is not newer. Of two at the same moment the withdrawal holds.
    NotNewer,
    /// Consent is given, and not after the proof.
    Given,
}

impl ConsentCondition {
    fn expression(self, state: ConsentState) -> &'static str {
        match (self, state) {
            (Self::NotNewer, ConsentState::Withdrawn) => "attribute_not_exists(contact) OR #at <= :at",
            (Self::NotNewer, ConsentState::Given) => {
                "attribute_not_exists(contact) OR #at < :at OR (#at = :at AND #state = :state)"
            }
            (Self::Given, _) => "#state = :given AND #at <= :at",
        }
    }
}

impl Contacts {
    /// Keeps a proof, and lets it hold from now on unless what holds is newer: one that arrives late is proof of its time
    /// all the same.
    pub async fn record_consent(
        &self,
        contact: &ContactKey,
        evidence: &ConsentEvidence,
    ) -> Result<ConsentOutcome, StoreError> {
        let consent = consent_of(evidence);
        let keeping = self.keeping(contact, &consent, evidence)?;
        let holding = self.holding(contact, &consent, ConsentCondition::NotNewer)?;
        let refusals = match transact(&self.client, OPERATION, vec![keeping.clone(), holding]).await? {
            TransactionOutcome::Written => return Ok(ConsentOutcome::Current(consent)),
            TransactionOutcome::Refused(refusals) => refusals,
        };
        let Some(newer) = refusals.into_iter().nth(1).flatten() else {
            return Err(StoreError::contended(OPERATION));
        };
        // What holds is never replaced by something older, so this stays true for the second request.
        transact(&self.client, OPERATION, vec![keeping]).await?;
        Self::read_consent(newer.item).map(ConsentOutcome::Historic)
    }

    /// Withdraws the consent that is given, and was before this time, and gives the categories for which that was so.
    /// Done again, it finds nothing to withdraw.
    pub async fn withdraw_consents(
        &self,
        contact: &ContactKey,
        categories: &[Category],
        at: Timestamp,
        source: &str,
        now: Timestamp,
    ) -> Result<Vec<Category>, StoreError> {
        let mut withdrawn = Vec::new();
        for category in categories {
            let evidence = ConsentEvidence::withdrawal(*category, at, source, now);
            let consent = consent_of(&evidence);
            let actions = vec![
                self.keeping(contact, &consent, &evidence)?,
                self.holding(contact, &consent, ConsentCondition::Given)?,
            ];
            if let TransactionOutcome::Written = transact(&self.client, OPERATION, actions).await? {
                withdrawn.push(*category);
            }
        }
        Ok(withdrawn)
    }

    /// What holds, from its item.
    pub fn read_consent(item: Item) -> Result<Consent, StoreError> {
        serde_dynamo::from_item(item).map_err(|error| StoreError::new("reading consent", error))
    }

    /// The write of a proof, which never replaces another.
    fn keeping(
        &self,
        contact: &ContactKey,
        consent: &Consent,
        evidence: &ConsentEvidence,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item: Item = serde_dynamo::to_item(evidence).map_err(|error| StoreError::new(OPERATION, error))?;
        item.extend(key(contact, &consent.evidence));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(contact)")
            .build()
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The write of what holds.
    fn holding(
        &self,
        contact: &ContactKey,
        consent: &Consent,
        condition: ConsentCondition,
    ) -> Result<TransactWriteItem, StoreError> {
        let condition = condition.expression(consent.state);
        let mut values = vec![
            (":category", value(OPERATION, &consent.category)?),
            (":state", value(OPERATION, &consent.state)?),
            (":at", time(consent.at)),
            (":evidence", text(&consent.evidence)),
        ];
        if condition.contains(":given") {
            values.push((":given", value(OPERATION, &ConsentState::Given)?));
        }
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(contact, &facet(consent.category))))
            .update_expression("SET category = :category, #state = :state, #at = :at, evidence = :evidence")
            .condition_expression(condition)
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#at", "at")
            .set_expression_attribute_values(Some(values.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// The facet of what holds for a category.
pub(super) fn facet(category: Category) -> String {
    format!("{CONSENT}{}", category.as_str())
}

/// What holds once a proof does. The proof's own facet is found by its time, and is unlike any other.
fn consent_of(evidence: &ConsentEvidence) -> Consent {
    let ConsentEvidence { category, state, at, .. } = *evidence;
    let unique = uuid::Uuid::new_v4().simple();
    Consent { category, state, at, evidence: format!("{}#{at:.3}#{unique}", facet(category)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence(at: Timestamp) -> ConsentEvidence {
        ConsentEvidence {
            text: Some("Send me offers.".to_owned()),
            ip: Some("2001:db8::1".parse().unwrap()),
            ..ConsentEvidence::withdrawal(Category::Marketing, at, "checkout-form", at)
        }
    }

    #[test]
    fn every_proof_has_a_facet_of_its_own() {
        let evidence = evidence("2026-11-20T09:00:00Z".parse().unwrap());
        let facets = [consent_of(&evidence).evidence, consent_of(&evidence).evidence];
        assert_ne!(facets[0], facets[1]);
        for facet in facets {
            assert!(facet.starts_with("consent#marketing#2026-11-20T09:00:00.000Z#"), "{facet}");
        }
    }

    proptest! {
        #[test]
        fn proofs_are_in_the_order_of_their_times(one in 0..4_000_000_000_000_i64, two in 0..4_000_000_000_000_i64) {
            let at = |millisecond| Timestamp::from_millisecond(millisecond).unwrap();
            let facet = |millisecond| consent_of(&evidence(at(millisecond))).evidence;
            prop_assume!(one != two);
            prop_assert_eq!(facet(one) < facet(two), one < two);
        }

        #[test]
        fn a_proof_is_read_as_it_was_kept(millisecond in 0..4_000_000_000_000_i64, source in "\\PC{1,200}") {
            let at = Timestamp::from_millisecond(millisecond).unwrap();
            let evidence = ConsentEvidence { source, ..evidence(at) };
            let item: Item = serde_dynamo::to_item(&evidence).unwrap();
            prop_assert_eq!(serde_dynamo::from_item::<_, ConsentEvidence>(item).unwrap(), evidence);
        }
    }
}
