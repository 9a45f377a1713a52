//! Records an inbound message together with the preference that it requests, in one transaction: a STOP that was
//! confirmed is stored. The message comes from a webhook, or from Twilio's list of messages.
//!
//! Preferences are not read first. The first attempt assumes that none is stored. A refusal brings the stored ones, and
//! the next attempt decides again with them.

use std::fmt;

use aws_sdk_dynamodb::Client;
use domain::{
    contact_key::ContactKey,
    limits::Retention,
    opt_out_keywords::Languages,
    opt_out_request::{Confirmation, Intent, Origin, PreferenceRequest},
    preference::{Preference, PreferenceEffect, RecordedPreference, effect},
    suppression::{OptOutScope, Scope, newest},
};
use twilio_types::address::{Channel, Identity};
use twilio_webhook::{inbound_message::InboundMessage, signature::TrustedForm};

use crate::{
    contacts::{Contacts, MAX_ROUNDS},
    dynamodb::{FailedCondition, StoreError, TransactionOutcome, transact},
    messages::{MessageArrival, MessageEvent, Messages, RecordOutcome, Source, StoredMessage},
};

#[derive(Debug)]
pub struct InboundRecorder {
    client: Client,
    messages: Messages,
    contacts: Contacts,
    policy: OptOutPolicy,
    retention: Retention,
}

/// The opt-out settings of a deployment.
#[derive(Debug)]
pub struct OptOutPolicy {
    pub languages: Languages,
    pub scope: OptOutScope,
}

/// What became of an inbound message.
pub struct InboundOutcome {
    /// The text to answer with. A duplicate gets the answer of the first.
    pub answer: Option<String>,
    pub intent: Intent,
    pub recorded: RecordOutcome,
}

impl fmt::Debug for InboundOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundOutcome")
            .field("intent", &self.intent)
            .field("recorded", &self.recorded)
            .finish_non_exhaustive()
    }
}

/// The preference of one key of the person in one scope, as far as it is known.
struct KnownPreference {
    contact: ContactKey,
    scope: Scope,
    preference: Option<RecordedPreference>,
}

impl InboundRecorder {
    pub fn new(
        client: Client,
        messages: Messages,
        contacts: Contacts,
        policy: OptOutPolicy,
        retention: Retention,
    ) -> Self {
        Self { client, messages, contacts, policy, retention }
    }

    /// Records a message. This is one request, with or without a requested preference and for a duplicate too, unless a
    /// preference is stored already, or the sender is a user id that has to be resolved to the keys of the person.
    pub async fn record(
        &self,
        message: &InboundMessage,
        form: TrustedForm<'_>,
        arrival: MessageArrival,
    ) -> Result<InboundOutcome, StoreError> {
        let intent = self.intent(message, arrival.source);
        let (sid, account_sid) = (&message.message_sid, &message.account_sid);
        let mut stored = StoredMessage::new(sid, account_sid, MessageEvent::Inbound, form, arrival, self.retention);
        let (answer, recorded) = match intent {
            Intent::SetPreference(request) => self.record_preference(message, stored, request).await?,
            Intent::PossibleOptOut(language) => {
                stored.near_miss = Some(language);
                (None, self.messages.record(&stored).await?)
            }
            Intent::Other => (None, self.messages.record(&stored).await?),
        };
        let answer = match &recorded {
            RecordOutcome::First => answer,
            RecordOutcome::Duplicate(first) => first.answer.clone(),
        };
        Ok(InboundOutcome { answer, intent, recorded })
    }

    /// What a message asks for. Nothing is recorded.
    pub fn intent(&self, message: &InboundMessage, source: Source) -> Intent {
        let origin = match source {
            Source::Webhook => Origin::Webhook,
            Source::Reconcile => Origin::MessageList,
        };
        Intent::of(message, origin, &self.policy.languages)
    }

