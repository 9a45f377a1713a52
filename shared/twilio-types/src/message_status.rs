//! The status of a message.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A message's status as Twilio reports it.
///
/// Source: Twilio, "Messages resource", "Message Status values". The order of the variants is the precedence by which
/// several reports on one message give one current status. Callbacks arrive in any order and any number of times, so
/// the current status is the maximum of the reported ones ([`MessageStatus::current`]), not the last one. `read` and
/// `delivered` are above every earlier step, and a failure is above all: Twilio reports no success after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageStatus {
    /// Twilio will send it at a later time.
    Scheduled,
    /// A messaging service accepted it and has not chosen the sender yet.
    Accepted,
    /// Waiting in Twilio's queue.
    Queued,
    /// On its way to the channel, here WhatsApp.
    Sending,
    /// The channel accepted it.
    Sent,
    /// Inbound: Twilio is receiving it.
    Receiving,
    /// Inbound: Twilio received it.
    Received,
    /// Deprecated by Twilio.
    PartiallyDelivered,
    /// It reached the recipient's phone.
    Delivered,
    /// The recipient opened it, and has read receipts on.
    Read,
    /// Scheduled, and canceled before it was sent.
    Canceled,
    /// The channel could not deliver it.
    Undelivered,
    /// It was not sent.
    Failed,
}

/// Whether further statuses are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A further status is expected.
    Underway,
    /// It reached the recipient; it may still be read.
    Arrived,
    /// It will not reach the recipient.
    Lost,
}

/// A status that Twilio reported: one that is known here, or a word that is not.
///
/// Twilio adds statuses without notice, as it did with `read`. A word that is not known says that the message exists, and
/// nothing of how far it has come: it is below every known status.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReportedStatus {
    /// A word that this version does not know.
    Unknown(StatusWord),
    /// One of the known statuses.
    Known(MessageStatus),
}

/// A word for a status: 1 to 64 characters that are not all white space, without control characters. It is kept as it was
/// sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusWord(String);

/// Twilio's longest word has 19 characters, `partially_delivered`.
const MAX_WORD_CHARS: usize = 64;

/// A text that cannot be a word for a status. The error leaves the text out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word for a message status: expected 1 to 64 characters without control characters, as in delivered")]
pub struct InvalidStatusWord;

/// A text that is not one of Twilio's statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message status: expected one of Twilio's, such as sent, delivered, read, undelivered or failed")]
pub struct UnknownStatus;

impl MessageStatus {
    /// Every status, in ascending precedence.
    pub const ALL: [Self; 13] = [
        Self::Scheduled,
        Self::Accepted,
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Receiving,
        Self::Received,
        Self::PartiallyDelivered,
        Self::Delivered,
        Self::Read,
        Self::Canceled,
        Self::Undelivered,
        Self::Failed,
    ];

    /// The status as Twilio writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Accepted => "accepted",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Receiving => "receiving",
            Self::Received => "received",
            Self::PartiallyDelivered => "partially_delivered",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Canceled => "canceled",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
        }
    }

    /// Whether further statuses are expected after this one.
    pub const fn stage(self) -> Stage {
        match self {
            Self::Delivered | Self::Read | Self::Received => Stage::Arrived,
            Self::Canceled | Self::Undelivered | Self::Failed => Stage::Lost,
            _ => Stage::Underway,
        }
    }

    /// The current status of a message for which these statuses were reported, in any order and with repetitions.
    pub fn current(reported: impl IntoIterator<Item = Self>) -> Option<Self> {
        reported.into_iter().max()
    }
}

impl StatusWord {
    /// The word as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StatusWord {
    type Err = InvalidStatusWord;

    fn from_str(text: &str) -> Result<Self, InvalidStatusWord> {
        let is_word = text.chars().nth(MAX_WORD_CHARS).is_none()
            && !text.trim().is_empty()
            && !text.chars().any(char::is_control);
        if is_word { Ok(Self(text.to_owned())) } else { Err(InvalidStatusWord) }
    }
}

impl ReportedStatus {
    /// The word as Twilio writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown(word) => word.as_str(),
            Self::Known(status) => status.as_str(),
        }
    }

    /// The status, if it is known here.
    pub const fn known(&self) -> Option<MessageStatus> {
        match self {
            Self::Unknown(_) => None,
            Self::Known(status) => Some(*status),
        }
    }

    /// Whether further statuses are expected. They are after a word that is not known.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Unknown(_) => Stage::Underway,
            Self::Known(status) => status.stage(),
        }
    }
}

