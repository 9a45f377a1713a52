//! Messages that were sent after the time to which the tables were restored. The restored notification does not know them,
//! and would be sent again; the archived statuses and Twilio's list do.
//!
//! A notification that has such a message counts as sent, and nothing follows that message: which option it was, and whether
//! another one followed, is not known any more. What becomes of it is still the outcome. A notification whose message may
//! exist without being named is held for an operator.

use std::fmt;

use jiff::Timestamp;
use twilio_types::{
    error_code::ErrorCode,
    message_status::{MessageStatus, ReportedStatus},
    sid::MessageSid,
};

use super::{Attempt, AttemptResult, Change, MessageReport, Outcome, Phase, Progress, Purpose};
use crate::{limits::MAX_ATTEMPTS, notification::FallbackChannel};

const RECOVERED: &str = "it was sent after the time to which the tables were restored, so nothing follows its message";

/// A message of a notification, as its statuses name it.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveredMessage {
    /// The number of the attempt that became the message. None in a status that was published before it had the number.
    pub attempt: Option<usize>,
    /// None of an e-mail.
    pub message_sid: Option<MessageSid>,
    pub channel: FallbackChannel,
    /// When its first known status was reported.
    pub reported_at: Timestamp,
    /// The furthest status that was reported.
    pub status: Option<ReportedStatus>,
    /// Twilio's code, if it failed.
    pub code: Option<ErrorCode>,
}

impl fmt::Debug for RecoveredMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveredMessage")
            .field("attempt", &self.attempt)
            .field("message_sid", &self.message_sid)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

impl Progress {
    /// A message exists that the stored attempts do not have. Gives what its furthest status reports of the attempt that it is
    /// recorded as, for [`Progress::report`]. Nothing changes if they have it.
    pub fn recover(&mut self, message: &RecoveredMessage, now: Timestamp) -> Option<MessageReport> {
        if self.knows(message) {
            return None;
        }
        let number = self.number_of(message);
        let option = self.ready_step().map(|step| step.option).or(self.last().map(|last| last.option)).unwrap_or(0);
        while self.attempts.len() <= number {
            self.attempts.push(forgotten(option, message));
        }
        let attempt = self.attempts.get_mut(number)?;
        attempt.message_sid.clone_from(&message.message_sid);
        attempt.channel = message.channel;
        (attempt.result, attempt.at, attempt.reason) = (AttemptResult::Accepted, message.reported_at, None);
        self.cancelled_at = self.cancelled_at.or(Some(now));
        self.enter(Phase::Accepted, None, Some(RECOVERED.to_owned()), None);
        Some(MessageReport {
            attempt: number,
            message_sid: message.message_sid.clone(),
            status: message.status.clone().unwrap_or_else(|| MessageStatus::Accepted.into()),
            code: message.code,
            reason: None,
        })
    }

    /// A decision after that time ended the notification, which the restored one does not know. One with a message has the
    /// outcome that its message has.
    pub fn recover_end(&mut self, outcome: Outcome, reason: Option<String>) -> Change {
        let is_decision =
            matches!(outcome, Outcome::Suppressed | Outcome::Rejected | Outcome::Expired | Outcome::Cancelled);
        if !is_decision || !self.is_unsent() {
            return Change::Nothing;
        }
        self.end(outcome, reason.unwrap_or_else(|| outcome.as_str().to_owned()));
        Change::Recorded
    }

    /// A message to its recipient exists that no status assigns to a notification: it may be this one's. One that was not sent
    /// is held, and nothing follows the message of one that was.
    pub fn recover_unknown_outcome(&mut self, reason: &str, now: Timestamp) -> Change {
        match self.phase {
            Phase::Ready { .. } | Phase::AwaitingReply => self.hold(reason),
            Phase::Accepted if self.may_be_sent() => {
                (self.cancelled_at, self.reason) = (Some(now), Some(reason.to_owned()));
            }
            _ => return Change::Nothing,
        }
        Change::Recorded
    }

    /// Whether a function may send it, or another option of it. What became of a claim is looked up before anything is sent.
    pub fn may_be_sent(&self) -> bool {
        let may_fail = self.phase == Phase::Accepted && self.outcome.is_none() && self.cancelled_at.is_none();
        self.is_unsent() || may_fail
    }

    fn is_unsent(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. } | Phase::AwaitingReply)
    }

    fn knows(&self, message: &RecoveredMessage) -> bool {
        let Some(message_sid) = &message.message_sid else {
            let attempt = message.attempt.and_then(|number| self.attempts.get(number));
            return attempt.is_some_and(|attempt| attempt.result != AttemptResult::Unknown);
        };
        self.attempts.iter().any(|attempt| attempt.message_sid.as_ref() == Some(message_sid))
    }

    /// The attempt that became the message: the one that its status names, if that has no other message, or else the next.
    fn number_of(&self, message: &RecoveredMessage) -> usize {
        let is_free = |number: &usize| {
            let other = |attempt: &Attempt| attempt.message_sid.is_some() && message.message_sid.is_some();
            *number < MAX_ATTEMPTS && !self.attempts.get(*number).is_some_and(other)
        };
        message.attempt.filter(is_free).unwrap_or(self.attempts.len())
    }
}