    /// Records the message and the preference, or neither, and gives the answer.
    async fn record_preference(
        &self,
        message: &InboundMessage,
        mut stored: StoredMessage,
        request: PreferenceRequest,
    ) -> Result<(Option<String>, RecordOutcome), StoreError> {
        let mut known = self.assume_no_preferences(message, request.preference).await?;
        for _ in 0..MAX_ROUNDS {
            let effects = effects(request.preference, &stored, &known);
            let changes = effects.contains(&PreferenceEffect::Changed);
            stored.preference = changes.then_some(request.preference);
            stored.answer = changes.then(|| confirmation(request, stored.source)).flatten();
            let due: Vec<usize> =
                (0..known.len()).filter(|i| effects.get(*i) != Some(&PreferenceEffect::Stale)).collect();
            if due.is_empty() {
                return Ok((None, self.messages.record(&stored).await?));
            }
            match self.write(&message.from.channel, &stored, request.preference, &known, &due).await? {
                InboundWrite::Written => return Ok((stored.answer, RecordOutcome::First)),
                InboundWrite::Duplicate(first) => return Ok((None, RecordOutcome::Duplicate(first))),
                InboundWrite::Changed(found) => {
                    for (index, preference) in found {
                        if let Some(known) = known.get_mut(index) {
                            known.preference = preference;
                        }
                    }
                }
            }
        }
        Err(StoreError::contended("recording a preference"))
    }

    /// All keys of the person in all scopes of the request. The linked keys of a user id are read, because its STOP has
    /// to hold for the phone number that notifications are sent to.
    async fn assume_no_preferences(
        &self,
        message: &InboundMessage,
        requested: Preference,
    ) -> Result<Vec<KnownPreference>, StoreError> {
        let mut contacts = ContactKey::all_of_sender(message);
        if matches!(message.from.identity, Identity::Opaque(_)) {
            for linked in self.contacts.linked(&ContactKey::of_sender(message)).await? {
                if !contacts.contains(&linked) {
                    contacts.push(linked);
                }
            }
        }
        let service = message.details.messaging_service_sid.as_ref();
        let scopes = self.policy.scope.scopes(requested, &message.to, service);
        let in_each_scope = |contact: ContactKey| {
            scopes.iter().map(move |scope| KnownPreference {
                contact: contact.clone(),
                scope: scope.clone(),
                preference: None,
            })
        };
        Ok(contacts.into_iter().flat_map(in_each_scope).collect())
    }

    /// Writes the message, and the preference for the keys that are `due`.
    async fn write(
        &self,
        channel: &Channel,
        stored: &StoredMessage,
        preference: Preference,
        known: &[KnownPreference],
        due: &[usize],
    ) -> Result<InboundWrite, StoreError> {
        let new = RecordedPreference {
            preference,
            changed_at: stored.received_at,
            message_sid: Some(stored.message_sid.clone()),
            reason: None,
        };
        let mut actions = vec![self.messages.record_action(stored)?];
        for known in due.iter().filter_map(|index| known.get(*index)) {
            let new = new.clone().after(known.preference.as_ref());
            let before = known.preference.as_ref();
            actions.push(self.contacts.set_preference(&known.contact, channel, &known.scope, &new, before)?);
        }
        match transact(&self.client, "recording a preference", actions).await? {
            TransactionOutcome::Written => Ok(InboundWrite::Written),
            TransactionOutcome::Refused(refusals) => InboundWrite::refused(refusals, due),
        }
    }
}

/// What the request does to each stored preference. All keys are one person, so in each scope the request is compared
/// with the newest preference of all keys.
fn effects(requested: Preference, stored: &StoredMessage, known: &[KnownPreference]) -> Vec<PreferenceEffect> {
    let of_scope = |scope: &Scope| {
        newest(known.iter().filter(|known| known.scope == *scope).filter_map(|known| known.preference.as_ref()))
    };
    known.iter().map(|known| effect(requested, stored.received_at, of_scope(&known.scope))).collect()
}

