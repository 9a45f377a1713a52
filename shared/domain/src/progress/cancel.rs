//! Cancelling a notification before it is sent.

use std::fmt;

use jiff::Timestamp;

use super::{Outcome, Phase, Progress};
use crate::notification::Notification;

/// What became of a request to cancel a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Nothing of it is sent from now on. If a message of it is under way, what becomes of that is its outcome.
    Cancelled,
    /// It was cancelled before. Nothing changed.
    AlreadyCancelled,
    /// It cannot be cancelled any more. Nothing changed.
    Refused(CancelRefusal),
}

/// Why a notification cannot be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelRefusal {
    /// A function sends the last attempt now, or has stopped, and it is being found out whether its message exists. It may
    /// be ready again later.
    BeingSent,
    Accepted,
    OutcomeUnknown,
    Ended,
}

impl fmt::Display for CancelRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeingSent => {
                "it is being sent, or it is being found out whether it was; if it was not, it can be cancelled then"
            }
            Self::Accepted => "Twilio has accepted its message",
            Self::OutcomeUnknown => "it is not known whether it was sent",
            Self::Ended => "it has ended",
        })
    }
}

impl Progress {
    /// Cancels a notification of which no message is on its way. With `wait_for_reply` the template may have been sent; then
    /// the content does not follow. While an option may follow a message that is under way, because it is not delivered in
    /// time, nothing follows that message any more. `by` says in the reason who cancelled it.
    ///
    /// A claimed notification is not cancelled: its message may exist already, and then the outcome would be wrong.
    pub fn cancel(&mut self, by: Option<&str>, notification: Option<&Notification>, now: Timestamp) -> CancelOutcome {
        let follows_silence =
            || notification.is_some_and(|notification| self.options_after_silence(notification).next().is_some());
        let refusal = match (self.phase, self.outcome) {
            (Phase::Accepted, None) if self.cancelled_at.is_some() => return CancelOutcome::AlreadyCancelled,
            (Phase::Accepted, None) if !follows_silence() => CancelRefusal::Accepted,
            (Phase::Ready { .. } | Phase::AwaitingReply, _) | (Phase::Accepted, None) => {
                let reason = by.map_or_else(|| "cancelled".to_owned(), |by| format!("cancelled by {by}"));
                self.end(Outcome::Cancelled, reason);
                self.cancelled_at = (self.phase == Phase::Accepted).then_some(now);
                return CancelOutcome::Cancelled;
            }
            (Phase::Ended, Some(Outcome::Cancelled)) => return CancelOutcome::AlreadyCancelled,
            (Phase::Claimed, _) => CancelRefusal::BeingSent,
            (Phase::Accepted, _) => CancelRefusal::Accepted,
            (Phase::Unknown, _) => CancelRefusal::OutcomeUnknown,
            (Phase::Ended, _) => CancelRefusal::Ended,
        };
        CancelOutcome::Refused(refusal)
    }
}