/// An attempt of which nothing is known but that it was made.
fn forgotten(option: usize, message: &RecoveredMessage) -> Attempt {
    Attempt {
        option,
        purpose: Purpose::Deliver,
        channel: message.channel,
        claimed_at: message.reported_at,
        at: message.reported_at,
        result: AttemptResult::Unknown,
        message_sid: None,
        external_id: None,
        status: None,
        reason: None,
        code: None,
        content_sid: None,
        passed_over: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{notification::Notification, progress::Transition};

    const FIRST: &str = "SM00000000000000000000000000000001";
    const SECOND: &str = "SM00000000000000000000000000000002";

    fn now() -> Timestamp {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn message(attempt: Option<usize>, sid: &str) -> RecoveredMessage {
        let message_sid = sid.parse().ok();
        let channel = FallbackChannel::WhatsApp;
        RecoveredMessage { attempt, message_sid, channel, reported_at: now(), status: None, code: None }
    }

    fn with_fallback() -> Notification {
        Notification::parse(
            r#"{"id": "order-1", "to": "+14155550123", "category": "utility",
                "content": {"type": "text", "body": "Hello"},
                "fallback": [{"channel": "sms", "content": {"type": "text", "body": "Hello"}}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn waiting_notification_with_a_message_counts_as_sent() {
        let notification = with_fallback();
        let on = Transition { notification: &notification, expires_at: None, now: now() };
        for (status, outcome) in
            [(MessageStatus::Delivered, Outcome::Delivered), (MessageStatus::Undelivered, Outcome::Undelivered)]
        {
            let mut progress = Progress::default();
            let sent = RecoveredMessage { status: Some(status.into()), ..message(Some(0), FIRST) };
            let report = progress.recover(&sent, now()).unwrap();
            assert_eq!((progress.phase, progress.may_be_sent()), (Phase::Accepted, false));
            assert_eq!(progress.recover(&sent, now()), None, "a second time");
            progress.report(&report, &on);
            assert_eq!((progress.outcome, progress.may_be_sent()), (Some(outcome), false), "and no fallback follows");
        }
    }

    #[test]
    fn later_message_of_a_known_notification_ends_it() {
        let mut progress = Progress::default();
        progress.recover(&message(Some(0), FIRST), now());
        let mut stored = Progress { cancelled_at: None, ..progress };
        assert!(stored.may_be_sent());
        assert_eq!(stored.recover(&message(Some(2), SECOND), now()).unwrap().attempt, 2);
        let results: Vec<_> = stored.attempts.iter().map(|attempt| attempt.result).collect();
        assert_eq!(results, [AttemptResult::Accepted, AttemptResult::Unknown, AttemptResult::Accepted]);
        assert!(!stored.may_be_sent());
    }

    #[test]
    fn message_without_its_attempt_becomes_the_next_one() {
        let mut progress = Progress::default();
        progress.recover(&message(None, FIRST), now());
        progress.recover(&message(None, SECOND), now());
        progress.recover(&message(Some(usize::MAX), "SM00000000000000000000000000000003"), now());
        let sids: Vec<_> = progress.attempts.iter().map(|attempt| attempt.message_sid.clone()).collect();
        assert_eq!(sids.len(), 3);
        assert!(sids.iter().all(Option::is_some));
    }

    #[test]
    fn email_is_recovered_once() {
        let email = RecoveredMessage { message_sid: None, channel: FallbackChannel::Email, ..message(Some(1), FIRST) };
        let mut progress = Progress::default();
        assert!(progress.recover(&email, now()).is_some());
        assert_eq!(progress.recover(&email, now()), None);
    }

    #[test]
    fn decision_ends_only_what_may_be_sent() {
        let cancelled = |progress: &mut Progress| progress.recover_end(Outcome::Cancelled, None);
        let mut waiting = Progress::default();
        assert_eq!(cancelled(&mut waiting), Change::Recorded);
        assert_eq!((waiting.phase, waiting.outcome), (Phase::Ended, Some(Outcome::Cancelled)));
        assert_eq!(cancelled(&mut waiting), Change::Nothing);
        let mut sent = Progress::default();
        sent.recover(&message(Some(0), FIRST), now());
        assert_eq!(cancelled(&mut sent), Change::Nothing);
        assert_eq!(Progress::default().recover_end(Outcome::Undelivered, None), Change::Nothing);
    }

    #[test]
    fn unknown_outcome_holds_only_what_may_be_sent() {
        let recover = |progress: &mut Progress| progress.recover_unknown_outcome("a message exists", now());
        let mut waiting = Progress::default();
        assert_eq!(recover(&mut waiting), Change::Recorded);
        assert_eq!((waiting.phase, waiting.outcome), (Phase::Unknown, Some(Outcome::Unknown)));
        assert_eq!(recover(&mut waiting), Change::Nothing);
        let mut sent = Progress::default();
        sent.recover(&message(Some(0), FIRST), now());
        sent.cancelled_at = None;
        assert_eq!(recover(&mut sent), Change::Recorded);
        assert_eq!((sent.phase, sent.outcome, recover(&mut sent)), (Phase::Accepted, None, Change::Nothing));
    }
}
