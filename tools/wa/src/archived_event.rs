//! An event of the archive, read: what it says happened, as the tables would record it again.

use domain::{
    callback_url::CallbackOrigin,
    contact_key::ContactKey,
    notification::NotificationId,
    preference::{Preference, RecordedPreference},
    suppression::{OptOutScope, Scope},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use stores::{
    contacts::{PreferenceSource, RecordedConsent},
    messages::MessageArrival,
};
use twilio_types::{
    address::{Address, Channel, E164},
    error_code::ErrorCode,
    sid::{AccountSid, MessageSid},
};
use twilio_webhook::form::{Form, RawForm};

use crate::redaction::redacted_debug;

mod consent;
mod news;
#[cfg(test)]
mod tests;

pub(crate) use news::NotificationNews;

/// An event as it was published.
pub(crate) struct ArchivedEvent {
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) schema: String,
    pub(crate) account_sid: AccountSid,
    pub(crate) occurred_at: Timestamp,
    /// The whole event.
    pub(crate) json: Value,
}

redacted_debug!(ArchivedEvent);

/// An event that is not as `docs/schema` says.
#[derive(Debug, thiserror::Error)]
#[error("an event of the archive cannot be read")]
pub(crate) struct UnreadableEvent(#[from] serde_json::Error);

/// What every event has.
#[derive(Deserialize)]
struct Head {
    event_id: String,
    event_type: String,
    schema: String,
    account_sid: AccountSid,
    occurred_at: Timestamp,
}

/// What an event says that a table records.
pub(crate) enum ArchivedFact {
    /// A person wrote.
    Inbound { form: Form, arrival: MessageArrival },
    /// Twilio reported a status. `origin` is missing if it is of another system's message.
    Status { form: Form, arrival: MessageArrival, origin: Option<CallbackOrigin> },
    /// A person opted out or in again.
    Preference(Box<ArchivedPreference>),
    /// A consent was given or withdrawn.
    Consent(Box<RecordedConsent>),
    /// Nothing that can be recorded again from an event.
    Other,
}

/// A preference, as [`stores::contacts::Contacts::record_preference`] records it.
pub(crate) struct ArchivedPreference {
    pub(crate) contact: ContactKey,
    pub(crate) channel: Channel,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) preference: RecordedPreference,
    pub(crate) source: PreferenceSource,
}

redacted_debug!(ArchivedFact, ArchivedPreference);

#[derive(Deserialize)]
struct FormBody {
    received_at: Timestamp,
    #[serde(default)]
    recovered: bool,
    raw: RawForm,
    #[serde(default)]
    notification_id: Option<NotificationId>,
    #[serde(default)]
    attempt: Option<u32>,
}

impl FormBody {
    fn arrival(&self) -> MessageArrival {
        if self.recovered {
            MessageArrival::listed(self.received_at)
        } else {
            MessageArrival::answered_webhook(self.received_at)
        }
    }
}

#[derive(Deserialize)]
struct PreferenceBody {
    contact: String,
    channel: String,
    #[serde(default)]
    message_sid: Option<MessageSid>,
    #[serde(default)]
    scope: Option<String>,
    /// Missing in an event of an earlier release.
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    code: Option<ErrorCode>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    recorded_by: Option<String>,
}

impl ArchivedEvent {
    pub(crate) fn read(json: Value) -> Result<Self, UnreadableEvent> {
        let Head { event_id, event_type, schema, account_sid, occurred_at } = Head::deserialize(&json)?;
        Ok(Self { event_id, event_type, schema, account_sid, occurred_at, json })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.json.get(name)?.as_str()
    }

    /// The contact that the event is about; none if it names none.
    pub(crate) fn contact(&self) -> Option<ContactKey> {
        let name = match self.event_type.as_str() {
            "twilio_inbound" | "media_stored" | "media_failed" => "from",
            "contact_opted_out" | "contact_opted_in" | "contact_consent" => "contact",
            _ => "to",
        };
        let address: Address = self.text(name)?.parse().ok()?;
        Some(ContactKey::new(&self.account_sid, &address.identity))
    }

