//! The progress of a notification: one explicit phase, the attempts in their order, and the outcome. A pure state machine.
//!
//! A notification has options: option 0 is the content, the others are its `fallback`. Each attempt sends one option by
//! one request to Twilio, and becomes at most one message. What happened to an attempt may be known by Twilio's answer, by
//! a status callback that comes before or after the answer or instead of it, or by a look into Twilio's list. Each of them
//! leads to the same next step:
//!
//! ```text
//! Ready ── claim ──> Claimed ── answer: accepted ──> Accepted ── delivered, read ──> outcome
//!   ^                   │                              │
//!   │                   ├── answer: refused ───────────┤
//!   │                   ├── callback: failed ──────────┤
//!   └── next step ──────┴──────────────────────────────┴── nothing left ──> Ended
//! ```
//!
//! With `wait_for_reply` and a closed service window the first message is a template ([`Purpose::AskForReply`]), and the
//! notification is [`Phase::AwaitingReply`] until the person answers; then the content is the next step.
//!
//! A claim whose answer was lost stays [`Phase::Claimed`]. When its lease is over, the attempt is looked up: a callback
//! leads on as above ([`Progress::report`]), the proof that no message exists makes it ready again
//! ([`Progress::record_not_sent`]), and without either it is held ([`Phase::Unknown`]).
//!
//! An option with `after` also follows a message that was accepted and whose delivery is not reported in time
//! ([`undelivered`]): the notification stays [`Phase::Accepted`] until that option is claimed, and then has two messages.
//!
//! An operator may retry what ended without a message ([`Progress::reopen`]). After the tables were restored to an earlier time,
//! what happened since is recovered ([`Progress::recover`]).
//!
//! As long as it is ready or awaits the reply, it can be cancelled ([`Progress::cancel`]). While an option with `after` may
//! still follow its message, that can be cancelled too: then nothing follows the message, which has the outcome.
//!
//! *Invariants*, which the state-machine test checks over random schedules:
//! - An option has at most one message that Twilio did not report as failed.
//! - An attempt never changes its option, and only the last attempt changes the phase.
//! - A notification has one outcome, until an operator retries it, and every path ends with one.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{error_code::ErrorCode, sid::ContentSid};

use crate::{notification::FallbackChannel, templates::PassedOver};

mod attempt;
mod cancel;
mod failure;
mod news;
mod recover;
mod reopen;
mod report;
mod undelivered;

pub use attempt::{Attempt, AttemptResult, ExternalId};
pub use cancel::{CancelOutcome, CancelRefusal};
pub use news::{Change, CreateAnswer, CreateFailure, MessageReport, Transition};
pub use recover::RecoveredMessage;
pub use reopen::Reopening;

use undelivered::OpenEnd;

/// What is to be sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// 0 is the content, 1 the first fallback.
    pub option: usize,
    pub purpose: Purpose,
}

/// Why an option is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To deliver the notification.
    #[default]
    Deliver,
    /// It is the template whose answer opens the service window for the content.
    AskForReply,
}

/// Where a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No message of it is on its way. It may be claimed for this step, or a later one, from `not_before` on.
    Ready { step: Step, not_before: Option<Timestamp> },
    /// A function sends the last attempt, or stopped without recording what became of it.
    Claimed,
    /// The template was accepted, and the content follows the person's answer.
    AwaitingReply,
    /// Twilio accepted the last attempt. The outcome says what became of it, once that is known.
    Accepted,
    /// It is not known whether the last attempt became a message, and an operator has to look at it.
    Unknown,
    /// Nothing more is sent. The outcome says why.
    Ended,
}

/// What became of a notification, finally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Delivered,
    /// Delivered, and the person opened it.
    Read,
    /// Twilio accepted it and then could not send it.
    Failed,
    /// The channel could not deliver it.
    Undelivered,
    /// The person opted out, or a rule protects the person.
    Suppressed,
    /// It cannot be sent.
    Rejected,
    Expired,
    /// It was cancelled before it was sent.
    Cancelled,
    /// It is not known whether it was sent.
    Unknown,
}

