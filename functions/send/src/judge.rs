//! Whether a notification is sent now, and how: the policy's decision, and the route and recipient that follow from it.
//!
//! The same judgement is made twice. First when the batch was read; then the message is composed and its slot reserved.
//! And again when the slot has come, immediately before the claim, about everything that has changed meanwhile: the time, and
//! the person. The claim's condition is that both items are still those that the judgement was about.

use std::fmt;

use domain::{
    notification::{Category, Notification},
    pause::PauseScope,
    person::Person,
    policy::{self, Decision, PolicyRefusal},
    progress::{Outcome, Progress, Step},
    route::Route,
    waiting::WaitReason,
};
use jiff::{SignedDuration, Timestamp};
use stores::contacts::StoredPerson;
use twilio_types::{
    address::{E164, Recipient},
    error_code::ErrorCode,
};

use crate::{job::Candidate, template_plan::TemplatePlan, wait::Wait};

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
    pub(crate) template: TemplatePlan,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("step", &self.step).field("channel", &self.route.channel).finish_non_exhaustive()
    }
}

/// "Invalid 'To' Phone Number": Twilio cannot reach this recipient. Of a user id it says nothing about the person's number.
/// Source: Twilio, error 21211.
const INVALID_TO: u32 = 21211;

/// Judges a candidate, by the settings of its account.
pub(crate) fn judge(candidate: &Candidate<'_>, now: Timestamp) -> Judgement {
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
    let case = candidate.case();
    match policy::decide(&case, now) {
        // Its sender is decided when it goes out.
        Decision::Later { until, reason } => {
            let scopes = vec![PauseScope::Category(notification.category)];
            Judgement::Wait(Wait { until, reason, scopes })
        }
        Decision::Paused(step) => {
            let scopes = case.route(step.option).map(|route| route.pause_scopes(notification.category));
            let scopes = scopes.unwrap_or_default();
            Judgement::Wait(Wait { until: now, reason: WaitReason::Pause, scopes })
        }
        Decision::Never(refusal) => match awaits_list(candidate, &refusal, now) {
            Some(wait) => Judgement::Wait(wait),
            None => Judgement::End { outcome: outcome_of(&refusal), reason: refusal.to_string() },
        },
        Decision::Send(step) => match case.route(step.option) {
            Ok(route) => {
                let recipient = recipient(notification, &stored.progress, person);
                Judgement::Send(Plan { step, route, recipient, template: TemplatePlan::of(&case, step, now) })
            }
            Err(missing) => Judgement::End { outcome: Outcome::Rejected, reason: missing.to_string() },
        },
    }
}

impl Plan {
    /// The message waits for this reason.
    pub(crate) fn wait(&self, category: Category, until: Timestamp, reason: WaitReason) -> Wait {
        Wait { until, reason, scopes: self.route.pause_scopes(category) }
    }
}

/// The shortest and the longest interval at which a notification asks whether its template is known by now.
const ASK_AGAIN: [SignedDuration; 2] = [SignedDuration::from_secs(30), SignedDuration::from_mins(15)];

/// After this time a template that no list has counts as one that does not exist, although no list was read.
const AWAIT_LIST: SignedDuration = SignedDuration::from_hours(24);

/// The wait for the next list of templates, if that may have the template, which may have been created just before the
/// notification.
fn awaits_list(candidate: &Candidate<'_>, refusal: &PolicyRefusal, now: Timestamp) -> Option<Wait> {
    let PolicyRefusal::Template { may_be_unknown: true, .. } = refusal else { return None };
    let Candidate { job, stored, templates, .. } = candidate;
    let waits_since = stored.due.as_ref().filter(|due| due.reason == WaitReason::Template).map(|due| due.since);
    let is_over = waits_since.is_some_and(|since| now.duration_since(since) >= AWAIT_LIST);
    if is_over || templates.has_all_created_before(job.enqueued_at) {
        return None;
    }
    // The longer it waits, the less often: a list that is not read for hours may hold back a whole campaign.
    let waited = waits_since.map_or(SignedDuration::ZERO, |since| now.duration_since(since));
    let [shortest, longest] = ASK_AGAIN;
    let until = now.saturating_add((waited / 4).clamp(shortest, longest)).unwrap_or(now);
    let scopes = vec![PauseScope::Category(job.notification.category)];
    Some(Wait { until, reason: WaitReason::Template, scopes })
}

fn outcome_of(refusal: &PolicyRefusal) -> Outcome {
    match refusal {
        PolicyRefusal::Expired | PolicyRefusal::Unanswered => Outcome::Expired,
        PolicyRefusal::OptedOut(_) | PolicyRefusal::NoConsent(_) | PolicyRefusal::Cap { .. } => Outcome::Suppressed,
        PolicyRefusal::OutsideWindow | PolicyRefusal::Template { .. } => Outcome::Rejected,
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