impl From<MessageStatus> for ReportedStatus {
    fn from(status: MessageStatus) -> Self {
        Self::Known(status)
    }
}

impl FromStr for ReportedStatus {
    type Err = InvalidStatusWord;

    fn from_str(text: &str) -> Result<Self, InvalidStatusWord> {
        match text.parse() {
            Ok(status) => Ok(Self::Known(status)),
            Err(UnknownStatus) => text.parse().map(Self::Unknown),
        }
    }
}

impl TryFrom<String> for ReportedStatus {
    type Error = InvalidStatusWord;

    fn try_from(text: String) -> Result<Self, InvalidStatusWord> {
        text.parse()
    }
}

impl From<ReportedStatus> for String {
    fn from(status: ReportedStatus) -> String {
        status.as_str().to_owned()
    }
}

impl fmt::Display for ReportedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MessageStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

impl fmt::Display for MessageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    #[test]
    fn every_status_is_parsed_and_written_as_twilio_spells_it() {
        for status in MessageStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{status}\""));
        }
        assert_eq!("Delivered".parse::<MessageStatus>(), Err(UnknownStatus));
    }

    #[test]
    fn a_failure_precedes_read_delivered_and_earlier_steps() {
        use MessageStatus::{Accepted, Delivered, Failed, Queued, Read, Scheduled, Sending, Sent, Undelivered};
        let descending = [
            [Failed, Undelivered].as_slice(),
            &[Read],
            &[Delivered],
            &[Sent],
            &[Sending],
            &[Queued, Accepted, Scheduled],
        ];
        for pair in descending.windows(2) {
            for higher in pair[0] {
                for lower in pair[1] {
                    assert_eq!(MessageStatus::current([*lower, *higher, *lower]), Some(*higher));
                }
            }
        }
    }

    #[test]
    fn all_lists_the_statuses_in_ascending_precedence() {
        assert!(MessageStatus::ALL.is_sorted());
    }

    #[test]
    fn a_word_that_is_not_known_is_kept_as_it_was_sent() {
        for word in ["expired", "Delivered", "in transit", "zugestellt-ä", "a#b", &"x".repeat(64)] {
            let status: ReportedStatus = word.parse().unwrap();
            assert_eq!((status.as_str(), status.known(), status.stage()), (word, None, Stage::Underway));
            assert_eq!(serde_json::to_value(&status).unwrap(), word);
            assert_eq!(serde_json::from_value::<ReportedStatus>(word.into()).unwrap(), status);
            assert!(status < MessageStatus::Scheduled.into(), "{word}");
        }
        for text in ["", " ", "\t", "a\u{0}", &"x".repeat(65)] {
            assert_eq!(text.parse::<ReportedStatus>(), Err(InvalidStatusWord), "{text:?}");
        }
    }

    #[test]
    fn a_known_status_is_reported_as_itself() {
        for status in MessageStatus::ALL {
            let reported: ReportedStatus = status.as_str().parse().unwrap();
            assert_eq!((&reported, reported.known()), (&ReportedStatus::Known(status), Some(status)));
            assert_eq!((reported.to_string(), reported.stage()), (status.to_string(), status.stage()));
        }
    }

    proptest! {
        /// The current status is a join: order, repetition and grouping of the reports do not matter.
        #[test]
        fn order_and_repetition_do_not_change_the_current_status(
            reported in prop::collection::vec(select(MessageStatus::ALL.as_slice()), 1..20),
            cut in 0_usize..20,
            seed in any::<u64>(),
        ) {
            let current = MessageStatus::current(reported.iter().copied());
            let mut shuffled = reported.clone();
            shuffled.sort_by_key(|status| (*status as u64).wrapping_mul(seed | 1));
            shuffled.extend(reported.iter().copied());
            prop_assert_eq!(MessageStatus::current(shuffled), current);
            let (first, rest) = reported.split_at(cut.min(reported.len()));
            let grouped = MessageStatus::current(first.iter().copied()).into_iter().chain(MessageStatus::current(rest.iter().copied()));
            prop_assert_eq!(MessageStatus::current(grouped), current);
        }
    }
}