impl Outcome {
    /// The word in the table, in events and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Undelivered => "undelivered",
            Self::Suppressed => "suppressed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

/// Everything that changes while a notification is being sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Progress {
    pub phase: Phase,
    /// The oldest first.
    pub attempts: Vec<Attempt>,
    pub outcome: Option<Outcome>,
    /// Why it has its phase or its outcome.
    pub reason: Option<String>,
    /// Twilio's code.
    pub code: Option<ErrorCode>,
    /// When an operator last retried it after it had ended.
    pub reopened_at: Option<Timestamp>,
    /// When it was cancelled although a message of it was under way: nothing follows that message.
    pub cancelled_at: Option<Timestamp>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("phase", &self.phase)
            .field("attempts", &self.attempts)
            .field("outcome", &self.outcome)
            .field("code", &self.code)
            .field("reopened_at", &self.reopened_at)
            .field("cancelled_at", &self.cancelled_at)
            .finish_non_exhaustive()
    }
}

/// A notification that was not sent yet.
impl Default for Progress {
    fn default() -> Self {
        let step = Step { option: 0, purpose: Purpose::Deliver };
        Self {
            phase: Phase::Ready { step, not_before: None },
            attempts: Vec::new(),
            outcome: None,
            reason: None,
            code: None,
            reopened_at: None,
            cancelled_at: None,
        }
    }
}

impl Progress {
    /// The number of the attempt that is current: the last one.
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The step that is claimable, if one is.
    pub fn ready_step(&self) -> Option<Step> {
        if let Phase::Ready { step, .. } = self.phase { Some(step) } else { None }
    }

    /// Whether an option has a message that Twilio has not reported as failed, or may have one.
    pub fn is_spent(&self, option: usize) -> bool {
        let may_exist = |attempt: &Attempt| matches!(attempt.result, AttemptResult::Accepted | AttemptResult::Claimed);
        self.attempts.iter().any(|attempt| attempt.option == option && may_exist(attempt))
    }

