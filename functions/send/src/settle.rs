//! What Twilio answered is written down.
//!
//! 1. If the answer says that the person opted out, that is recorded of the person first. The next notification is then
//!    suppressed, even if this function stops before step 3.
//! 2. The answer changes the notification's progress ([`domain::progress::Progress::answer`]): accepted, ready for its next
//!    step, or ended.
//! 3. The notification is written, if it is still as the claim wrote it. If a status callback was faster, the answer is
//!    applied to what the callback left.
//! 4. If the notification goes on, a message of it is put on the queue.
//!
//! If the function stops before step 3, the claim stays, and `resolve` finds out later what became of the message. The
//! deadline of the requests leaves the time for one write here.

use std::time::Duration;

use domain::{
    failure_response::{FailureResponse, needs_operator},
    notification::{FallbackChannel, Notification},
    preference::{Preference, RecordedPreference},
    progress::{AttemptResult, Change, CreateAnswer, CreateFailure, Outcome, Progress},
    region::region_of_recipient,
    route::Route,
    suppression::{OptOutScope, Scope, reported_reason},
};
use jiff::{SignedDuration, Timestamp};
use shared::report::Chain;
use stores::{
    contacts::{Contacts, PreferenceSource},
    notifications::{NotificationWrite, Notifications, StoredNotification},
};
use twilio_types::{address::Channel, error_code::ErrorCode};

use crate::{
    claim::Claimed,
    dead_letters::DeadLetters,
    deliver::Delivery,
    judge::can_go_to_number,
    next::{Next, SendError},
    record_decision::log_state,
    wait::Waiter,
};

/// Writes Twilio's answers.
#[derive(Debug)]
pub(crate) struct Settler {
    pub(crate) notifications: Notifications,
    pub(crate) contacts: Contacts,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) waiter: Waiter,
}

impl Settler {
    pub(crate) async fn settle(&self, claimed: &Claimed<'_>, delivery: Delivery) -> Result<Next, SendError> {
        let now = Timestamp::now();
        let answer = match delivery {
            Delivery::Answered(answer) | Delivery::TooFast(answer) => answer,
            // The claim stays as it is, and is resolved after its lease.
            Delivery::OutcomeUnknown(what) => {
                self.note_unanswered(claimed, &what, now).await;
                return Ok(Next::after_lease(claimed.stored.lease.as_ref().map_or(now, |lease| lease.until), now));
            }
        };
        if let CreateAnswer::Refused(failure) = &answer {
            self.record_opt_out(claimed, failure, now).await?;
        }
        let answer = to_number_after_invalid_user_id(answer, claimed);
        let mut stored = claimed.stored.clone();
        let change = apply(&mut stored, &claimed.job.notification, claimed.attempt(), answer.clone(), now);
        let delay = stored.hand_over(claimed.job.message.hops, now);
        log_refusal(&claimed.job.notification, &answer, change);
        if is_given_up(&stored.progress) {
            let reason = stored.progress.reason.clone().unwrap_or_default();
            self.dead_letters.write_job(&claimed.job, &reason).await?;
        }
        let (stored, delay) = match self.notifications.put(Some(claimed.stored.version), &stored, now).await? {
            NotificationWrite::Written => (stored, delay),
            NotificationWrite::Changed(_) => self.apply_to_stored(claimed, &answer, now).await?,
        };
        log_state(&stored);
        Ok(self.waiter.come_back(&claimed.job, delay).await)
    }

    /// Shows in the notification's log what Twilio answered, while it is not known whether a message exists. Nothing depends on
    /// it, so that a write that fails is only logged.
    async fn note_unanswered(&self, claimed: &Claimed<'_>, what: &str, now: Timestamp) {
        let mut stored = claimed.stored.clone();
        stored.progress.note_unanswered(what);
        if let Err(error) = self.notifications.put(Some(claimed.stored.version), &stored, now).await {
            let notification_id = &claimed.job.notification.id;
            tracing::warn!(%notification_id, error = %Chain(&error), "the answer of an attempt was not written down");
        }
    }

