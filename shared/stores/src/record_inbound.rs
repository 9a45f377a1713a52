//! Records an inbound message, and what it changes about the person, in one transaction: once the webhook is answered, the
//! window is open, the identities are linked, and a STOP holds. The message comes from a webhook, or from Twilio's list.
//!
//! 1. Most messages change nothing but the person's windows. The first attempt is therefore a blind one: one transaction
//!    stores the message and moves the windows, on the condition that the person is known, has all identities that the
//!    message names, and does not expire soon.
//! 2. Any other message, and a refused first attempt, is decided with the stored people of all named identities: they
//!    become one person at one home ([`domain::person::choose_home`]), the windows open, and a STOP or a START is recorded. One transaction
//!    writes the message, the person, each new alias, and the history, each on the condition that it is as it was read. A
//!    refusal leads to another round.
//! 3. A message that is stored already is a duplicate, whatever the person is now. A STOP or a START whose message expired
//!    is recognised by its history.

use std::fmt;

use aws_sdk_dynamodb::{Client, types::TransactWriteItem};
use domain::{
    account_settings::{AccountSettings, OptOutSettings},
    contact_key::ContactKey,
    opt_out_request::{Confirmation, Intent, Origin, PreferenceRequest, RequestedScope},
    person::{Person, WindowKey},
    preference::{Preference, PreferenceEffect, RecordedPreference},
    suppression::Scope,
};
use jiff::{SignedDuration, Timestamp};
use twilio_types::address::Channel;
use twilio_webhook::{inbound_message::InboundMessage, signature::TrustedForm};

use crate::{
    contacts::{Contacts, MAX_ROUNDS, PersonWrite, PreferenceChange},
    dynamodb::{FailedCondition, StoreError, TransactionOutcome, transact},
    messages::{MessageArrival, MessageEvent, Messages, RecordOutcome, Source, StoredMessage},
};

const OPERATION: &str = "recording an inbound message";

#[derive(Debug)]
pub struct InboundRecorder {
    client: Client,
    messages: Messages,
    contacts: Contacts,
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

impl InboundRecorder {
    pub fn new(client: Client, messages: Messages, contacts: Contacts) -> Self {
        Self { client, messages, contacts }
    }

    /// Records a message with everything that it changes. This is one request for a message of a known person that
    /// requests no preference, and for its duplicate.
    pub async fn record(
        &self,
        message: &InboundMessage,
        form: TrustedForm<'_>,
        arrival: MessageArrival,
        settings: &AccountSettings,
    ) -> Result<InboundOutcome, StoreError> {
        let intent = intent(message, arrival.source, &settings.opt_out);
        let (sid, account_sid) = (&message.message_sid, &message.account_sid);
        let mut stored = StoredMessage::new(sid, account_sid, MessageEvent::Inbound, form, arrival, settings.retention);
        stored.unreadable_parameters.clone_from(&message.unreadable_parameters);
        if let Intent::PossibleOptOut(language) = intent {
            stored.near_miss = Some(language);
        }
        let recorded = match intent {
            Intent::SetPreference(request) => {
                self.record_with_person(message, &mut stored, Some((request, &settings.opt_out))).await?
            }
            _ => match self.record_blindly(message, &stored).await? {
                Some(recorded) => recorded,
                None => self.record_with_person(message, &mut stored, None).await?,
            },
        };
        let answer = match &recorded {
            RecordOutcome::First => stored.answer,
            RecordOutcome::Duplicate(first) => first.as_ref().and_then(|first| first.answer.clone()),
        };
        Ok(InboundOutcome { answer, intent, recorded })
    }