    /// Whether something was sent to deliver the notification, and not only to ask for a reply.
    pub fn was_delivery_tried(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.purpose == Purpose::Deliver)
    }

    /// The next attempt is claimed. Gives its number.
    pub fn claim(&mut self, step: Step, channel: FallbackChannel, now: Timestamp) -> usize {
        self.note_undelivered(step.option);
        self.attempts.push(Attempt {
            option: step.option,
            purpose: step.purpose,
            channel,
            claimed_at: now,
            at: now,
            result: AttemptResult::Claimed,
            message_sid: None,
            external_id: None,
            status: None,
            reason: None,
            code: None,
            content_sid: None,
            passed_over: Vec::new(),
        });
        self.enter(Phase::Claimed, None, None, None);
        self.attempts.len() - 1
    }

    /// The template of the attempt that was just claimed, and the options that were passed over before it.
    pub fn choose_template(&mut self, content_sid: Option<ContentSid>, passed_over: Vec<PassedOver>) {
        if let Some(attempt) = self.attempts.last_mut() {
            (attempt.content_sid, attempt.passed_over) = (content_sid, passed_over);
        }
    }

    /// Twilio answered the request of the attempt with this number. A callback may have been faster, and led on already.
    pub fn answer(&mut self, number: usize, answer: CreateAnswer, on: &Transition<'_>) -> Change {
        let is_last = number + 1 == self.attempts.len();
        let Some(attempt) = self.attempts.get_mut(number) else { return Change::Nothing };
        match answer {
            CreateAnswer::Accepted(sid) => match &attempt.message_sid {
                Some(known) if *known != sid => Change::Duplicate,
                Some(_) if attempt.result != AttemptResult::Claimed => Change::Nothing,
                _ => self.record_accepted(number, Some(sid), is_last, on.now),
            },
            CreateAnswer::AcceptedElsewhere(id) => {
                attempt.external_id = id;
                match attempt.result {
                    AttemptResult::Claimed => self.record_accepted(number, None, is_last, on.now),
                    // A report was faster.
                    _ => Change::Recorded,
                }
            }
            // A message was reported for the attempt, so what was refused is a repetition of the request.
            CreateAnswer::Refused(_) | CreateAnswer::NotDone(..)
                if attempt.result != AttemptResult::Claimed || attempt.message_sid.is_some() || !is_last =>
            {
                Change::Nothing
            }
            CreateAnswer::Refused(failure) => self.fail(number, failure, None, on),
            CreateAnswer::NotDone(failure, _) if self.step_after_other_service(number, on).is_some() => {
                self.fail(number, failure, None, on)
            }
            CreateAnswer::NotDone(failure, pause) => self.retry(number, AttemptResult::Waiting, failure, pause, on),
        }
    }

    /// The last attempt has no answer that says whether a message exists. `what` came instead. The attempt stays as it is.
    pub fn note_unanswered(&mut self, what: &str) {
        let Some(attempt) = self.attempts.last_mut() else { return };
        attempt.reason = Some(what.to_owned());
        self.reason = Some(what.to_owned());
    }

    /// It is certain that the last attempt became no message. It counts as an attempt with an unknown result, and its step
    /// is ready again, or the next one if that follows meanwhile because nothing was delivered.
    pub fn record_not_sent(&mut self, reason: &str, on: &Transition<'_>) {
        let number = self.attempts.len().saturating_sub(1);
        let next = self.option_after_silence(number, on.notification).filter(|(_, due_at)| *due_at <= on.now);
        let Some(attempt) = self.attempts.last_mut() else { return };
        attempt.result = AttemptResult::Unknown;
        attempt.reason = Some(match attempt.reason.take() {
            Some(answer) => format!("{answer}; {reason}"),
            None => reason.to_owned(),
        });
        attempt.at = on.now;
        let same = Step { option: attempt.option, purpose: attempt.purpose };
        let step = next.map_or(same, |(option, _)| Step { option, purpose: self.purpose_of(option, on) });
        self.enter(Phase::Ready { step, not_before: None }, None, None, None);
    }

    /// The last attempt cannot be looked up, and is held for an operator.
    pub fn hold(&mut self, reason: &str) {
        self.enter(Phase::Unknown, Some(Outcome::Unknown), Some(reason.to_owned()), None);
    }

    /// The notification waits for a time, for this reason.
    pub fn wait(&mut self, reason: String) {
        self.reason = Some(reason);
    }

    /// Nothing more is sent, by a decision. If a message may still arrive, what becomes of it is the outcome.
    pub fn end(&mut self, outcome: Outcome, reason: String) {
        self.end_with(outcome, Some(reason), None);
    }

    fn end_with(&mut self, outcome: Outcome, reason: Option<String>, code: Option<ErrorCode>) {
        let (phase, outcome) = match self.open_end() {
            OpenEnd::MayArrive => (Phase::Accepted, None),
            OpenEnd::Unknown => (Phase::Accepted, Some(Outcome::Unknown)),
            OpenEnd::Nothing => (Phase::Ended, Some(outcome)),
        };
        self.enter(phase, outcome, reason, code);
    }

    /// Nothing more follows once a message has delivered the notification, whatever becomes of the others.
    fn enter(&mut self, phase: Phase, outcome: Option<Outcome>, reason: Option<String>, code: Option<ErrorCode>) {
        let arrived = self.arrived().filter(|_| phase != Phase::Claimed);
        (self.phase, self.outcome, self.reason, self.code) = match arrived {
            Some(arrived) => (Phase::Accepted, Some(arrived), None, None),
            None => (phase, outcome, reason, code),
        };
    }
}

#[cfg(test)]
mod tests;
