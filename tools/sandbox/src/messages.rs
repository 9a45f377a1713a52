//! MessageLog as Twilio keeps them.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{address::Channel, message_status::MessageStatus, sid::MessageSid};

use crate::{
    capacity,
    sids::{Sids, is_sid},
};

/// A message as Twilio keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) sid: MessageSid,
    pub(crate) channel: Channel,
    pub(crate) direction: &'static str,
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    pub(crate) body: String,
    pub(crate) media: Vec<Media>,
    pub(crate) content_sid: Option<String>,
    /// What the message gives for the content's variables.
    pub(crate) content_variables: BTreeMap<String, String>,
    pub(crate) buttons: Vec<MessageButton>,
    pub(crate) location: Option<MessageLocation>,
    pub(crate) feedback: Feedback,
    /// The message that a person replies to.
    pub(crate) replied_to: Option<MessageSid>,
    pub(crate) messaging_service_sid: Option<String>,
    pub(crate) status: MessageStatus,
    pub(crate) error_code: Option<u32>,
    pub(crate) status_callback: Option<String>,
    /// When a scheduled message is to go out.
    pub(crate) send_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) sent_at: Option<Timestamp>,
}

/// Whether the sender wants to tell what the person made of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Feedback {
    #[default]
    NotAsked,
    Asked,
}

/// A button below a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MessageButton {
    pub(crate) kind: ButtonKind,
    /// What is written on it.
    pub(crate) title: String,
    /// What comes back as `ButtonPayload` when it is pressed.
    pub(crate) id: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) phone: Option<String>,
}

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ButtonKind {
    /// It answers.
    QuickReply,
    /// It opens a page.
    Url,
    /// It calls.
    PhoneNumber,
}

/// A place on a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageLocation {
    /// In degrees.
    pub(crate) latitude: f64,
    /// In degrees.
    pub(crate) longitude: f64,
    /// Its name.
    #[serde(default)]
    pub(crate) label: Option<String>,
    #[serde(default)]
    pub(crate) address: Option<String>,
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media {
    /// `ME` and 32 hexadecimal digits.
    pub(crate) sid: String,
    pub(crate) url: String,
    /// None for a file that goes out: nobody has fetched it.
    pub(crate) content_type: Option<String>,
}

impl Media {
    /// A file at a URL, under the SID that the URL ends in where it looks like Twilio's own.
    pub(crate) fn new(sids: &Sids, url: String, content_type: Option<String>) -> Self {
        let own = url.rsplit('/').next().filter(|end| is_sid("ME", end)).map(str::to_owned);
        Self { sid: own.unwrap_or_else(|| sids.next("ME")), url, content_type }
    }
}

/// All messages, found by their SID without looking at the others.
#[derive(Debug, Default)]
pub(crate) struct MessageLog {
    by_number: BTreeMap<u64, Message>,
    numbers: HashMap<MessageSid, u64>,
    next: u64,
    /// Those that are new or may have been changed since this was last asked for.
    changed: Vec<MessageSid>,
}

impl MessageLog {
    pub(crate) fn add(&mut self, message: Message) {
        if self.by_number.len() == capacity::MESSAGES
            && let Some((_, oldest)) = self.by_number.pop_first()
        {
            self.numbers.remove(&oldest.sid);
        }
        self.changed.push(message.sid.clone());
        self.numbers.insert(message.sid.clone(), self.next);
        self.by_number.insert(self.next, message);
        self.next += 1;
    }

    pub(crate) fn get(&self, sid: &MessageSid) -> Option<&Message> {
        self.by_number.get(self.numbers.get(sid)?)
    }

    pub(crate) fn get_mut(&mut self, sid: &MessageSid) -> Option<&mut Message> {
        let message = self.by_number.get_mut(self.numbers.get(sid)?)?;
        self.changed.push(message.sid.clone());
        Some(message)
    }

    pub(crate) fn remove(&mut self, sid: &MessageSid) -> Option<Message> {
        self.by_number.remove(&self.numbers.remove(sid)?)
    }

    /// The messages that are new or may have changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<MessageSid> {
        std::mem::take(&mut self.changed)
    }

    /// Those that were created before the one of this number, the newest first.
    pub(crate) fn before(&self, number: u64) -> impl Iterator<Item = (u64, &Message)> {
        self.by_number.range(..number).rev().map(|(number, message)| (*number, message))
    }

    /// Those that were created after the one of this number, the oldest first.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, &Message)> {
        self.by_number.range((Bound::Excluded(number), Bound::Unbounded)).map(|(number, message)| (*number, message))
    }

    /// The oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.by_number.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_the_sid_of_its_url() {
        let own = "https://api.twilio.com/Media/ME0123456789abcdef0123456789abcdef";
        assert_eq!(Media::new(&Sids::from_seed(1), own.to_owned(), None).sid, "ME0123456789abcdef0123456789abcdef");
        let made_up = Media::new(&Sids::from_seed(1), "https://example.com/MEadow.png".to_owned(), None).sid;
        assert!(is_sid("ME", &made_up), "{made_up}");
    }
}