    /// The first attempt. None if the person has to be read.
    async fn record_blindly(
        &self,
        message: &InboundMessage,
        stored: &StoredMessage,
    ) -> Result<Option<RecordOutcome>, StoreError> {
        let actions = vec![
            self.messages.record_action(stored)?,
            self.contacts.move_windows_action(
                &ContactKey::all_of_sender(message),
                &windows_of(message),
                stored.received_at,
            )?,
        ];
        match transact(&self.client, OPERATION, actions).await? {
            TransactionOutcome::Written => Ok(Some(RecordOutcome::First)),
            TransactionOutcome::Refused(refusals) => match refusals.into_iter().next().flatten() {
                Some(FailedCondition { item }) => RecordOutcome::duplicate_of(item).map(Some),
                None => Ok(None),
            },
        }
    }

    /// Records the message together with the person that its sender is.
    async fn record_with_person(
        &self,
        message: &InboundMessage,
        stored: &mut StoredMessage,
        request: Option<(PreferenceRequest, &OptOutSettings)>,
    ) -> Result<RecordOutcome, StoreError> {
        let identities = ContactKey::all_of_sender(message);
        for _ in 0..MAX_ROUNDS {
            let merged = self.contacts.merged_person(&identities).await?;
            let mut person = merged.person.clone();
            person.open_windows(windows_of(message), stored.received_at);
            let mut write = PersonWrite::Message;
            let mut actions = Vec::new();
            if let Some((request, settings)) = request {
                let change = change_of(message, stored, request, settings);
                let is_stopped = person.suppressed_by([&Scope::All]).is_some();
                let effect = record_change(&mut person, message, &change, stored.source);
                stored.preference = (effect == PreferenceEffect::Changed).then_some(request.preference);
                stored.answer =
                    stored.preference.and_then(|_| confirmation(request, stored.source, is_stopped, settings));
                actions.push(self.contacts.history_action(&ContactKey::of_sender(message), &change)?);
                if effect == PreferenceEffect::Changed {
                    write = PersonWrite::Preference(Box::new(change));
                }
            }
            // The message goes first, so that a refusal by it is found whatever else is refused.
            actions.insert(0, self.messages.record_action(stored)?);
            if !merged.is_stored(&person) {
                let now = stored.received_at;
                actions.extend(self.contacts.write_merged_actions(&merged, &person, &write, now)?);
            }
            if let Some(outcome) = self.write(actions, request.is_some()).await? {
                return Ok(outcome);
            }
        }
        Err(StoreError::contended(OPERATION))
    }

