//! The events of a message, as the range key names them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use twilio_types::message_status::MessageStatus;

/// An event of a message: the range key, as in `inbound` or `status#delivered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MessageEvent {
    Inbound,
    Status(MessageStatus),
}

/// A text that is not a range key of the Messages table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event of a message: expected inbound, or status# and a message status")]
pub struct UnknownMessageEvent;

impl fmt::Display for MessageEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inbound => f.write_str("inbound"),
            Self::Status(status) => write!(f, "status#{status}"),
        }
    }
}

impl FromStr for MessageEvent {
    type Err = UnknownMessageEvent;

    fn from_str(text: &str) -> Result<Self, UnknownMessageEvent> {
        match text.strip_prefix("status#") {
            Some(status) => status.parse().map(Self::Status).map_err(|_| UnknownMessageEvent),
            None if text == "inbound" => Ok(Self::Inbound),
            None => Err(UnknownMessageEvent),
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
    use super::*;

    #[test]
    fn an_event_is_written_and_read_as_its_range_key() {
        for (event, text) in
            [(MessageEvent::Inbound, "inbound"), (MessageEvent::Status(MessageStatus::Delivered), "status#delivered")]
        {
            assert_eq!(event.to_string(), text);
            assert_eq!(text.parse(), Ok(event));
        }
        assert_eq!("status#lost".parse::<MessageEvent>(), Err(UnknownMessageEvent));
        assert_eq!("".parse::<MessageEvent>(), Err(UnknownMessageEvent));
    }
}
