//! Messages as Twilio stores them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{address::Channel, message_status::MessageStatus, sid::MessageSid};

use crate::{
    capacity,
    faults::FileFault,
    published_files::PublishedFile,
    rich::RichContent,
    sids::{Sids, is_sid},
    timeline::{EntryCause, TimelineEvent},
};

mod places;
mod price;
mod tally;

pub(crate) use places::Place;
pub(crate) use price::{PRICE_UNIT, price};
pub(crate) use tally::WebhookTally;

use places::Places;

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
    /// The message's values for the content's variables.
    pub(crate) content_variables: BTreeMap<String, String>,
    /// Whether the request also had files, which the message does not have.
    pub(crate) media_beside_content: bool,
    pub(crate) buttons: Vec<MessageButton>,
    pub(crate) location: Option<MessageLocation>,
    pub(crate) rich: Option<RichContent>,
    pub(crate) feedback: Feedback,
    /// For a person's message: the message that it replies to.
    pub(crate) replied_to: Option<MessageSid>,
    /// For a reply by TwiML and for Twilio's own answer: the person's message that it answers.
    pub(crate) answers: Option<MessageSid>,
    pub(crate) webhooks: WebhookTally,
    pub(crate) messaging_service_sid: Option<String>,
    pub(crate) status: MessageStatus,
    pub(crate) error_code: Option<u32>,
    pub(crate) status_callback: Option<String>,
    /// When a scheduled message is sent.
    pub(crate) send_at: Option<Timestamp>,
    /// The end of its `ValidityPeriod`; none for a message that Twilio does not keep in a queue.
    pub(crate) valid_until: Option<Timestamp>,
    /// Why the message is not sent yet; none once it may be sent.
    pub(crate) hold: Option<Hold>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) sent_at: Option<Timestamp>,
    /// When a person's message was marked as read, by a typing indicator.
    pub(crate) read_at: Option<Timestamp>,
}

impl Message {
    /// The address of the person on whose phone it is.
    pub(crate) fn person(&self) -> Option<&str> {
        if self.direction == "inbound" { self.from.as_deref() } else { Some(&self.to) }
    }

    /// The notification that it was sent for.
    pub(crate) fn notification_id(&self) -> Option<String> {
        self.status_callback.as_deref().and_then(notification_in)
    }

    /// Adds its person, its notification and its cause to an event about it, where the event does not name them.
    pub(crate) fn complete(&self, event: TimelineEvent) -> TimelineEvent {
        TimelineEvent {
            person: event.person.or_else(|| self.person().map(str::to_owned)),
            notification_id: event.notification_id.or_else(|| self.notification_id()),
            cause: event.cause.or_else(|| Some(self.cause())),
            ..event
        }
    }

    /// What the timeline entries about it go back to, if they name nothing else.
    fn cause(&self) -> EntryCause {
        match (&self.answers, self.notification_id()) {
            (Some(inbound), _) => EntryCause::webhook(inbound),
            (None, _) if self.direction == "inbound" => EntryCause::webhook(&self.sid),
            (None, Some(id)) => EntryCause::notification(id),
            (None, None) => EntryCause::message(&self.sid),
        }
    }
}

/// The notification that the system under test names in the URL of a status callback.
pub(crate) fn notification_in(url: &str) -> Option<String> {
    let (_, query) = url.split('#').next()?.split_once('?')?;
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    parameters.find(|(name, _)| name == "notification").map(|(_, id)| id.into_owned())
}

/// A message waits in Twilio's queue: it has no `date_sent`, and the list of messages does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// None for a message that waits until it is released.
    pub(crate) until: Option<Timestamp>,
}

/// Whether the message was created with `ProvideFeedback`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Feedback {
    #[default]
    NotAsked,
    Asked,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MessageButton {
    pub(crate) kind: ButtonKind,
    pub(crate) title: String,
    /// The `ButtonPayload` of the webhook when it is pressed.
    pub(crate) id: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) phone: Option<String>,
    /// What is copied.
    pub(crate) code: Option<String>,
}

