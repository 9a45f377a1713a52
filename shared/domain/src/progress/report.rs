//! What was reported of the message of an attempt: by a status callback, by an event of SendGrid's, or by Twilio's list.

use jiff::Timestamp;
use twilio_types::{message_status::Stage, sid::MessageSid};

use super::{
    AttemptResult, Change, CreateAnswer, CreateFailure, MessageReport, Outcome, Phase, Progress, Purpose, Transition,
};

impl Progress {
    /// Twilio reported a status of the message of an attempt.
    pub fn report(&mut self, report: &MessageReport, on: &Transition<'_>) -> Change {
        match self.record_status(report, on.now) {
            Ok(change) => change,
            Err(failure) => self.fail(report.attempt, failure, report.status.known(), on),
        }
    }

    /// The part of [`Progress::report`] that needs no notification. The error is a failure of the last attempt, from which a
    /// step follows.
    pub fn record_status(&mut self, report: &MessageReport, now: Timestamp) -> Result<Change, CreateFailure> {
        let number = report.attempt;
        let is_last = number + 1 == self.attempts.len();
        let Some(attempt) = self.attempts.get_mut(number) else { return Ok(Change::Nothing) };
        let of_other = |known: &MessageSid| report.message_sid.as_ref().is_some_and(|reported| reported != known);
        if attempt.message_sid.as_ref().is_some_and(of_other) {
            return Ok(Change::Duplicate);
        }
        Ok(match report.status.stage() {
            Stage::Underway => {
                let is_news = matches!(attempt.result, AttemptResult::Unknown)
                    || (self.phase == Phase::Unknown && attempt.result == AttemptResult::Claimed);
                if is_news {
                    return Ok(self.record_accepted(number, report.message_sid.clone(), is_last, now));
                }
                Change::Nothing
            }
            Stage::Arrived => self.record_arrived(report, is_last, now),
            Stage::Lost => {
                if attempt.status.is_some_and(|known| known.stage() != Stage::Underway) {
                    return Ok(Change::Nothing);
                }
                attempt.message_sid = report.message_sid.clone().or_else(|| attempt.message_sid.take());
                attempt.status = report.status.known();
                if is_last && self.outcome.is_none_or(|outcome| outcome == Outcome::Unknown) {
                    return Err(CreateFailure { reason: report.reason.clone(), code: report.code });
                }
                attempt.result = AttemptResult::Failed;
                attempt.code = report.code;
                attempt.reason.clone_from(&report.reason);
                self.end_if_nothing_is_left(report.status.known(), report.code);
                Change::Recorded
            }
        })
    }

    /// The message of the last attempt was found, by its callbacks or in Twilio's list, although its answer was lost.
    pub fn record_found(&mut self, report: &MessageReport, on: &Transition<'_>) -> Change {
        let answer = match &report.message_sid {
            Some(sid) => CreateAnswer::Accepted(sid.clone()),
            None => CreateAnswer::AcceptedElsewhere(None),
        };
        let accepted = self.answer(report.attempt, answer, on);
        match self.report(report, on) {
            Change::Nothing => accepted,
            change => change,
        }
    }

    /// The attempt has a message. Only that of the last attempt changes the phase.
    pub(super) fn record_accepted(
        &mut self,
        number: usize,
        sid: Option<MessageSid>,
        is_last: bool,
        now: Timestamp,
    ) -> Change {
        let Some(attempt) = self.attempts.get_mut(number) else { return Change::Nothing };
        attempt.message_sid = sid.or_else(|| attempt.message_sid.take());
        (attempt.result, attempt.at) = (AttemptResult::Accepted, now);
        attempt.reason = None;
        if is_last && self.outcome.is_none_or(|outcome| outcome == Outcome::Unknown) {
            let phase = match attempt.purpose {
                Purpose::Deliver => Phase::Accepted,
                Purpose::AskForReply => Phase::AwaitingReply,
            };
            self.enter(phase, None, None, None);
        }
        Change::Recorded
    }

    fn record_arrived(&mut self, report: &MessageReport, is_last: bool, now: Timestamp) -> Change {
        let number = report.attempt;
        let (Some(attempt), Some(status)) = (self.attempts.get(number), report.status.known()) else {
            return Change::Nothing;
        };
        if attempt.status.is_some_and(|known| known >= status) {
            return Change::Nothing;
        }
        if attempt.result != AttemptResult::Accepted {
            self.record_accepted(number, report.message_sid.clone(), is_last, now);
        }
        let Some(attempt) = self.attempts.get_mut(number) else { return Change::Nothing };
        attempt.status = Some(status);
        match (attempt.purpose, self.phase) {
            (Purpose::Deliver, Phase::Accepted) => self.outcome = self.arrived(),
            // The next option is not sent.
            (Purpose::Deliver, Phase::Ready { .. } | Phase::AwaitingReply | Phase::Unknown) => {
                self.enter(Phase::Accepted, None, None, None);
            }
            _ => {}
        }
        Change::Recorded
    }
}
