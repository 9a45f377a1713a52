//! The next step after a failure, whether it became known before or after Twilio accepted the message.

use jiff::{SignedDuration, Timestamp};
use twilio_types::{error_code::ErrorCode, message_status::MessageStatus};

use super::{AttemptResult, Change, CreateFailure, Outcome, Phase, Progress, Purpose, Step, Transition};
use crate::{
    failure_response::{FailureResponse, Remedy, RetryPause, options_after},
    limits::{GIVE_UP_AFTER, MAX_ATTEMPTS},
    notification::FallbackChannel,
    region::region_of_recipient,
};

impl Progress {
    /// The last attempt failed for certain: before Twilio accepted it, or after (then `reported` is its status).
    pub(super) fn fail(
        &mut self,
        number: usize,
        failure: CreateFailure,
        reported: Option<MessageStatus>,
        on: &Transition<'_>,
    ) -> Change {
        let result = if reported.is_some() { AttemptResult::Failed } else { AttemptResult::Rejected };
        match FailureResponse::of_code(failure.code, region_of_recipient(&on.notification.to)) {
            FailureResponse::RetryAfter(pause) => self.retry_later(number, failure, reported, pause, on),
            FailureResponse::NextOption(remedy) => match self.next_step(number, remedy, on) {
                Some(step) => self.ready(number, result, failure, step, SignedDuration::ZERO, on.now),
                None => self.give_up(number, result, failure, reported, on.now),
            },
            FailureResponse::NextOptionOrRetry(remedy, pause) => match self.next_step(number, remedy, on) {
                Some(step) => self.ready(number, result, failure, step, SignedDuration::ZERO, on.now),
                None => self.retry_later(number, failure, reported, pause, on),
            },
            FailureResponse::OptOut | FailureResponse::OptOutOfMarketing => {
                self.settle(number, AttemptResult::Suppressed, &failure, on.now);
                self.enter(Phase::Ended, Some(Outcome::Suppressed), failure.reason, failure.code);
                Change::Recorded
            }
            FailureResponse::GiveUp => self.give_up(number, result, failure, reported, on.now),
        }
    }

    fn retry_later(
        &mut self,
        number: usize,
        failure: CreateFailure,
        reported: Option<MessageStatus>,
        pause: RetryPause,
        on: &Transition<'_>,
    ) -> Change {
        let result = if reported.is_some() { AttemptResult::Failed } else { AttemptResult::Waiting };
        self.retry(number, result, failure, pause.after(self.tries().max(1)), on)
    }

    /// The same step again, unless that would be too late.
    pub(super) fn retry(
        &mut self,
        number: usize,
        result: AttemptResult,
        failure: CreateFailure,
        pause: SignedDuration,
        on: &Transition<'_>,
    ) -> Change {
        let Some(attempt) = self.attempts.get(number) else { return Change::Nothing };
        let step = Step { option: attempt.option, purpose: attempt.purpose };
        let since = self.tried_since().unwrap_or(on.now);
        let give_up_at = on.expires_at.or_else(|| since.checked_add(GIVE_UP_AFTER).ok()).unwrap_or(Timestamp::MAX);
        let retry_at = on.now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        if retry_at >= give_up_at || self.attempts.len() >= MAX_ATTEMPTS {
            let attempts = self.attempts.len();
            self.settle(number, result, &failure, on.now);
            let reason = format!("given up after {attempts} attempts");
            let reported = self.attempts.get(number).and_then(|attempt| attempt.status);
            self.end_failed(reported, Some(reason), failure.code);
            return Change::Recorded;
        }
        self.ready(number, result, failure, step, pause, on.now)
    }

    fn ready(
        &mut self,
        number: usize,
        result: AttemptResult,
        failure: CreateFailure,
        step: Step,
        pause: SignedDuration,
        now: Timestamp,
    ) -> Change {
        self.settle(number, result, &failure, now);
        let not_before = (!pause.is_zero()).then(|| now.saturating_add(pause).unwrap_or(Timestamp::MAX));
        self.enter(Phase::Ready { step, not_before }, None, failure.reason, failure.code);
        Change::Ready(pause)
    }

    fn give_up(
        &mut self,
        number: usize,
        result: AttemptResult,
        failure: CreateFailure,
        reported: Option<MessageStatus>,
        now: Timestamp,
    ) -> Change {
        self.settle(number, result, &failure, now);
        self.end_failed(reported, failure.reason, failure.code);
        Change::Recorded
    }

    /// Ends as rejected if Twilio never accepted the last attempt, and else as its message did.
    fn end_failed(&mut self, reported: Option<MessageStatus>, reason: Option<String>, code: Option<ErrorCode>) {
        match reported {
            None => self.enter(Phase::Ended, Some(Outcome::Rejected), reason, code),
            Some(MessageStatus::Undelivered) => self.enter(Phase::Accepted, Some(Outcome::Undelivered), reason, code),
            Some(_) => self.enter(Phase::Accepted, Some(Outcome::Failed), reason, code),
        }
    }

    fn settle(&mut self, number: usize, result: AttemptResult, failure: &CreateFailure, now: Timestamp) {
        let Some(attempt) = self.attempts.get_mut(number) else { return };
        (attempt.result, attempt.at, attempt.code) = (result, now, failure.code);
        attempt.reason.clone_from(&failure.reason);
    }

    /// The next option that a remedy allows and that has no message.
    fn next_step(&self, number: usize, remedy: Remedy, on: &Transition<'_>) -> Option<Step> {
        let failed = self.attempts.get(number)?.option;
        let option = options_after(on.notification, failed, remedy).find(|option| !self.is_spent(*option))?;
        let by_whatsapp =
            on.notification.channel_option(option).is_some_and(|(channel, _)| channel == FallbackChannel::WhatsApp);
        let asks = on.notification.wait_for_reply && by_whatsapp && !self.was_delivery_tried();
        let purpose = if asks { Purpose::AskForReply } else { Purpose::Deliver };
        Some(Step { option, purpose })
    }
}
