//! What became of a message.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A message's status as Twilio reports it.
///
/// Source: Twilio, "Messages resource", "Message Status values". The order of the variants is the precedence by which
/// several reports on one message give one current status: callbacks arrive in any order and any number of times, so
/// the maximum is taken and never a state machine. An end that came (`read`, `delivered`) is above every step before
/// it, and a failure is above all: Twilio reports no success after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// To be sent at a later time.
    Scheduled,
    /// Taken by a messaging service that has not chosen the sender yet.
    Accepted,
    /// Waiting to be sent.
    Queued,
    /// On its way to the channel.
    Sending,
    /// Taken by the channel (here WhatsApp).
    Sent,
    /// Inbound: on its way to us.
    Receiving,
    /// Inbound: delivered to us.
    Received,
    /// Deprecated by Twilio.
    PartiallyDelivered,
    /// On the recipient's phone.
    Delivered,
    /// Opened by the recipient, whose receipts are on.
    Read,
    /// Scheduled, then taken back before it was sent.
    Canceled,
    /// The channel could not deliver it.
    Undelivered,
    /// Not sent.
    Failed,
}

/// Whether more is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Another status is to be expected.
    Underway,
    /// It reached the recipient; it may still be read.
    Arrived,
    /// It will not reach the recipient.
    Lost,
}

/// A word that is none of Twilio's statuses.
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

    /// The word as Twilio writes it.
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

    /// Whether more is to be expected after this status.
    pub const fn stage(self) -> Stage {
        match self {
            Self::Delivered | Self::Read | Self::Received => Stage::Arrived,
            Self::Canceled | Self::Undelivered | Self::Failed => Stage::Lost,
            _ => Stage::Underway,
        }
    }

    /// The current status of a message of which these were reported, in any order and with repetitions.
    pub fn current(reported: impl IntoIterator<Item = Self>) -> Option<Self> {
        reported.into_iter().max()
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
    fn every_status_is_read_and_written_as_twilio_spells_it() {
        for status in MessageStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{status}\""));
        }
        assert_eq!("Delivered".parse::<MessageStatus>(), Err(UnknownStatus));
    }

    #[test]
    fn the_precedence_is_the_designs() {
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

    proptest! {
        /// The current status is a join: order, repetition and grouping of the reports do not matter.
        #[test]
        fn order_and_repetition_do_not_matter(
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
