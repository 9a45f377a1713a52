//! Whether a notification is sent now, and how: the policy's decision, and the route and recipient that follow from it.
//!
//! The same judgement is made twice. First when the batch was read; then the message is composed and its slot reserved.
//! And again when the slot has come, immediately before the claim, about everything that has changed meanwhile: the time, and
//! the person. The claim's condition is that both items are still those that the judgement was about.

use std::fmt;

use domain::{
    notification::{Category, FallbackChannel, Notification},
    pause::PauseScope,
    person::Person,
    policy::{self, Decision, PolicyRefusal},
    progress::{Outcome, Progress, Step},
    route::{NoSender, Route},
    waiting::WaitReason,
};
use jiff::Timestamp;
use stores::contacts::StoredPerson;
use twilio_types::{
    address::{E164, Recipient},
    error_code::ErrorCode,
    sid::MessagingServiceSid,
};

use crate::{job::Candidate, wait::Wait};

/// Judges candidates.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    /// The Messaging Service for notifications that name no sender.
    pub(crate) configured_service: Option<MessagingServiceSid>,
}

/// What is done with a notification now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Send(Plan),
    /// It is judged again later.
    Wait(Wait),
    /// Nothing more is sent.
    End {
        outcome: Outcome,
        reason: String,
    },
}

/// Everything that a request to Twilio says about sender and recipient is derived from this.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) step: Step,
    pub(crate) route: Route,
    pub(crate) recipient: Recipient,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("step", &self.step).field("channel", &self.route.channel).finish_non_exhaustive()
    }
}

/// "Invalid 'To' Phone Number": Twilio cannot reach this recipient. Of a user id it says nothing about the person's number.
/// Source: Twilio, error 21211.
const INVALID_TO: u32 = 21211;

impl Judge {
    pub(crate) fn judge(&self, candidate: &Candidate<'_>, now: Timestamp) -> Judgement {
        let Candidate { job, stored, seen, person, .. } = candidate;
        let notification = &job.notification;
        // The times of a notification are checked once: a `send_at` that was right is past when it comes back. After a retry they
        // are checked as they were then, because they may be why it was rejected.
        let checked_at = match seen {
            None => Some(now),
            Some(_) if job.message.retry_of.is_some() && stored.progress.attempts.is_empty() => Some(job.enqueued_at),
            Some(_) => None,
        };
        if let Some(checked_at) = checked_at
            && let Err(invalid) = notification.check_times(job.enqueued_at, checked_at)
        {
            return Judgement::End { outcome: Outcome::Rejected, reason: invalid.to_string() };
        }
        let case = candidate.case(self.configured_service.as_ref());
        match policy::decide(&case, now) {
            // By which sender it goes then is decided then.
            Decision::Later { until, reason } => {
                let scopes = vec![PauseScope::Category(notification.category)];
                Judgement::Wait(Wait { until, reason, scopes })
            }
            Decision::Paused(step) => {
                let scopes = case.route(step.option).map(|route| route.pause_scopes(notification.category));
                let scopes = scopes.unwrap_or_default();
                Judgement::Wait(Wait { until: now, reason: WaitReason::Pause, scopes })
            }
            Decision::Never(refusal) => Judgement::End { outcome: outcome_of(&refusal), reason: refusal.to_string() },
            Decision::Send(step) => match case.route(step.option) {
                Ok(route) => {
                    let recipient = recipient(notification, &stored.progress, person);
                    Judgement::Send(Plan { step, route, recipient })
                }
                Err(missing) => Judgement::End { outcome: Outcome::Rejected, reason: missing.to_string() },
            },
        }
    }

    /// The route of an option on this channel.
    pub(crate) fn route(&self, notification: &Notification, channel: FallbackChannel) -> Result<Route, NoSender> {
        Route::of(notification, channel, self.configured_service.as_ref())
    }
}

impl Plan {
    /// The message waits for this reason.
    pub(crate) fn wait(&self, category: Category, until: Timestamp, reason: WaitReason) -> Wait {
        Wait { until, reason, scopes: self.route.pause_scopes(category) }
    }
}

fn outcome_of(refusal: &PolicyRefusal) -> Outcome {
    match refusal {
        PolicyRefusal::Expired | PolicyRefusal::Unanswered => Outcome::Expired,
        PolicyRefusal::OptedOut(_) | PolicyRefusal::NoConsent(_) | PolicyRefusal::Cap { .. } => Outcome::Suppressed,
        PolicyRefusal::OutsideWindow => Outcome::Rejected,
    }
}

/// To whom the next attempt goes: the recipient that the notification names; or the person's number, if an earlier attempt
/// found that the user id is invalid.
fn recipient(notification: &Notification, progress: &Progress, person: &StoredPerson) -> Recipient {
    let was_refused = progress.attempts.iter().any(|attempt| attempt.code.is_some_and(is_invalid_recipient));
    match (&notification.to, number_of(person)) {
        (Recipient::User(_), Some(number)) if was_refused => Recipient::Phone(number),
        (named, _) => named.clone(),
    }
}

/// Whether a refusal with this code of a message to a user id is followed by an attempt to the person's number.
pub(crate) fn can_go_to_number(code: Option<ErrorCode>, refused: &Recipient, person: &StoredPerson) -> bool {
    code.is_some_and(is_invalid_recipient) && refused.user_id().is_some() && number_of(person).is_some()
}

fn is_invalid_recipient(code: ErrorCode) -> bool {
    code.get() == INVALID_TO
}

/// The person's phone number, if one is known: the home identity, or the first alias that is one.
fn number_of(person: &StoredPerson) -> Option<E164> {
    numbers_of(person).next()
}

/// The person's phone numbers, the home identity first.
pub(crate) fn numbers_of(person: &StoredPerson) -> impl Iterator<Item = E164> + '_ {
    let Person { aliases, .. } = &person.person;
    let identities = [person.home.address()].into_iter().chain(aliases.iter().map(String::as_str));
    identities.filter_map(|identity| identity.parse().ok())
}

#[cfg(test)]
pub(crate) mod tests;
