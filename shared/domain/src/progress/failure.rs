//! The next step after a failure, whether it became known before or after Twilio accepted the message.

use jiff::{SignedDuration, Timestamp};
use twilio_types::{error_code::ErrorCode, message_status::MessageStatus};

use super::{
    AttemptResult, Change, CreateFailure, Outcome, Phase, Progress, Purpose, Step, Transition, undelivered::OpenEnd,
};
use crate::{
    failure_response::{FailureResponse, Remedy, RetryPause, options_after},
    limits::{GIVE_UP_AFTER, MAX_ATTEMPTS},
    notification::{Content, FallbackChannel},
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
        let response = if self.is_other_service(number, on) {
            FailureResponse::OTHER_SERVICE
        } else {
            FailureResponse::of_code(failure.code, region_of_recipient(&on.notification.to))
        };
        match response {
            FailureResponse::OptOut | FailureResponse::OptOutOfMarketing => {
                self.settle(number, AttemptResult::Suppressed, &failure, on.now);
                self.end_with(Outcome::Suppressed, failure.reason, failure.code);
                Change::Recorded
            }
            _ if self.cancelled_at.is_some() => self.give_up(number, result, failure, reported, on.now),
            FailureResponse::RetryAfter(pause) => self.retry_later(number, failure, reported, pause, on),
            FailureResponse::NextOption(remedy) => match self.next_step(number, remedy, on) {
                Some(step) => self.ready(number, result, failure, step, SignedDuration::ZERO, on.now),
                None => self.give_up(number, result, failure, reported, on.now),
            },
            FailureResponse::NextOptionOrRetry(remedy, pause) => match self.next_step(number, remedy, on) {
                Some(step) => self.ready(number, result, failure, step, SignedDuration::ZERO, on.now),
                None => self.retry_later(number, failure, reported, pause, on),
            },
            FailureResponse::GiveUp => match self.other_channel_after_silence(number, on) {
                Some((step, due_at)) => {
                    let pause = due_at.duration_since(on.now).max(SignedDuration::ZERO);
                    self.ready(number, result, failure, step, pause, on.now)
                }
                None => self.give_up(number, result, failure, reported, on.now),
            },
        }
    }

    /// Whether an attempt goes to SendGrid or to Twilio Studio, whose failures have no code that we know.
    fn is_other_service(&self, number: usize, on: &Transition<'_>) -> bool {
        let option = self.attempts.get(number).and_then(|attempt| on.notification.channel_option(attempt.option));
        option.is_some_and(|(channel, content)| {
            channel == FallbackChannel::Email || matches!(content, Content::Studio { .. })
        })
    }

    /// The step that follows another service that does not answer. Without one it is tried again.
    pub(super) fn step_after_other_service(&self, number: usize, on: &Transition<'_>) -> Option<Step> {
        self.next_step(number, Remedy::Other, on).filter(|_| self.is_other_service(number, on))
    }

    /// An option is not sent, for a reason that concerns it alone: the next one follows, if there is one.
    pub fn pass_over(&mut self, step: Step, channel: FallbackChannel, reason: String, on: &Transition<'_>) -> Change {
        let number = self.claim(step, channel, on.now);
        let failure = CreateFailure { reason: Some(reason), code: None };
        if let Some(step) = self.next_step(number, Remedy::Other, on) {
            return self.ready(number, AttemptResult::Suppressed, failure, step, SignedDuration::ZERO, on.now);
        }
        self.settle(number, AttemptResult::Suppressed, &failure, on.now);
        self.end_with(Outcome::Suppressed, failure.reason, None);
        Change::Recorded
    }

    /// Whether the last attempt became a message stays unknown, and another option follows it. Nothing changes if there is
    /// none. The attempt stays claimed, so that its option is not sent again: its message may exist.
    pub fn go_on_after_unknown(&mut self, reason: &str, on: &Transition<'_>) -> Change {
        let number = self.attempts.len().saturating_sub(1);
        let Some(step) = self.next_step(number, Remedy::Other, on) else { return Change::Nothing };
        self.leave_unknown(number, step, reason, on)
    }

    /// The same for an option that follows because nothing is delivered in time, if its time has come.
    pub fn go_on_after_silence(&mut self, reason: &str, on: &Transition<'_>) -> Change {
        let number = self.attempts.len().saturating_sub(1);
        let next = self.option_after_silence(number, on.notification).filter(|(_, due_at)| *due_at <= on.now);
        let Some((option, _)) = next else { return Change::Nothing };
        let step = Step { option, purpose: self.purpose_of(option, on) };
        self.leave_unknown(number, step, reason, on)
    }

    fn leave_unknown(&mut self, number: usize, step: Step, reason: &str, on: &Transition<'_>) -> Change {
        let failure = CreateFailure { reason: Some(reason.to_owned()), code: None };
        self.ready(number, AttemptResult::Claimed, failure, step, SignedDuration::ZERO, on.now)
    }

    /// An option that follows because the message is not delivered, on another channel: there it is no repetition of what
    /// may not be repeated.
    fn other_channel_after_silence(&self, number: usize, on: &Transition<'_>) -> Option<(Step, Timestamp)> {
        let failed = self.attempts.get(number)?.channel;
        let (option, due_at) = self.option_after_silence(number, on.notification)?;
        let (channel, _) = on.notification.channel_option(option)?;
        let step = Step { option, purpose: Purpose::Deliver };
        let is_in_time = on.expires_at.is_none_or(|expires_at| due_at.max(on.now) < expires_at);
        (channel != failed && is_in_time).then_some((step, due_at))
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
        if let Some((option, due_at)) = self.option_after_silence(number, on.notification)
            && due_at <= retry_at
            && due_at.max(on.now) < give_up_at
        {
            let step = Step { option, purpose: self.purpose_of(option, on) };
            let pause = due_at.duration_since(on.now).max(SignedDuration::ZERO);
            return self.ready(number, result, failure, step, pause, on.now);
        }
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
        if self.ready_step().is_some() { Change::Ready(pause) } else { Change::Recorded }
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

    /// Ends as rejected if Twilio never accepted the last attempt, and else as its message did. As long as the message of an
    /// earlier attempt may arrive, nothing has ended.
    fn end_failed(&mut self, reported: Option<MessageStatus>, reason: Option<String>, code: Option<ErrorCode>) {
        match reported {
            None => self.end_with(Outcome::Rejected, reason, code),
            Some(status) => {
                let of_message =
                    if status == MessageStatus::Undelivered { Outcome::Undelivered } else { Outcome::Failed };
                let outcome = match self.open_end() {
                    OpenEnd::MayArrive => None,
                    OpenEnd::Unknown => Some(Outcome::Unknown),
                    OpenEnd::Nothing => Some(of_message),
                };
                self.enter(Phase::Accepted, outcome, reason, code);
            }
        }
    }

    /// The message of an earlier attempt failed. If that of the last one is known to have failed too, that is the outcome.
    pub(super) fn end_if_nothing_is_left(&mut self, reported: Option<MessageStatus>, code: Option<ErrorCode>) {
        if self.phase == Phase::Accepted && self.outcome.is_none() && !self.is_message_underway() {
            self.end_failed(reported, self.reason.clone(), code);
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
        Some(Step { option, purpose: self.purpose_of(option, on) })
    }

    pub(super) fn purpose_of(&self, option: usize, on: &Transition<'_>) -> Purpose {
        let by_whatsapp =
            on.notification.channel_option(option).is_some_and(|(channel, _)| channel == FallbackChannel::WhatsApp);
        let asks = on.notification.wait_for_reply && by_whatsapp && !self.was_delivery_tried();
        if asks { Purpose::AskForReply } else { Purpose::Deliver }
    }
}