/// What became of one attempt to write.
enum InboundWrite {
    Written,
    Duplicate(Box<StoredMessage>),
    /// The stored preferences, by their place, that were not as assumed.
    Changed(Vec<(usize, Option<RecordedPreference>)>),
}

impl InboundWrite {
    /// The condition of the message counts first: a duplicate stays a duplicate, whatever the preferences are now.
    fn refused(refusals: Vec<Option<FailedCondition>>, due: &[usize]) -> Result<Self, StoreError> {
        let mut refusals = refusals.into_iter();
        if let Some(refusal) = refusals.next().flatten() {
            return Messages::read(refusal.item).map(|first| Self::Duplicate(Box::new(first)));
        }
        let changed = |(index, refusal): (&usize, Option<FailedCondition>)| {
            Some(Contacts::read_preference(refusal?.item).map(|found| (*index, found)))
        };
        due.iter().zip(refusals).filter_map(changed).collect::<Result<_, _>>().map(Self::Changed)
    }
}

/// A first STOP is confirmed, but not a repeated one, a START, or a message that `reconcile` found later.
fn confirmation(request: PreferenceRequest, source: Source) -> Option<String> {
    match (request.preference, request.confirmation, source) {
        (Preference::OptedOut, Confirmation::FromUs(language), Source::Webhook) => {
            Some(language.opt_out_confirmation().to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use twilio_webhook::form::Form;

    use super::*;

    fn known(address: &str, scope: Scope, stored: Option<(Preference, &str)>) -> KnownPreference {
        let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
        let preference = stored.map(|(preference, at)| RecordedPreference {
            preference,
            changed_at: at.parse().unwrap(),
            message_sid: None,
            reason: None,
        });
        KnownPreference { contact: ContactKey::new(&account_sid, &address.parse().unwrap()), scope, preference }
    }

    fn stored() -> StoredMessage {
        StoredMessage::new(
            &"SM00000000000000000000000000000001".parse().unwrap(),
            &"AC00000000000000000000000000000001".parse().unwrap(),
            MessageEvent::Inbound,
            TrustedForm::Stored(&Form::parse(b"")),
            MessageArrival::webhook("2026-11-20T09:00:00Z".parse().unwrap()),
            Retention::default(),
        )
    }

    #[test]
    fn the_newest_preference_of_all_keys_counts() {
        use Preference::{OptedIn, OptedOut};
        use PreferenceEffect::{Changed, Repeated, Stale};
        const BEFORE: &str = "2026-11-20T08:00:00Z";
        const AFTER: &str = "2026-11-20T10:00:00Z";
        let cases = [
            (None, None, Changed, "a first STOP"),
            (Some((OptedOut, BEFORE)), None, Repeated, "an earlier STOP of the other key"),
            (Some((OptedIn, AFTER)), None, Stale, "a later START of the other key"),
            (Some((OptedIn, BEFORE)), Some((OptedOut, BEFORE)), Repeated, "an opt-out at the same time counts"),
            (
                Some((OptedOut, BEFORE)),
                Some((OptedIn, "2026-11-20T08:30:00Z")),
                Changed,
                "the later of both keys counts",
            ),
        ];
        for (number, user_id, expected, case) in cases {
            let known = [known("+14155550123", Scope::All, number), known("US.1", Scope::All, user_id)];
            assert_eq!(effects(OptedOut, &stored(), &known), [expected, expected], "{case}");
        }
    }

    #[test]
    fn each_scope_is_decided_separately() {
        let opted_out = Some((Preference::OptedOut, "2026-11-20T08:00:00Z"));
        let known = [
            known("+14155550123", Scope::All, None),
            known("+14155550123", Scope::Sender("whatsapp:+1".into()), opted_out),
        ];
        assert_eq!(
            effects(Preference::OptedIn, &stored(), &known),
            [PreferenceEffect::Repeated, PreferenceEffect::Changed]
        );
    }
}
