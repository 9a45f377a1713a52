//! The messages that people sent lately: which message a change of a person goes back to.
//!
//! A service window names no message. It has the time of the message that opened it, because both are written in one
//! transaction with one time (`stores::record_inbound`).

use std::collections::VecDeque;

use domain::person::Person;
use jiff::Timestamp;
use stores::messages::{MessageEvent, Source, StoredMessage};
use twilio_types::sid::MessageSid;
use twilio_webhook::form::Form;

use super::streams::ItemChange;

/// More than arrive between two looks at the tables.
const MAX: usize = 2_000;

#[derive(Debug, Clone)]
pub(super) struct ReceivedMessage {
    pub(super) sid: MessageSid,
    /// The sender of ours that received it.
    to: String,
    /// Without the channel.
    identities: Vec<String>,
    received_at: Timestamp,
    /// Whether `reconcile` found it at Twilio, so that its time is Twilio's.
    pub(super) is_found: bool,
}

/// The newest messages, the newest last.
#[derive(Debug, Default)]
pub(super) struct ReceivedMessages(VecDeque<ReceivedMessage>);

impl ReceivedMessages {
    /// Notes a message, if the change is one.
    pub(super) fn note(&mut self, change: &ItemChange) {
        let Some(stored) = change.read::<StoredMessage>().filter(|stored| stored.event == MessageEvent::Inbound) else {
            return;
        };
        let form = Form::from(stored.raw);
        let text = |name: &str| form.get_owned(name).unwrap_or_default();
        let ids = ["From", "ExternalUserId", "ParentExternalUserId"].map(text);
        let identities = ids.iter().filter(|id| !id.is_empty()).map(|id| without_channel(id).to_owned());
        if self.0.len() == MAX {
            self.0.pop_front();
        }
        self.0.push_back(ReceivedMessage {
            sid: stored.message_sid,
            to: text("To"),
            identities: identities.collect(),
            received_at: stored.received_at,
            is_found: stored.source == Source::Reconcile,
        });
    }

    pub(super) fn by_sid(&self, sid: &MessageSid) -> Option<&ReceivedMessage> {
        self.0.iter().rev().find(|message| message.sid == *sid)
    }

    /// The message that opened or extended a window of this person.
    pub(super) fn by_window(
        &self,
        person: &Person,
        home: &str,
        sender: &str,
        at: Timestamp,
    ) -> Option<&ReceivedMessage> {
        let is_persons = |id: &String| id == home || person.aliases.contains(id);
        self.0.iter().rev().find(|message| {
            // The person's item has milliseconds.
            message.received_at.as_millisecond() == at.as_millisecond()
                && message.to == sender
                && message.identities.iter().any(is_persons)
        })
    }
}

fn without_channel(address: &str) -> &str {
    address.split_once(':').map_or(address, |(_, identity)| identity)
}