/// What a press of the button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ButtonKind {
    /// Sends a reply.
    QuickReply,
    /// Opens a web page.
    Url,
    /// Calls a number.
    PhoneNumber,
    /// Copies a code.
    CopyCode,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageLocation {
    /// Degrees.
    pub(crate) latitude: f64,
    /// Degrees.
    pub(crate) longitude: f64,
    /// The name of the place.
    #[serde(default)]
    pub(crate) label: Option<String>,
    #[serde(default)]
    pub(crate) address: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media {
    /// `ME` and 32 hexadecimal digits.
    pub(crate) sid: String,
    pub(crate) url: String,
    /// None for an outbound file that was not fetched.
    pub(crate) content_type: Option<String>,
    /// The name of a person's file on the phone, for the page: Twilio does not report it.
    pub(crate) name: Option<String>,
    /// What the system under test has done with it.
    pub(crate) published: Option<PublishedFile>,
    /// What goes wrong when it is fetched.
    pub(crate) fault: Option<FileFault>,
}

impl Media {
    /// A file at a URL. Its SID is the one at the end of the URL, as in Twilio's media URLs, or a new one.
    pub(crate) fn new(sids: &Sids, url: String, content_type: Option<String>) -> Self {
        let own = url.rsplit('/').next().filter(|end| is_sid("ME", end)).map(str::to_owned);
        Self {
            sid: own.unwrap_or_else(|| sids.next("ME")),
            url,
            content_type,
            name: None,
            published: None,
            fault: None,
        }
    }
}

/// All messages, numbered in the order of their creation and indexed by SID.
#[derive(Debug, Default)]
pub(crate) struct MessageLog {
    by_number: BTreeMap<u64, Message>,
    numbers: HashMap<MessageSid, u64>,
    /// As of the last call of `take_changed`.
    places: Places,
    next: u64,
    /// The messages that are new or may have changed since the last call of `take_changed`.
    changed: Vec<MessageSid>,
}

impl MessageLog {
    /// How many messages were ever added.
    pub(crate) fn last_number(&self) -> u64 {
        self.next
    }

    /// The messages that were added after there were this many, the newest first.
    pub(crate) fn since(&self, number: u64) -> impl Iterator<Item = &Message> {
        self.by_number.range(number..).rev().map(|(_, message)| message)
    }

    pub(crate) fn add(&mut self, message: Message) {
        if self.by_number.len() == capacity::MESSAGES
            && let Some((number, oldest)) = self.by_number.pop_first()
        {
            self.numbers.remove(&oldest.sid);
            self.places.remove(number);
        }
        self.changed.push(message.sid.clone());
        self.places.put(self.next, &message);
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
        let number = self.numbers.remove(sid)?;
        self.places.remove(number);
        self.by_number.remove(&number)
    }

    /// The messages that are new or may have changed since the last call. They are moved to their places in the lists.
    pub(crate) fn take_changed(&mut self) -> Vec<MessageSid> {
        for number in self.changed.iter().filter_map(|sid| self.numbers.get(sid)) {
            if let Some(message) = self.by_number.get(number) {
                self.places.put(*number, message);
            }
        }
        std::mem::take(&mut self.changed)
    }

    /// The message with this number.
    pub(crate) fn at(&self, number: u64) -> Option<&Message> {
        self.by_number.get(&number)
    }

    /// The places of at least the messages to and from these addresses.
    pub(crate) fn places(&self, to: Option<&str>, from: Option<&str>) -> Option<&BTreeSet<Place>> {
        self.places.of(to, from)
    }

    /// All messages, the oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.by_number.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_takes_the_sid_from_its_url() {
        let own = "https://api.twilio.com/Media/ME0123456789abcdef0123456789abcdef";
        assert_eq!(Media::new(&Sids::from_seed(1), own.to_owned(), None).sid, "ME0123456789abcdef0123456789abcdef");
        let made_up = Media::new(&Sids::from_seed(1), "https://example.com/MEadow.png".to_owned(), None).sid;
        assert!(is_sid("ME", &made_up), "{made_up}");
    }
}
