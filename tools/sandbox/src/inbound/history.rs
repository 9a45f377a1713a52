//! Messages that people sent earlier, and whose webhooks were all lost: a long list for those who read it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use twilio_types::{
    address::{Address, E164, Identity},
    sid::MessageSid,
};

use super::{form, person_message::PersonMessage};
use crate::{capacity, messages::Message, state::Sandbox};

/// What was sent, each message by another person.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    /// The sender that the people wrote to, and so the channel.
    to: String,
    messages: usize,
    /// How many of them arrived in each second.
    per_second: u32,
    /// How long ago the last one arrived.
    #[serde(default)]
    ended_seconds_ago: u32,
    #[serde(default)]
    body: String,
}

impl History {
    /// Adds the messages and gives their SIDs, the oldest first.
    pub(crate) fn add_to(&self, sandbox: &Sandbox) -> Result<Vec<MessageSid>, &'static str> {
        let to: Address =
            self.to.parse().map_err(|_| "to: expected the address of a sender, as in whatsapp:+14155238886")?;
        if self.messages > capacity::MESSAGES {
            return Err("messages: there are more than the sandbox keeps");
        }
        if self.per_second == 0 {
            return Err("per_second: expected at least 1");
        }
        let ended_at = sandbox.now() - Duration::from_secs(self.ended_seconds_ago.into());
        let mut sids = Vec::with_capacity(self.messages);
        for number in 0..self.messages {
            let newer = u64::try_from(self.messages - 1 - number).unwrap_or_default();
            let at = ended_at - Duration::from_secs(newer / u64::from(self.per_second));
            let message = self.message(sandbox, &to, number, at);
            sids.push(message.sid.clone());
            sandbox.memory().messages.add(message);
        }
        Ok(sids)
    }

    fn message(&self, sandbox: &Sandbox, to: &Address, number: usize, at: Timestamp) -> Message {
        let identity = person(number).map_or_else(|| to.identity.clone(), Identity::Phone);
        let from = Address { channel: to.channel.clone(), identity };
        let sent = PersonMessage::of_text(from, to.clone(), self.body.clone());
        let message = form::message(sandbox, &sent);
        Message { created_at: at, updated_at: at, sent_at: Some(at), ..message }
    }
}

/// A number that no one has: the area code 999 is not assigned.
fn person(number: usize) -> Option<E164> {
    format!("+1999{:07}", number % 10_000_000).parse().ok()
}
