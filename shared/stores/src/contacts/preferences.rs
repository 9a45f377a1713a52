//! A person's preferences: the facets `opt#...`.

use aws_sdk_dynamodb::types::{ConditionCheck, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update};
use domain::{
    contact_key::ContactKey,
    limits::{CONTACT_RETENTION, expiry},
    preference::{Preference, PreferenceEffect, RecordedPreference, effect},
    suppression::{CopyDirection, PREFERENCES, Scope, copy_direction},
};
use jiff::Timestamp;
use twilio_types::{address::Channel, sid::MessageSid};

use super::{Contacts, facet_after, key, value};
use crate::{
    attribute::time,
    dynamodb::{FailedCondition, Item, StoreError, TransactionOutcome, transact},
};

/// How often a preference is decided again because another writer changed the stored one. Each time another preference
/// of the same person was written, so this many are far more than a person expresses at once.
pub(crate) const MAX_ROUNDS: usize = 8;

impl Contacts {
    /// The action of a transaction that sets a preference, if the stored one is as known, or was expressed again
    /// meanwhile.
    ///
    /// An opt-out does not expire. An opt-in is only needed while older opt-outs may still arrive.
    pub fn set_preference(
        &self,
        contact: &ContactKey,
        channel: &Channel,
        scope: &Scope,
        new: &RecordedPreference,
        known: Option<&RecordedPreference>,
    ) -> Result<TransactWriteItem, StoreError> {
        self.set_facet(contact, &scope.facet(channel), new, known)
    }

