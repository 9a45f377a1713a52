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
//!    is recognised by its history. Only where `reconcile` stored the message from Twilio's list, what its webhook asks for is
//!    still recorded.

use std::fmt;

use aws_sdk_dynamodb::Client;
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
    messages::{MessageArrival, MessageEvent, Messages, RecordOutcome, Reply, Source, StoredMessage},
};

const OPERATION: &str = "recording an inbound message";

#[derive(Debug)]
pub struct InboundRecorder {
    client: Client,
    messages: Messages,
    contacts: Contacts,
}

/// What a message asks for, by the settings of its account, and whether it can be confirmed.
#[derive(Clone, Copy)]
struct MessageRequest<'a> {
    preference: PreferenceRequest,
    settings: &'a OptOutSettings,
    reply: Reply,
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
            Intent::SetPreference(preference) => {
                let request = MessageRequest { preference, settings: &settings.opt_out, reply: arrival.reply };
                self.record_with_person(message, &mut stored, Some(request)).await?
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
        request: Option<MessageRequest<'_>>,
    ) -> Result<RecordOutcome, StoreError> {
        let identities = ContactKey::all_of_sender(message);
        let mut listed = None;
        for _ in 0..MAX_ROUNDS {
            let merged = self.contacts.merged_person(&identities).await?;
            let mut person = merged.person.clone();
            person.open_windows(windows_of(message), stored.received_at);
            let mut write = PersonWrite::Message;
            let mut actions = Vec::new();
            if let Some(request) = request {
                let change = change_of(message, stored, request.preference, request.settings);
                let is_stopped = person.suppressed_by([&Scope::All]).is_some();
                let effect = record_change(&mut person, message, &change, stored.source);
                stored.preference = (effect == PreferenceEffect::Changed).then_some(change.preference);
                stored.answer = stored.preference.and_then(|_| confirmation(request, is_stopped));
                actions.push(self.contacts.history_action(&ContactKey::of_sender(message), &change)?);
                if effect == PreferenceEffect::Changed {
                    write = PersonWrite::Preference(Box::new(change));
                }
            }
            // The message goes first, so that a refusal by it is found whatever else is refused.
            if listed.is_none() {
                actions.insert(0, self.messages.record_action(stored)?);
            }
            if !merged.is_stored(&person) {
                let now = stored.received_at;
                actions.extend(self.contacts.write_merged_actions(&merged, &person, &write, now)?);
            }
            match transact(&self.client, OPERATION, actions).await? {
                TransactionOutcome::Written => {
                    return Ok(listed.map_or(RecordOutcome::First, |first| RecordOutcome::Duplicate(Some(first))));
                }
                TransactionOutcome::Refused(refusals) => {
                    let mut refusals = refusals.into_iter();
                    if listed.is_none()
                        && let Some(refusal) = refusals.next().flatten()
                    {
                        let first = Box::new(Messages::read(refusal.item)?);
                        if request.is_none() || !is_of_the_list(&first, stored) {
                            return Ok(RecordOutcome::Duplicate(Some(first)));
                        }
                        listed = Some(first);
                    } else if request.is_some() && refusals.next().flatten().is_some() {
                        // The message's item has expired, but not its history.
                        return Ok(RecordOutcome::Duplicate(listed));
                    }
                }
            }
        }
        Err(StoreError::contended(OPERATION))
    }
}

/// Whether `reconcile` recorded the message before its webhook. Twilio's list lacks what may make a message a STOP, such as the
/// payload of a button, so what the webhook asks for is recorded all the same, unless the history has it.
fn is_of_the_list(first: &StoredMessage, webhook: &StoredMessage) -> bool {
    first.source == Source::Reconcile && webhook.source == Source::Webhook
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

/// A first STOP is confirmed, but not a repeated one, a START, or a message that is recorded when Twilio has its answer already:
/// one that `reconcile` found, or a spooled one. Nor is a STOP of marketing, if the person has stopped every message already:
/// that person expects no message from us.
fn confirmation(request: MessageRequest<'_>, is_stopped: bool) -> Option<String> {
    let MessageRequest { preference: PreferenceRequest { preference, scope, confirmation }, settings, reply } = request;
    let (Preference::OptedOut, Confirmation::FromUs(language), Reply::Awaited) = (preference, confirmation, reply)
    else {
        return None;
    };
    let is_expected = scope == RequestedScope::All || !is_stopped;
    is_expected.then(|| settings.confirmation(language, scope).to_owned())
}

#[cfg(test)]
mod tests;
