//! Options that follow because a message was accepted and its delivery is not reported in time: `after` in `fallback`.
//!
//! The message may still be delivered later, so the notification stays accepted until the next option is claimed: a report
//! of the delivery comes in between and ends the waiting. After that claim both messages are under way, and the one that
//! arrives decides the outcome.

use jiff::Timestamp;
use twilio_types::message_status::{MessageStatus, Stage};

use super::{Attempt, AttemptResult, Outcome, Phase, Progress, Purpose};
use crate::notification::Notification;

/// Why the next option was sent although this message did not fail.
const NOT_DELIVERED_IN_TIME: &str = "no delivery was reported in time, so the next option was sent";

/// Whether a notification of which nothing more is sent may still be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenEnd {
    /// The message of an attempt may arrive.
    MayArrive,
    /// It was never known whether an earlier attempt became a message.
    Unknown,
    Nothing,
}

impl Progress {
    /// The options that follow the last attempt if its message is not delivered, each with the time from which it may be
    /// sent. None if no message awaits its delivery.
    pub fn options_after_silence<'a>(
        &'a self,
        notification: &'a Notification,
    ) -> impl Iterator<Item = (usize, Timestamp)> + 'a {
        let awaits = match self.phase {
            Phase::Accepted => self.outcome.is_none() && self.cancelled_at.is_none(),
            Phase::AwaitingReply => true,
            _ => false,
        };
        let last = self.last().filter(|last| awaits && !has_arrived(last));
        last.into_iter().flat_map(|last| {
            let due = |after| last.claimed_at.saturating_add(after).unwrap_or(Timestamp::MAX);
            let options =
                notification.options_after_silence(last.option).map(move |(option, after)| (option, due(after)));
            options.filter(|(option, _)| !self.is_spent(*option))
        })
    }

    /// When the delivery of the last message should have been reported; none if no option follows it because of that.
    pub fn delivery_due_at(&self, notification: &Notification) -> Option<Timestamp> {
        self.options_after_silence(notification).map(|(_, due_at)| due_at).min()
    }

    /// Whether a message to deliver the notification may still arrive.
    pub fn is_message_underway(&self) -> bool {
        self.underway().next().is_some()
    }

    /// The attempts whose messages may still deliver the notification, with their numbers.
    pub fn underway(&self) -> impl Iterator<Item = (usize, &Attempt)> {
        let is_underway = |attempt: &Attempt| {
            attempt.purpose == Purpose::Deliver
                && attempt.result == AttemptResult::Accepted
                && attempt.status.is_none_or(|status| status.stage() == Stage::Underway)
        };
        self.attempts.iter().enumerate().filter(move |(_, attempt)| is_underway(attempt))
    }

    /// The attempts whose messages Twilio has, and has not reported a final status of, with their numbers. Of those that ask
    /// for a reply only the last one matters.
    pub fn open_messages(&self) -> impl Iterator<Item = (usize, &Attempt)> {
        let last = self.attempts.len().saturating_sub(1);
        let is_open = move |(number, attempt): &(usize, &Attempt)| {
            attempt.message_sid.is_some()
                && attempt.result == AttemptResult::Accepted
                && (attempt.purpose == Purpose::Deliver || *number == last)
                && attempt.status.is_none_or(|status| status.stage() == Stage::Underway)
        };
        self.attempts.iter().enumerate().filter(is_open)
    }

    /// What the attempts leave open when nothing more is sent.
    pub(super) fn open_end(&self) -> OpenEnd {
        if self.is_message_underway() {
            return OpenEnd::MayArrive;
        }
        let is_unknown =
            |attempt: &Attempt| attempt.purpose == Purpose::Deliver && attempt.result == AttemptResult::Claimed;
        let earlier = self.attempts.split_last().map(|(_, earlier)| earlier).unwrap_or_default();
        if earlier.iter().any(is_unknown) { OpenEnd::Unknown } else { OpenEnd::Nothing }
    }

    /// The outcome, if a message has delivered the notification.
    pub(super) fn arrived(&self) -> Option<Outcome> {
        let arrived =
            self.attempts.iter().filter(|attempt| attempt.purpose == Purpose::Deliver && has_arrived(attempt));
        let furthest = arrived.filter_map(|attempt| attempt.status).max()?;
        Some(if furthest == MessageStatus::Read { Outcome::Read } else { Outcome::Delivered })
    }

    /// The option and the time at which it follows the option of an attempt that was not delivered, counted from when that
    /// option was first tried.
    pub(super) fn option_after_silence(
        &self,
        number: usize,
        notification: &Notification,
    ) -> Option<(usize, Timestamp)> {
        let option = self.attempts.get(number)?.option;
        let is_first = |attempt: &&Attempt| {
            attempt.option == option && self.reopened_at.is_none_or(|reopened_at| attempt.claimed_at >= reopened_at)
        };
        let tried_since = self.attempts.iter().find(is_first)?.claimed_at;
        let due = |after| tried_since.saturating_add(after).unwrap_or(Timestamp::MAX);
        let options = notification.options_after_silence(option).filter(|(option, _)| !self.is_spent(*option));
        options.map(|(option, after)| (option, due(after))).min_by_key(|(_, due_at)| *due_at)
    }

    /// Another option is claimed now. Says of the message before it why.
    pub(super) fn note_undelivered(&mut self, next: usize) {
        let awaits = matches!(self.phase, Phase::Accepted | Phase::AwaitingReply);
        if let Some(last) = self.attempts.last_mut().filter(|last| awaits && last.option < next && !has_arrived(last)) {
            last.reason = Some(NOT_DELIVERED_IN_TIME.to_owned());
        }
    }
}

fn has_arrived(attempt: &Attempt) -> bool {
    attempt.status.is_some_and(|status| status.stage() == Stage::Arrived)
}