    /// The message group on the events queue: the contact, or else the message or the account.
    pub(crate) fn group(&self) -> String {
        match (self.contact(), self.text("message_sid")) {
            (Some(contact), _) => contact.as_str().to_owned(),
            (None, Some(message_sid)) => format!("{}#{message_sid}", self.account_sid),
            (None, None) => self.account_sid.to_string(),
        }
    }

    /// The message that the event is about.
    pub(crate) fn message_sid(&self) -> Option<&str> {
        self.text("message_sid")
    }

    /// Whether a person opted out or in again, or a consent was recorded.
    pub(crate) fn is_of_contact(&self) -> bool {
        matches!(self.event_type.as_str(), "contact_opted_out" | "contact_opted_in" | "contact_consent")
    }

    /// What a table records of it. `scope` is what a STOP covers.
    pub(crate) fn fact(&self, scope: OptOutScope) -> Result<ArchivedFact, UnreadableEvent> {
        Ok(match self.event_type.as_str() {
            "twilio_inbound" => {
                let body = FormBody::deserialize(&self.json)?;
                ArchivedFact::Inbound { arrival: body.arrival(), form: body.raw.into() }
            }
            "twilio_status" => {
                let body = FormBody::deserialize(&self.json)?;
                let arrival = body.arrival();
                let origin = match (body.notification_id, body.attempt) {
                    (Some(notification_id), Some(attempt)) => Some(CallbackOrigin { notification_id, attempt }),
                    (None, _) => None,
                    // An event of an earlier release does not say which attempt it is about, and the key needs it.
                    (Some(_), None) => return Ok(ArchivedFact::Other),
                };
                ArchivedFact::Status { form: body.raw.into(), arrival, origin }
            }
            "contact_opted_out" => self.preference(Preference::OptedOut, scope)?,
            "contact_opted_in" => self.preference(Preference::OptedIn, scope)?,
            "contact_consent" => ArchivedFact::Consent(Box::new(consent::recorded(self)?)),
            _ => ArchivedFact::Other,
        })
    }

    /// The contact with this address, as it was stored.
    fn stored_contact(&self, address: &str) -> ContactKey {
        match address.parse::<E164>() {
            Ok(number) => ContactKey::of_phone(&self.account_sid, &number),
            Err(_) => ContactKey::stored(&format!("{}#{address}", self.account_sid)),
        }
    }

    fn preference(&self, preference: Preference, scope: OptOutScope) -> Result<ArchivedFact, UnreadableEvent> {
        let body = PreferenceBody::deserialize(&self.json)?;
        let scopes = scopes_of(&body, preference, scope);
        if scopes.is_empty() {
            return Ok(ArchivedFact::Other);
        }
        Ok(ArchivedFact::Preference(Box::new(ArchivedPreference {
            contact: self.stored_contact(&body.contact),
            channel: channel_of(body.channel),
            scopes,
            preference: RecordedPreference {
                preference,
                changed_at: self.occurred_at,
                message_sid: body.message_sid,
                reason: body.reason,
            },
            source: PreferenceSource {
                event_id: self.event_id.clone(),
                code: body.code,
                recorded_by: body.recorded_by,
            },
        })))
    }
}

/// What a preference covers. An event of an earlier release does not say it where a message expressed it, and names no sender:
/// then an opt-out covers everything, and an opt-in nothing if it may have been for one sender.
fn scopes_of(body: &PreferenceBody, preference: Preference, configured: OptOutScope) -> Vec<Scope> {
    let scope = |text: &String| match text.as_str() {
        "all" => Scope::All,
        "marketing" => Scope::Marketing,
        sender => Scope::Sender(sender.to_owned()),
    };
    if !body.scopes.is_empty() {
        return body.scopes.iter().map(scope).collect();
    }
    let is_of_sender = match body.scope.as_deref() {
        Some("all") => false,
        Some("marketing") => return vec![Scope::Marketing],
        Some(_) => true,
        None => configured == OptOutScope::Sender,
    };
    if is_of_sender && preference == Preference::OptedIn { Vec::new() } else { vec![Scope::All] }
}

fn channel_of(name: String) -> Channel {
    match name.as_str() {
        "whatsapp" => Channel::WhatsApp,
        "sms" => Channel::Sms,
        _ => Channel::Other(name),
    }
}