    /// A status callback was faster than the answer. If it made the notification go on, its writer has put the next message on
    /// the queue.
    async fn apply_to_stored(
        &self,
        claimed: &Claimed<'_>,
        answer: &CreateAnswer,
        now: Timestamp,
    ) -> Result<(StoredNotification, Option<Duration>), SendError> {
        let notification = &claimed.job.notification;
        let change =
            |stored: &mut StoredNotification| match apply(stored, notification, claimed.attempt(), answer.clone(), now)
            {
                Change::Nothing | Change::Duplicate => (None, None),
                Change::Recorded | Change::Ready(_) => {
                    let delay = stored.hand_over(claimed.job.message.hops, now);
                    (Some(delay), None)
                }
            };
        let changed = self.notifications.change(&claimed.job.account_sid, &notification.id, now, change).await?;
        Ok(changed.unwrap_or_else(|| (claimed.stored.clone(), None)))
    }

    /// Twilio knows of an opt-out that did not come through our webhook.
    async fn record_opt_out(
        &self,
        claimed: &Claimed<'_>,
        failure: &CreateFailure,
        now: Timestamp,
    ) -> Result<(), SendError> {
        let route = &claimed.plan.route;
        let scopes = match FailureResponse::of_code(failure.code, region_of_recipient(&claimed.job.notification.to)) {
            FailureResponse::OptOut => refused_scopes(claimed.job.settings().opt_out.scope, route),
            FailureResponse::OptOutOfMarketing => vec![Scope::Marketing],
            _ => return Ok(()),
        };
        let channel = match route.channel {
            FallbackChannel::WhatsApp => Channel::WhatsApp,
            FallbackChannel::Sms => Channel::Sms,
            FallbackChannel::Email => return Ok(()),
        };
        let job = &claimed.job;
        let preference = RecordedPreference {
            preference: Preference::OptedOut,
            changed_at: now,
            message_sid: None,
            reason: failure.code.map(reported_reason),
        };
        let source = PreferenceSource {
            event_id: format!("{}#{}.contact_opted_out", job.account_sid, job.notification.id),
            code: failure.code,
            recorded_by: None,
        };
        self.contacts.record_preference(&job.contact, Some(&channel), &scopes, &preference, &source, now).await?;
        tracing::info!(
            notification_id = %job.notification.id,
            code = failure.code.map(ErrorCode::get),
            "the recipient was recorded as opted out, because Twilio refused a message with this code"
        );
        Ok(())
    }
}

/// What an opt-out covers because of which Twilio refused a message by this route.
fn refused_scopes(configured: OptOutScope, route: &Route) -> Vec<Scope> {
    let sender = route.from().and_then(|from| from.to_string().parse().ok());
    configured.scopes_of_report(sender.as_ref(), route.service())
}

/// Applies Twilio's answer to an attempt of a stored notification.
fn apply(
    stored: &mut StoredNotification,
    notification: &Notification,
    attempt: usize,
    answer: CreateAnswer,
    now: Timestamp,
) -> Change {
    stored.apply(notification, now, |progress, on| progress.answer(attempt, answer, on))
}

/// A user id that is invalid for Twilio says nothing about the person: if the person's number is known, the same option goes
/// to the number at once. Otherwise it is a refusal of the recipient.
fn to_number_after_invalid_user_id(answer: CreateAnswer, claimed: &Claimed<'_>) -> CreateAnswer {
    match answer {
        CreateAnswer::Refused(failure) if can_go_to_number(failure.code, &claimed.plan.recipient, &claimed.person) => {
            CreateAnswer::NotDone(failure, SignedDuration::ZERO)
        }
        answer => answer,
    }
}

/// Whether the notification was rejected because of time, and not because Twilio refused it for good.
fn is_given_up(progress: &Progress) -> bool {
    progress.outcome == Some(Outcome::Rejected)
        && progress.last().is_some_and(|attempt| attempt.result == AttemptResult::Waiting)
}

fn log_refusal(notification: &Notification, answer: &CreateAnswer, change: Change) {
    if change == Change::Duplicate {
        tracing::error!(
            notification_id = %notification.id,
            alarm = "duplicate",
            "Twilio has two messages of one attempt: a person got a message twice"
        );
    }
    if let CreateAnswer::Refused(failure) = answer
        && let Some(code) = failure.code.filter(|code| needs_operator(*code))
    {
        tracing::error!(
            notification_id = %notification.id,
            %code,
            alarm = "configuration",
            "Twilio refused a message with a code that an operator has to look at"
        );
    }
}

#[cfg(test)]
mod tests;
