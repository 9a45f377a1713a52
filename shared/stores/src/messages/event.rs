//! The keys of the Messages table: what an item is about, and what happened.

use std::{fmt, str::FromStr};

use domain::{callback_url::CallbackOrigin, notification::NotificationId};
use serde::{Deserialize, Serialize};
use twilio_types::{
    message_status::ReportedStatus,
    sid::{AccountSid, MessageSid},
};

use super::FormHash;

/// What an item is about: the hash key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MessageSubject {
    /// A message that a person sent us, or that another system sent: `AC#SM`.
    Message(AccountSid, MessageSid),
    /// An attempt of a notification, which becomes one message: `AC#<notification>#<attempt>`. The attempt is in the
    /// callback URL that Twilio signs, so that a callback names its attempt without any read.
    Attempt(AccountSid, NotificationId, u32),
    /// A form that is neither: `AC#form#<hash>`, where the hash is that of its parameters, so that the same form comes once.
    Form(AccountSid, FormHash),
}

impl MessageSubject {
    /// The subject of a status callback.
    pub fn of_status(account_sid: &AccountSid, message_sid: &MessageSid, origin: Option<&CallbackOrigin>) -> Self {
        match origin {
            Some(origin) => Self::Attempt(account_sid.clone(), origin.notification_id.clone(), origin.attempt),
            None => Self::Message(account_sid.clone(), message_sid.clone()),
        }
    }
}

impl fmt::Display for MessageSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(account_sid, message_sid) => write!(f, "{account_sid}#{message_sid}"),
            Self::Attempt(account_sid, id, attempt) => write!(f, "{account_sid}#{id}#{attempt}"),
            // No attempt has such a number.
            Self::Form(account_sid, hash) => write!(f, "{account_sid}#form#{hash}"),
        }
    }
}

/// An event of a message: the range key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MessageEvent {
    /// `inbound`
    Inbound,
    /// The status of another system's message: `status#delivered`.
    Status(ReportedStatus),
    /// The status of the message that an attempt became: `SM...#delivered`.
    AttemptStatus(MessageSid, ReportedStatus),
}

/// A text that is not a range key of the Messages table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event of a message: expected inbound, or a message SID or the word status, # and a message status")]
pub struct UnknownMessageEvent;

impl MessageEvent {
    /// The status that is reported, if it is one.
    pub fn status(&self) -> Option<&ReportedStatus> {
        match self {
            Self::Inbound => None,
            Self::Status(status) | Self::AttemptStatus(_, status) => Some(status),
        }
    }
}

impl fmt::Display for MessageEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inbound => f.write_str("inbound"),
            Self::Status(status) => write!(f, "status#{status}"),
            Self::AttemptStatus(message_sid, status) => write!(f, "{message_sid}#{status}"),
        }
    }
}

impl FromStr for MessageEvent {
    type Err = UnknownMessageEvent;

    fn from_str(text: &str) -> Result<Self, UnknownMessageEvent> {
        if text == "inbound" {
            return Ok(Self::Inbound);
        }
        let (what, status) = text.split_once('#').ok_or(UnknownMessageEvent)?;
        let status = status.parse().map_err(|_| UnknownMessageEvent)?;
        match what.parse() {
            Ok(message_sid) => Ok(Self::AttemptStatus(message_sid, status)),
            Err(_) if what == "status" => Ok(Self::Status(status)),
            Err(_) => Err(UnknownMessageEvent),
        }
    }
}

impl TryFrom<String> for MessageEvent {
    type Error = UnknownMessageEvent;

    fn try_from(text: String) -> Result<Self, UnknownMessageEvent> {
        text.parse()
    }
}

impl From<MessageEvent> for String {
    fn from(event: MessageEvent) -> String {
        event.to_string()
    }
}

#[cfg(test)]
mod tests {
    use twilio_types::message_status::MessageStatus;
    use twilio_webhook::form::Form;

    use super::*;

    #[test]
    fn an_event_is_written_and_read_as_its_range_key() {
        let sid = "SM00000000000000000000000000000001";
        for (event, text) in [
            (MessageEvent::Inbound, "inbound".to_owned()),
            (MessageEvent::Status(MessageStatus::Delivered.into()), "status#delivered".to_owned()),
            (MessageEvent::Status("in #transit".parse().unwrap()), "status#in #transit".to_owned()),
            (MessageEvent::AttemptStatus(sid.parse().unwrap(), MessageStatus::Failed.into()), format!("{sid}#failed")),
        ] {
            assert_eq!(event.to_string(), text);
            assert_eq!(text.parse(), Ok(event));
        }
        for text in ["status#", "", "sent", "SM1#sent", "status"] {
            assert_eq!(text.parse::<MessageEvent>(), Err(UnknownMessageEvent), "{text}");
        }
    }

    #[test]
    fn subjects_of_messages_and_attempts_differ() {
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let sid: MessageSid = "SM00000000000000000000000000000001".parse().unwrap();
        let id = NotificationId::try_from(sid.to_string()).unwrap();
        let message = MessageSubject::Message(account_sid.clone(), sid.clone());
        assert_eq!(message.to_string(), format!("{account_sid}#{sid}"));
        let attempt = MessageSubject::Attempt(account_sid.clone(), id, 2);
        assert_eq!(attempt.to_string(), format!("{account_sid}#{sid}#2"));
        let form = MessageSubject::Form(account_sid.clone(), FormHash::of(&Form::parse(b"a=1")));
        assert!(form.to_string().starts_with(&format!("{account_sid}#form#")), "{form}");
        assert_eq!(form.to_string().len(), account_sid.as_str().len() + 6 + 64);
    }

    /// Source: Amazon DynamoDB, "Constraints": a partition key has at most 2,048 bytes, a sort key at most 1,024.
    #[test]
    fn keys_of_any_status_fit_into_the_table() {
        const MAX_PARTITION_KEY: usize = 2_048;
        const MAX_SORT_KEY: usize = 1_024;
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let sid: MessageSid = "SM00000000000000000000000000000001".parse().unwrap();
        let word: ReportedStatus = "\u{1f4a9}".repeat(64).parse().unwrap();
        let id = NotificationId::try_from("\u{1f4a9}".repeat(128)).unwrap();
        assert!(MessageEvent::AttemptStatus(sid, word).to_string().len() <= MAX_SORT_KEY);
        assert!(MessageSubject::Attempt(account_sid, id, u32::MAX).to_string().len() <= MAX_PARTITION_KEY);
    }
}
