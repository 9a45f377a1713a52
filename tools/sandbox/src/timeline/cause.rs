//! What a timeline entry goes back to.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

/// The page shows the entries of one cause as one row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryCause(String);

impl EntryCause {
    /// A person's message: its webhook, and everything that follows from it.
    pub fn webhook(message_sid: impl Display) -> Self {
        Self(format!("webhook:{message_sid}"))
    }

    /// A status of a message: its callback, and what the system stores and publishes for it.
    pub fn callback(message_sid: impl Display, status: impl Display) -> Self {
        Self(format!("callback:{message_sid}:{status}"))
    }

    /// A notification: the decisions about it, and the calls that create its messages.
    pub fn notification(id: impl Display) -> Self {
        Self(format!("notification:{id}"))
    }

    /// A message that was created without a notification: the call, and what is about the message.
    pub fn message(sid: impl Display) -> Self {
        Self(format!("message:{sid}"))
    }

    /// A change of what a person wants that no message expressed: what the system stores and publishes for it.
    pub fn contact_change(event_id: impl Display) -> Self {
        Self(format!("contact:{event_id}"))
    }

    /// An event of a template: its deliveries.
    pub(crate) fn template_event(event_id: impl Display) -> Self {
        Self(format!("template_event:{event_id}"))
    }

    /// The entry with this number alone.
    pub(super) fn entry(number: u64) -> Self {
        Self(format!("entry:{number}"))
    }
}