    /// Writes all or nothing. None if the person changed meanwhile.
    async fn write(
        &self,
        actions: Vec<TransactWriteItem>,
        has_history: bool,
    ) -> Result<Option<RecordOutcome>, StoreError> {
        let refusals = match transact(&self.client, OPERATION, actions).await? {
            TransactionOutcome::Written => return Ok(Some(RecordOutcome::First)),
            TransactionOutcome::Refused(refusals) => refusals,
        };
        let mut refusals = refusals.into_iter();
        if let Some(refusal) = refusals.next().flatten() {
            return RecordOutcome::duplicate_of(refusal.item).map(Some);
        }
        let is_replay = has_history && refusals.next().flatten().is_some();
        // The message's item has expired, but not its history.
        Ok(is_replay.then_some(RecordOutcome::Duplicate(None)))
    }
}

/// What a message asks for, by the settings of its account. Nothing is recorded.
pub fn intent(message: &InboundMessage, source: Source, settings: &OptOutSettings) -> Intent {
    let origin = match source {
        Source::Webhook => Origin::Webhook,
        Source::Reconcile => Origin::MessageList,
    };
    Intent::of(message, origin, &settings.keywords)
}

/// The requested change. The event's id names the message, so that it is the same when it is published again.
fn change_of(
    message: &InboundMessage,
    stored: &StoredMessage,
    request: PreferenceRequest,
    settings: &OptOutSettings,
) -> PreferenceChange {
    let service = message.details.messaging_service_sid.as_ref();
    let scopes = settings.scope.scopes(request.preference, request.scope, &message.to, service);
    PreferenceChange {
        event_id: format!("{}.{}", stored.message_sid, PreferenceChange::event_type(request.preference)),
        preference: request.preference,
        channel: message.from.channel.name().to_owned(),
        identity: message.from.identity.as_str().to_owned(),
        scope: (request.scope == RequestedScope::Marketing).then(|| Scope::Marketing.name().to_owned()),
        scopes,
        message_sid: Some(stored.message_sid.clone()),
        code: None,
        reason: None,
        recorded_by: None,
        at: stored.received_at,
    }
}

fn record_change(
    person: &mut Person,
    message: &InboundMessage,
    change: &PreferenceChange,
    source: Source,
) -> PreferenceEffect {
    let preference = RecordedPreference {
        preference: change.preference,
        changed_at: latest_time(change.at, source),
        message_sid: change.message_sid.clone(),
        reason: None,
    };
    person.record_preference(&message.from.channel, &change.scopes, &preference)
}

/// When a message was written at the latest. Twilio's list has whole seconds, and a consent of the same second may be older.
fn latest_time(at: Timestamp, source: Source) -> Timestamp {
    const REST_OF_A_SECOND: SignedDuration = SignedDuration::from_millis(999);
    match source {
        Source::Webhook => at,
        Source::Reconcile => at.saturating_add(REST_OF_A_SECOND).unwrap_or(Timestamp::MAX),
    }
}

/// The windows that a message opens: those of the sender and of its service, if it came by WhatsApp.
fn windows_of(message: &InboundMessage) -> Vec<WindowKey> {
    if message.to.channel != Channel::WhatsApp {
        return Vec::new();
    }
    let service = message.details.messaging_service_sid.as_ref().map(ToString::to_string);
    [message.to.to_string()].into_iter().chain(service).map(|sender| WindowKey::of(&sender)).collect()
}

/// A first STOP is confirmed, but not a repeated one, a START, or a message that `reconcile` found later. Nor is a STOP of
/// marketing, if the person has stopped every message already: that person expects no message from us.
fn confirmation(
    request: PreferenceRequest,
    source: Source,
    is_stopped: bool,
    settings: &OptOutSettings,
) -> Option<String> {
    let (Preference::OptedOut, Confirmation::FromUs(language), Source::Webhook) =
        (request.preference, request.confirmation, source)
    else {
        return None;
    };
    let is_expected = request.scope == RequestedScope::All || !is_stopped;
    is_expected.then(|| settings.confirmation(language, request.scope).to_owned())
}

#[cfg(test)]
mod tests {
    use domain::opt_out_keywords::Language;

    use super::*;

    #[test]
    fn opt_out_is_confirmed_by_what_it_covers() {
        let settings = OptOutSettings::default();
        let request = |preference, scope| PreferenceRequest {
            preference,
            scope,
            confirmation: Confirmation::FromUs(Language::French),
        };
        let stop = |scope| request(Preference::OptedOut, scope);
        let (all, marketing) = (RequestedScope::All, RequestedScope::Marketing);
        let texts = [Language::French.opt_out_confirmation(), Language::French.marketing_opt_out_confirmation()];
        assert_eq!(confirmation(stop(all), Source::Webhook, false, &settings).as_deref(), Some(texts[0]));
        assert_eq!(confirmation(stop(all), Source::Webhook, true, &settings).as_deref(), Some(texts[0]));
        assert_eq!(confirmation(stop(marketing), Source::Webhook, false, &settings).as_deref(), Some(texts[1]));
        assert_eq!(
            confirmation(stop(marketing), Source::Webhook, true, &settings),
            None,
            "every message is stopped already"
        );
        assert_eq!(confirmation(stop(marketing), Source::Reconcile, false, &settings), None);
        assert_eq!(confirmation(request(Preference::OptedIn, all), Source::Webhook, false, &settings), None);
    }

    #[test]
    fn message_of_the_list_may_be_from_the_end_of_its_second() {
        let at: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        assert_eq!(latest_time(at, Source::Webhook), at);
        assert_eq!(latest_time(at, Source::Reconcile).to_string(), "2026-11-20T09:00:00.999Z");
    }
}
