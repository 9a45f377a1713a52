//! Records archived events in the tables again, as their webhooks did: by the same transactions, so that what is recorded
//! already changes nothing, and the streams publish what is not under the same event ids.

use domain::{account_settings::AccountSettings, contact_key::ContactKey};
use jiff::Timestamp;
use stores::{
    contacts::{ConsentRecovery, Contacts, RecordedConsent},
    dynamodb::StoreError,
    messages::{MessageEvent, MessageSubject, Messages, RecordOutcome},
    record_inbound::InboundRecorder,
    record_status::StatusRecorder,
};
use twilio_types::sid::AccountSid;
use twilio_webhook::{inbound_message::InboundMessage, signature::TrustedForm, status_callback::StatusCallback};

use crate::{
    archived_event::{ArchivedEvent, ArchivedFact, ArchivedPreference},
    error::CommandError,
    session::Session,
};

/// The tables, and the settings by which they are written.
pub(crate) struct TableRecorder<'a> {
    session: &'a Session,
    messages: Messages,
    contacts: Contacts,
    inbound: InboundRecorder,
    statuses: StatusRecorder,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// The tables did not have it, and have it now; or do not have it, if nothing is written.
    Missing,
    Present,
    /// Tables record nothing of such an event.
    Nothing,
    /// It is not as its schema says.
    Unreadable,
}

/// Whether what is missing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    OnlyLook,
}

impl From<RecordOutcome> for Recorded {
    fn from(outcome: RecordOutcome) -> Self {
        match outcome {
            RecordOutcome::First => Self::Missing,
            RecordOutcome::Duplicate(_) => Self::Present,
        }
    }
}

impl<'a> TableRecorder<'a> {
    pub(crate) async fn new(session: &'a Session) -> Result<Self, CommandError> {
        let (messages, contacts) = (session.messages().await?, session.contacts().await?);
        Ok(Self {
            session,
            inbound: InboundRecorder::new(session.dynamodb().await?, messages.clone(), contacts.clone()),
            statuses: StatusRecorder::new(messages.clone()),
            messages,
            contacts,
        })
    }

    async fn settings(&self, account_sid: &AccountSid) -> Result<&AccountSettings, CommandError> {
        Ok(self.session.tenants().await?.of(account_sid))
    }

    /// Records an event, or looks whether it is recorded.
    pub(crate) async fn record(&self, event: &ArchivedEvent, mode: Mode) -> Result<Recorded, CommandError> {
        let settings = self.settings(&event.account_sid).await?;
        let fact = event.fact(settings.opt_out.scope);
        Ok(match fact {
            Err(_) => Recorded::Unreadable,
            Ok(ArchivedFact::Other) => Recorded::Nothing,
            Ok(ArchivedFact::Preference(preference)) => self.preference(&preference, mode).await?,
            Ok(ArchivedFact::Consent(recorded)) => self.consent(&recorded, mode).await?,
            Ok(ArchivedFact::Inbound { form, arrival }) => {
                let form = TrustedForm::Stored(&form);
                let Ok(message) = InboundMessage::parse(form) else { return Ok(Recorded::Unreadable) };
                if mode == Mode::OnlyLook {
                    return Ok(self.inbound_is_recorded(&message).await?);
                }
                self.inbound.record(&message, form, arrival, settings).await?.recorded.into()
            }
            Ok(ArchivedFact::Status { form, arrival, origin }) => {
                let form = TrustedForm::Stored(&form);
                let Ok(callback) = StatusCallback::parse(form) else { return Ok(Recorded::Unreadable) };
                if mode == Mode::OnlyLook {
                    let (account_sid, sid) = (&callback.account_sid, &callback.message_sid);
                    let subject = MessageSubject::of_status(account_sid, sid, origin.as_ref());
                    let event = match origin {
                        Some(_) => MessageEvent::AttemptStatus(sid.clone(), callback.status),
                        None => MessageEvent::Status(callback.status),
                    };
                    return Ok(self.is_recorded(subject, event).await?);
                }
                self.statuses.record(&callback, form, origin.as_ref(), arrival, settings.retention).await?.into()
            }
        })
    }

    async fn is_recorded(&self, subject: MessageSubject, event: MessageEvent) -> Result<Recorded, StoreError> {
        let recorded = self.messages.recorded(&[(subject, event)].into()).await?;
        Ok(if recorded.is_empty() { Recorded::Missing } else { Recorded::Present })
    }

    /// A message that asked for a STOP or a START is recognised by its history alone, and not stored again.
    async fn inbound_is_recorded(&self, message: &InboundMessage) -> Result<Recorded, StoreError> {
        let subject = MessageSubject::Message(message.account_sid.clone(), message.message_sid.clone());
        let recorded = self.is_recorded(subject, MessageEvent::Inbound).await?;
        let sender = ContactKey::of_sender(message);
        if recorded == Recorded::Missing && self.contacts.has_request(&sender, &message.message_sid).await? {
            return Ok(Recorded::Present);
        }
        Ok(recorded)
    }

    async fn consent(&self, recorded: &RecordedConsent, mode: Mode) -> Result<Recorded, StoreError> {
        let now = Timestamp::now();
        let is_missing = match mode {
            Mode::OnlyLook => self.contacts.lacks_consent(recorded, now).await?,
            Mode::Write => self.contacts.recover_consent(recorded, now).await? == ConsentRecovery::Recovered,
        };
        Ok(if is_missing { Recorded::Missing } else { Recorded::Present })
    }

    async fn preference(&self, archived: &ArchivedPreference, mode: Mode) -> Result<Recorded, StoreError> {
        let ArchivedPreference { contact, channel, scopes, preference, source } = archived;
        let stored = self.contacts.person(contact).await?.person;
        let mut person = stored.clone();
        person.record_request(Some(channel), scopes, preference);
        if person == stored {
            return Ok(Recorded::Present);
        }
        if mode == Mode::Write {
            let now = Timestamp::now();
            let recorded = self.contacts.record_preference(contact, Some(channel), scopes, preference, source, now);
            recorded.await?;
        }
        Ok(Recorded::Missing)
    }
}
