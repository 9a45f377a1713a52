//! Whether the list of messages has those that are not sent yet.
//!
//! Twilio sorts the list by `DateSent` ("Messages resource", "Read multiple Message resources"), which such a message lacks.
//! Whether the list has it is not documented. So a system under test must be correct both with it and without it.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnsentVisibility {
    hidden: bool,
    /// Only messages to this recipient; none for all messages.
    #[serde(default)]
    to: Option<String>,
    /// For this time of the sandbox's clock; none for a change that continues.
    #[serde(default)]
    seconds: Option<u32>,
}

/// Until when unsent messages are hidden, for each recipient and for all.
#[derive(Debug, Default)]
pub(crate) struct HiddenUnsent(HashMap<Option<String>, Timestamp>);

impl HiddenUnsent {
    pub(crate) fn set(&mut self, visibility: UnsentVisibility, now: Timestamp) {
        let end = |seconds: u32| now.saturating_add(SignedDuration::from_secs(seconds.into())).ok();
        if visibility.hidden {
            self.0.insert(visibility.to, visibility.seconds.and_then(end).unwrap_or(Timestamp::MAX));
        } else {
            self.0.remove(&visibility.to);
        }
    }

    pub(crate) fn hides(&self, to: &str, now: Timestamp) -> bool {
        let hides = |recipient: Option<String>| self.0.get(&recipient).is_some_and(|until| now < *until);
        !self.0.is_empty() && (hides(None) || hides(Some(to.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsent_messages_are_hidden_for_a_recipient_and_a_time() {
        let mut hidden = HiddenUnsent::default();
        let at = |seconds: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let mut set = |visibility: &str| {
            hidden.set(serde_json::from_str(visibility).unwrap(), at(0));
            [("a", 0), ("a", 10), ("b", 0)].map(|(to, seconds)| hidden.hides(to, at(seconds)))
        };
        assert_eq!(set(r#"{"hidden": false}"#), [false; 3]);
        assert_eq!(set(r#"{"hidden": true, "to": "a", "seconds": 10}"#), [true, false, false]);
        assert_eq!(set(r#"{"hidden": true}"#), [true; 3]);
        assert_eq!(set(r#"{"hidden": false}"#), [true, false, false]);
        assert_eq!(set(r#"{"hidden": false, "to": "a"}"#), [false; 3]);
    }
}
