//! Preferences that no message of the person expressed: an error code of Twilio, or an operator.

use domain::{
    contact_key::ContactKey,
    preference::{PreferenceEffect, RecordedPreference},
    suppression::Scope,
};
use jiff::Timestamp;
use twilio_types::{address::Channel, error_code::ErrorCode};

use super::{Contacts, MAX_ROUNDS, PersonWrite, PreferenceChange};
use crate::dynamodb::{StoreError, TransactionOutcome, transact};

const OPERATION: &str = "recording a preference in the Contacts table";

/// Where a preference comes from that no message expressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferenceSource {
    /// The id of the event. The same report gives the same id, so that its repetition is the same event.
    pub event_id: String,
    /// The code by which Twilio or WhatsApp reported it.
    pub code: Option<ErrorCode>,
}

impl Contacts {
    /// Records a preference. The newest one counts, as with messages. Only a change is an event.
    pub async fn record_preference(
        &self,
        contact: &ContactKey,
        channel: &Channel,
        scope: &Scope,
        preference: &RecordedPreference,
        source: &PreferenceSource,
        now: Timestamp,
    ) -> Result<PreferenceEffect, StoreError> {
        let scopes = std::slice::from_ref(scope);
        for _ in 0..MAX_ROUNDS {
            let stored = self.person(contact).await?;
            let mut person = stored.person.clone();
            let effect = person.record_preference(channel, scopes, preference);
            if person == stored.person {
                return Ok(effect);
            }
            let change = PreferenceChange {
                event_id: source.event_id.clone(),
                preference: preference.preference,
                channel: channel.name().to_owned(),
                identity: contact.address().to_owned(),
                scope: Some(scope.name().to_owned()),
                scopes: scopes.to_vec(),
                message_sid: preference.message_sid.clone(),
                code: source.code,
                reason: preference.reason.clone(),
                at: preference.changed_at,
            };
            let write = match effect {
                PreferenceEffect::Changed => PersonWrite::Preference(change.clone()),
                PreferenceEffect::Repeated | PreferenceEffect::Stale => PersonWrite::Evidence,
            };
            let mut actions = vec![self.write_person_action(&stored, &person, &write, now)?];
            if effect != PreferenceEffect::Stale {
                actions.push(self.history_action(contact, &PreferenceChange { message_sid: None, ..change })?);
            }
            if let TransactionOutcome::Written = transact(&self.client, OPERATION, actions).await? {
                return Ok(effect);
            }
        }
        Err(StoreError::contended(OPERATION))
    }
}
