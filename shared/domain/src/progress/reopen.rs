//! An operator retries a notification that has ended: it is decided again, under its id.
//!
//! | it ended as | a retry | why |
//! |---|---|---|
//! | `rejected` | is decided again, from its first option | The cause may be gone: a setting, an outage, a closed service window |
//! | `unknown` | is looked up again | It is sent again only if Twilio's list proves that it has no message |
//! | `expired` | changes nothing | Its time is over |
//! | `delivered`, `read` | changes nothing | The person has it |
//! | `failed`, `undelivered` | changes nothing | Twilio accepted its message, so another message needs another id |
//! | `suppressed` | changes nothing | A person or a rule that protects the person decided; a later opt-in is no consent to an earlier message |
//! | `cancelled` | changes nothing | Its sender decided |
//!
//! The attempts stay. An option with a message that Twilio did not report as failed is not sent again, and the time after
//! which a notification is given up counts from the retry.

use jiff::Timestamp;

use super::{Attempt, AttemptResult, Outcome, Phase, Progress, Purpose, Step};

/// What a retry by an operator means for a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopening {
    /// It has no outcome any more, and is decided again.
    Reopened,
    /// It has not ended, and goes on by itself.
    NotEnded,
    /// It stays as it is. None if a message of it exists and has not been delivered yet.
    Final(Option<Outcome>),
}

impl Reopening {
    /// Why a retry changes nothing; none if it is decided again.
    pub const fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Reopened => None,
            Self::NotEnded => Some("it has not ended, and goes on by itself"),
            Self::Final(Some(Outcome::Delivered | Outcome::Read)) => Some("its message was delivered"),
            Self::Final(Some(Outcome::Failed | Outcome::Undelivered)) => {
                Some("Twilio accepted its message and could not deliver it: another message needs a new id")
            }
            Self::Final(Some(Outcome::Suppressed)) => {
                Some("the recipient, or a rule that protects the recipient, refused it")
            }
            Self::Final(Some(Outcome::Expired)) => Some("its time is over"),
            Self::Final(Some(Outcome::Cancelled)) => Some("it was cancelled"),
            Self::Final(_) => Some("a message of it exists already"),
        }
    }
}

impl Progress {
    /// What [`Progress::reopen`] would do.
    pub fn reopening(&self) -> Reopening {
        let may_have_message = |attempt: &Attempt| {
            attempt.purpose == Purpose::Deliver
                && matches!(attempt.result, AttemptResult::Accepted | AttemptResult::Claimed)
        };
        match (self.phase, self.outcome) {
            (Phase::Accepted, None) => Reopening::Final(None),
            (_, None) => Reopening::NotEnded,
            (Phase::Ended, Some(Outcome::Rejected)) if self.attempts.iter().any(may_have_message) => {
                Reopening::Final(None)
            }
            (Phase::Unknown, _) | (Phase::Ended, Some(Outcome::Rejected)) => Reopening::Reopened,
            (_, outcome) => Reopening::Final(outcome),
        }
    }

    /// An operator retries the notification.
    pub fn reopen(&mut self, now: Timestamp) -> Reopening {
        let reopening = self.reopening();
        if reopening == Reopening::Reopened {
            self.enter(self.reopened_phase(), None, None, None);
            self.reopened_at = Some(now);
        }
        reopening
    }

    fn reopened_phase(&self) -> Phase {
        match (self.phase, self.last()) {
            // It is looked up as after a lost answer.
            (Phase::Unknown, _) => Phase::Claimed,
            // The person has the template already: a second one would ask the same again.
            (_, Some(Attempt { purpose: Purpose::AskForReply, result: AttemptResult::Accepted, .. })) => {
                Phase::AwaitingReply
            }
            _ => Phase::Ready { step: Step { option: 0, purpose: Purpose::Deliver }, not_before: None },
        }
    }

    /// When the time began after which the notification is given up.
    pub(super) fn tried_since(&self) -> Option<Timestamp> {
        self.reopened_at.or_else(|| self.attempts.first().map(|first| first.claimed_at))
    }

    /// How many attempts were made since then.
    pub(super) fn tries(&self) -> usize {
        let is_counted = |attempt: &&Attempt| self.reopened_at.is_none_or(|at| attempt.claimed_at >= at);
        self.attempts.iter().filter(is_counted).count()
    }
}
