//! A contact's consents: for each category one item with the current consent, and one item for each piece of evidence.

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

/// The prefix of the facets of consents.
pub(super) const CONSENT: &str = "consent#";

const OPERATION: &str = "recording consent in the Contacts table";

/// What recording evidence changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentOutcome {
    /// It is the current consent.
    Current(Consent),
    /// It is stored, but this newer consent stays the current one.
    Historic(Consent),
}

/// When new evidence replaces the current consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConsentCondition {
    /// If the current consent is not newer. Of two at the same time the withdrawal wins.
    NotNewer,
    /// If consent is given, and was not given later.
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
    /// Stores evidence, and makes it the current consent unless that is newer. Evidence that arrives late is stored
    /// too: it proves the consent of its time.
    pub async fn record_consent(
        &self,
        contact: &ContactKey,
        evidence: &ConsentEvidence,
    ) -> Result<ConsentOutcome, StoreError> {
        let consent = consent_of(evidence);
        let store = self.evidence_action(contact, &consent, evidence)?;
        let replace = self.current_action(contact, &consent, ConsentCondition::NotNewer)?;
        let refusals = match transact(&self.client, OPERATION, vec![store.clone(), replace]).await? {
            TransactionOutcome::Written => return Ok(ConsentOutcome::Current(consent)),
            TransactionOutcome::Refused(refusals) => refusals,
        };
        let Some(newer) = refusals.into_iter().nth(1).flatten() else {
            return Err(StoreError::contended(OPERATION));
        };
        // Older evidence never replaces the current consent, so it is still newer after the second request.
        transact(&self.client, OPERATION, vec![store]).await?;
        Self::read_consent(newer.item).map(ConsentOutcome::Historic)
    }

    /// Withdraws the consents that were given up to this time, and gives their categories. A second call finds nothing
    /// to withdraw.
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
                self.evidence_action(contact, &consent, &evidence)?,
                self.current_action(contact, &consent, ConsentCondition::Given)?,
            ];
            if let TransactionOutcome::Written = transact(&self.client, OPERATION, actions).await? {
                withdrawn.push(*category);
            }
        }
        Ok(withdrawn)
    }

    /// Reads the item of a current consent.
    pub fn read_consent(item: Item) -> Result<Consent, StoreError> {
        serde_dynamo::from_item(item).map_err(|error| StoreError::new("reading consent", error))
    }

    /// Stores evidence, and never replaces other evidence.
    fn evidence_action(
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

    /// Replaces the current consent under a condition.
    fn current_action(
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

/// The facet of the current consent for a category.
pub(super) fn facet(category: Category) -> String {
    format!("{CONSENT}{}", category.as_str())
}

/// The current consent that evidence makes. The facet of the evidence sorts by its time, and is unique.
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
