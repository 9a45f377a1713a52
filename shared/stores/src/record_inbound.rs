//! Records what a person wrote, together with the wish it holds: in one transaction, so that a STOP that was answered is
//! kept. The same for a message that Twilio brought and for one that was found in its list.

use aws_sdk_dynamodb::Client;
use domain::{
    contact_key::ContactKey,
    limits::Retention,
    opt_out_keywords::Languages,
    opt_out_request::{Confirmation, Origin, Intent, PreferenceRequest},
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

/// Writes to the Messages and the Contacts table.
#[derive(Debug)]
pub struct InboundRecorder {
    client: Client,
    messages: Messages,
    contacts: Contacts,
    policy: OptOutPolicy,
    retention: Retention,
}

/// How a deployment understands opting out.
#[derive(Debug)]
pub struct OptOutPolicy {
    /// In which languages.
    pub languages: Languages,
    /// What a STOP covers.
    pub scope: OptOutScope,
}

/// What became of a message.
#[derive(Debug)]
pub struct InboundOutcome {
    /// What the person is told; a duplicate is answered as the first was.
    pub answer: Option<String>,
    /// What it asks for.
    pub intent: Intent,
    /// Whether it was there before.
    pub recorded: RecordOutcome,
}

/// What is known of a person under one name in one scope. Nothing is read first: the first try assumes that it is
/// nothing, and its refusal brings what there is.
struct KnownPreference {
    contact: ContactKey,
    scope: Scope,
    preference: Option<RecordedPreference>,
}

impl InboundRecorder {
    /// A recorder over the two tables.
    pub fn new(
        client: Client,
        messages: Messages,
        contacts: Contacts,
        policy: OptOutPolicy,
        retention: Retention,
    ) -> Self {
        Self { client, messages, contacts, policy, retention }
    }

    /// Records a message. One request, whether it holds a wish or not and whether it is the first time or not, unless the
    /// person has expressed another wish before, or hides the number behind a user id.
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
            Intent::SetPreference(wish) => self.record_preference(message, stored, wish).await?,
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
    pub fn asked(&self, message: &InboundMessage, source: Source) -> Asked {
        let origin = match source {
            Source::Webhook => Origin::Webhook,
            Source::Reconcile => Origin::MessageList,
        };
        Asked::by(message, origin, &self.policy.languages)
    }

    /// Records both or neither, and says what to answer.
    async fn record_preference(
        &self,
        message: &InboundMessage,
        mut stored: StoredMessage,
        wish: PreferenceRequest,
    ) -> Result<(Option<String>, RecordOutcome), StoreError> {
        let mut known = self.unknown(message, wish.preference).await?;
        for _ in 0..MAX_ROUNDS {
            let effects = effects(wish.preference, &stored, &known);
            let changes = effects.contains(&PreferenceEffect::Changed);
            stored.preference = changes.then_some(wish.preference);
            stored.answer = changes.then(|| confirmation(wish, stored.source)).flatten();
            let due: Vec<usize> =
                (0..known.len()).filter(|i| effects.get(*i) != Some(&PreferenceEffect::Stale)).collect();
            if due.is_empty() {
                return Ok((None, self.messages.record(&stored).await?));
            }
            match self.write(&message.from.channel, &stored, wish.preference, &known, &due).await? {
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

    /// Each name of the person in each scope of the wish. Who hides the number is looked up: their STOP has to reach the
    /// number that notifications go to.
    async fn unknown(&self, message: &InboundMessage, wish: Preference) -> Result<Vec<KnownPreference>, StoreError> {
        let mut contacts = ContactKey::all_of_sender(message);
        if matches!(message.from.identity, Identity::Opaque(_)) {
            for linked in self.contacts.linked(&ContactKey::of_sender(message)).await? {
                if !contacts.contains(&linked) {
                    contacts.push(linked);
                }
            }
        }
        let service = message.details.messaging_service_sid.as_ref();
        let scopes = self.policy.scope.scopes(wish, &message.to, service);
        let in_each_scope = |contact: ContactKey| {
            scopes.iter().map(move |scope| KnownPreference {
                contact: contact.clone(),
                scope: scope.clone(),
                preference: None,
            })
        };
        Ok(contacts.into_iter().flat_map(in_each_scope).collect())
    }

    /// Writes the message and the wish, the latter where it is `due`.
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
        let mut actions = vec![self.messages.recording(stored)?];
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

/// What the wish does under each name. A person is one: whatever was said last under any of the names is what the wish
/// has to be newer than.
fn effects(wish: Preference, stored: &StoredMessage, known: &[KnownPreference]) -> Vec<PreferenceEffect> {
    let of_scope = |scope: &Scope| {
        newest(known.iter().filter(|known| known.scope == *scope).filter_map(|known| known.preference.as_ref()))
    };
    known.iter().map(|known| effect(wish, stored.received_at, of_scope(&known.scope))).collect()
}

/// What became of a try.
enum InboundWrite {
    Written,
    Duplicate(Box<StoredMessage>),
    /// These preferences are not what they were taken for, but this.
    Changed(Vec<(usize, Option<RecordedPreference>)>),
}

impl InboundWrite {
    /// The message's own condition goes first: a duplicate stays one whatever has become of the preference since.
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

/// A first STOP is confirmed, a repeated one is not; a START needs no words. What was found later has nobody waiting for an
/// answer.
fn confirmation(wish: PreferenceRequest, source: Source) -> Option<String> {
    match (wish.preference, wish.confirmation, source) {
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

    fn known(address: &str, scope: Scope, said: Option<(Preference, &str)>) -> KnownPreference {
        let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
        let preference = said.map(|(preference, at)| RecordedPreference {
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
            &VerifiedForm::from_store(Form::parse(b"")),
            MessageArrival::webhook("2026-11-20T09:00:00Z".parse().unwrap()),
            Retention::default(),
        )
    }

    #[test]
    fn a_person_of_two_names_is_one() {
        use Preference::{OptedIn, OptedOut};
        use PreferenceEffect::{Changed, Repeated, Stale};
        const BEFORE: &str = "2026-11-20T08:00:00Z";
        const AFTER: &str = "2026-11-20T10:00:00Z";
        let cases = [
            (None, None, Changed, "a first STOP"),
            (Some((OptedOut, BEFORE)), None, Repeated, "said before under the other name"),
            (Some((OptedIn, AFTER)), None, Stale, "taken back since under the other name"),
            (Some((OptedIn, BEFORE)), Some((OptedOut, BEFORE)), Repeated, "of one time the opt-out counts"),
            (Some((OptedOut, BEFORE)), Some((OptedIn, "2026-11-20T08:30:00Z")), Changed, "the later of both counts"),
        ];
        for (number, user_id, expected, case) in cases {
            let known = [known("+14155550123", Scope::All, number), known("US.1", Scope::All, user_id)];
            assert_eq!(effects(OptedOut, &stored(), &known), [expected, expected], "{case}");
        }
    }

    #[test]
    fn scopes_are_decided_apart() {
        let said = Some((Preference::OptedOut, "2026-11-20T08:00:00Z"));
        let known =
            [known("+14155550123", Scope::All, None), known("+14155550123", Scope::Sender("whatsapp:+1".into()), said)];
        assert_eq!(
            effects(Preference::OptedIn, &stored(), &known),
            [PreferenceEffect::Repeated, PreferenceEffect::Changed]
        );
    }
}