    fn set_facet(
        &self,
        contact: &ContactKey,
        facet: &str,
        new: &RecordedPreference,
        known: Option<&RecordedPreference>,
    ) -> Result<TransactWriteItem, StoreError> {
        let operation = "setting a preference in the Contacts table";
        let (expiry_clause, expires_at) = match new.preference {
            Preference::OptedOut => ("REMOVE expires_at", None),
            Preference::OptedIn => ("", Some(expiry(new.changed_at, CONTACT_RETENTION))),
        };
        let mut values = vec![
            (":preference", value(operation, &new.preference)?),
            (":changed_at", time(new.changed_at)),
            (":message_sid", value(operation, &new.message_sid)?),
            (":reason", value(operation, &new.reason)?),
        ];
        let mut set = "SET preference = :preference, changed_at = :changed_at, message_sid = :message_sid, \
                       reason = :reason"
            .to_owned();
        if let Some(expires_at) = expires_at {
            set.push_str(", expires_at = :expires_at");
            values.push((":expires_at", value(operation, &expires_at)?));
        }
        let condition = match known {
            None => "attribute_not_exists(contact)",
            Some(known) => {
                values.push((":known_preference", value(operation, &known.preference)?));
                "preference = :known_preference AND changed_at <= :changed_at"
            }
        };
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(contact, facet)))
            .update_expression(format!("{set} {expiry_clause}"))
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Actions that refuse their transaction if the person has one of these suppressions, one action for each.
    pub fn require_not_suppressed(
        &self,
        contact: &ContactKey,
        suppressions: &[(Channel, Scope)],
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let operation = "checking suppression in the Contacts table";
        let check = |(channel, scope): &(Channel, Scope)| {
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .set_key(Some(key(contact, &scope.facet(channel))))
                .condition_expression("attribute_not_exists(contact) OR preference <> :opted_out")
                .expression_attribute_values(":opted_out", value(operation, &Preference::OptedOut)?)
                .build()
                .map_err(|error| StoreError::new(operation, error))?;
            Ok(TransactWriteItem::builder().condition_check(check).build())
        };
        suppressions.iter().map(check).collect()
    }

    /// Reads the item that refused [`Contacts::set_preference`]; none if no item is stored.
    pub fn read_preference(item: Item) -> Result<Option<RecordedPreference>, StoreError> {
        if item.is_empty() {
            return Ok(None);
        }
        serde_dynamo::from_item(item).map(Some).map_err(|error| StoreError::new("reading a preference", error))
    }

    /// Suppresses a person with all linked identities, because an error code of Twilio or WhatsApp says that the person
    /// opted out. A newer START wins over it, as over a STOP.
    pub async fn suppress(
        &self,
        contact: &ContactKey,
        channel: &Channel,
        scope: &Scope,
        at: Timestamp,
        message_sid: Option<&MessageSid>,
    ) -> Result<PreferenceEffect, StoreError> {
        let preference = RecordedPreference {
            preference: Preference::OptedOut,
            changed_at: at,
            message_sid: message_sid.cloned(),
            reason: None,
        };
        self.record_preference(contact, channel, scope, &preference).await
    }

    /// Records a preference that no message expressed, with all linked identities. The newest preference wins, as with
    /// messages.
    pub async fn record_preference(
        &self,
        contact: &ContactKey,
        channel: &Channel,
        scope: &Scope,
        preference: &RecordedPreference,
    ) -> Result<PreferenceEffect, StoreError> {
        let effect = self.write_if_newer(contact, &scope.facet(channel), preference).await?;
        self.share_preferences(contact).await?;
        Ok(effect)
    }

    /// Copies preferences between a contact and all its linked identities. It is for a message that changed a
    /// preference, because the message's transaction writes only to the identities that the message names.
    pub async fn share_preferences(&self, contact: &ContactKey) -> Result<(), StoreError> {
        for other in self.linked(contact).await? {
            self.exchange_preferences(contact, &other).await?;
        }
        Ok(())
    }

    /// Gives two contacts the same preferences, scope by scope: the newer one wins.
    pub(super) async fn exchange_preferences(&self, one: &ContactKey, other: &ContactKey) -> Result<(), StoreError> {
        let (of_one, of_other) = tokio::try_join!(self.preferences(one), self.preferences(other))?;
        let known = |all: &[(String, RecordedPreference)], name: &str| {
            all.iter().find(|(facet, _)| facet == name).map(|(_, known)| known.clone())
        };
        let mut facets: Vec<&String> = of_one.iter().chain(&of_other).map(|(facet, _)| facet).collect();
        facets.sort();
        facets.dedup();
        for facet in facets {
            let (first, second) = (known(&of_one, facet), known(&of_other, facet));
            let copy_direction = copy_direction(first.as_ref(), second.as_ref());
            match (copy_direction, first, second) {
                (CopyDirection::SecondToFirst, _, Some(second)) => self.write_if_newer(one, facet, &second).await?,
                (CopyDirection::FirstToSecond, Some(first), _) => self.write_if_newer(other, facet, &first).await?,
                _ => continue,
            };
        }
        Ok(())
    }

    async fn preferences(&self, contact: &ContactKey) -> Result<Vec<(String, RecordedPreference)>, StoreError> {
        let items = self.facets("listing preferences in the Contacts table", contact, PREFERENCES).await?;
        let read = |item: Item| {
            let facet = format!("{PREFERENCES}{}", facet_after(&item, PREFERENCES).unwrap_or_default());
            Ok(Self::read_preference(item)?.map(|preference| (facet, preference)))
        };
        items.into_iter().filter_map(|item| read(item).transpose()).collect()
    }

    /// Writes a preference if it is newer than the stored one. Nothing is read first: a refusal brings the stored one.
    async fn write_if_newer(
        &self,
        contact: &ContactKey,
        facet: &str,
        preference: &RecordedPreference,
    ) -> Result<PreferenceEffect, StoreError> {
        let operation = "recording a preference in the Contacts table";
        let mut known: Option<RecordedPreference> = None;
        for _ in 0..MAX_ROUNDS {
            let effect = effect(preference.preference, preference.changed_at, known.as_ref());
            if effect == PreferenceEffect::Stale {
                return Ok(effect);
            }
            let new = preference.clone().after(known.as_ref());
            let action = self.set_facet(contact, facet, &new, known.as_ref())?;
            match transact(&self.client, operation, vec![action]).await? {
                TransactionOutcome::Written => return Ok(effect),
                TransactionOutcome::Refused(refusals) => {
                    let found = refusals.into_iter().next().flatten().map(|FailedCondition { item }| item);
                    known = Self::read_preference(found.unwrap_or_default())?;
                }
            }
        }
        Err(StoreError::contended(operation))
    }
}
