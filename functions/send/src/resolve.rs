//! A claim whose outcome is unknown: the function stopped, or Twilio's answer was lost. Whether a message exists is found
//! out, not guessed.
//!
//! 1. The status callbacks of the attempt are read consistently. Its callback URL names the attempt, so any callback proves
//!    that the message exists, and says how far it has come.
//! 2. Without a callback nothing is certain as long as Twilio may still send the message: it may be queued, and Twilio's list
//!    is sorted by the date of sending, so that a message that was not sent yet may be absent. Step 1 is repeated until the
//!    validity period has passed, and two minutes more ([`stores::notifications::Lease::resolvable_at`]).
//! 3. Then Twilio's list of messages to the recipient is read to its end. A message that says the same and belongs to no other
//!    notification is assigned to this one.
//! 4. If the list shows none, there is no message, and the same step of the notification may be sent.
//! 5. An e-mail is in no list: its events decide. An execution of a flow is looked for in the flow's list. Of both, the next
//!    option follows if the outcome stays unknown, so that SendGrid or Studio holds nothing up.
//! 6. If the list cannot be read, it is tried again for ten minutes. Then the policy of the category decides: the notification
//!    is held for an operator, or sent again. A category that is sent again does not wait those ten minutes, because its
//!    messages are worthless by then. An option with `after` follows when its time has come, whatever the list would say.

use std::time::Duration;

use domain::{
    limits::{RESOLVE_MARGIN, validity},
    policy::OnUnknown,
    progress::{Attempt, Change, MessageReport, Progress, Transition},
    waiting::WaitReason,
};
use jiff::{SignedDuration, Timestamp};
use stores::{
    messages::Messages,
    notifications::{MessageAssignment, NotificationWrite, Notifications, StoredNotification, next_version},
};

use crate::{
    attempt_reports::furthest_report,
    backoff,
    dead_letters::DeadLetters,
    job::{Candidate, Job},
    message_search::{MessageSearch, SearchResult},
    next::{Next, SendError, Stop},
    record_decision::log_state,
    studio::Executions,
    wait::{Wait, Waiter},
};

mod outside;

use outside::{EMAIL_NOT_KNOWN, Outside, outside_messages};

/// Resolves unknown outcomes.
#[derive(Debug)]
pub(crate) struct Resolver {
    pub(crate) notifications: Notifications,
    pub(crate) messages: Messages,
    pub(crate) search: MessageSearch,
    pub(crate) executions: Executions,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) waiter: Waiter,
}

/// For how long a list that cannot be read is tried again.
const RETRY_LIST_FOR: SignedDuration = SignedDuration::from_mins(10);
/// The pause between two looks at the callbacks: a random time between this and twice this, and more the longer it takes.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The pauses between two tries to read the list: up to half a minute.
const LIST_PAUSE: usize = 5;

const NOT_SENT: &str = "Twilio has no message of this attempt, whose answer was lost";
const NOT_KNOWN: &str = "Twilio's answer was lost, no status callback reported whether the message was sent, and Twilio's \
                         list of messages could not be read";

impl Resolver {
    /// Gives the notification only if its last attempt certainly became no message. Then it is ready for the same step.
    pub(crate) async fn resolve<'a>(&self, candidate: Candidate<'a>, now: Timestamp) -> Result<Candidate<'a>, Stop> {
        let number = candidate.stored.progress.attempts.len().saturating_sub(1);
        let Some(attempt) = candidate.stored.progress.last().cloned() else { return Ok(candidate) };
        if let Some(report) = furthest_report(&self.messages, &candidate.stored, number).await?
            && let Some(next) = self.record_found(&candidate, &report, now).await?
        {
            return Err(next.into());
        }
        let resolvable_at = resolvable_at(&candidate.job, &candidate.stored, &attempt);
        if now < resolvable_at {
            let pause = look_again_in(&attempt, resolvable_at, now);
            tracing::info!(
                notification_id = %candidate.job.notification.id,
                attempt = number,
                %resolvable_at,
                ?pause,
                "no status callback has named a message of this attempt yet, so its outcome is looked up again"
            );
            return Err(self.look_again(candidate, pause, now).await?.into());
        }
        match outside_messages(&candidate, &attempt) {
            Some(Outside::Email) => return self.decide_unlisted(candidate, EMAIL_NOT_KNOWN, now).await,
            Some(Outside::Flow(flow_sid)) => return self.resolve_execution(candidate, &flow_sid, &attempt, now).await,
            None => {}
        }
        let Candidate { job, person, stored, .. } = &candidate;
        match self.search.find(job, person, stored, now).await? {
            SearchResult::NoMessage => self.record_not_sent(candidate, NOT_SENT, now).await,
            SearchResult::Assigned(found, delay) => {
                log_state(&found);
                Err(self.waiter.come_back(job, delay).await.into())
            }
            SearchResult::NotificationChanged => Err(Next::SOON.into()),
            SearchResult::Unreadable(why) => self.decide_unreadable(candidate, resolvable_at, &why, now).await,
        }
    }

    /// The outcome is looked up again after a pause. It sends nothing, so that no operator's pause covers it, and it goes on
    /// after the notification has expired.
    async fn look_again(&self, candidate: Candidate<'_>, pause: Duration, now: Timestamp) -> Result<Next, SendError> {
        let until = now.saturating_add(pause).unwrap_or(now);
        let wait = Wait { until, reason: WaitReason::Lookup, scopes: Vec::new() };
        self.waiter.wait(candidate, wait, now).await
    }

    /// A callback has named the message of the attempt. None if another notification with the same content owns that message
    /// by Twilio's list: then this one has none.
    async fn record_found(
        &self,
        candidate: &Candidate<'_>,
        report: &MessageReport,
        now: Timestamp,
    ) -> Result<Option<Next>, SendError> {
        let Candidate { job, stored, .. } = candidate;
        let mut found = stored.clone();
        let (change, delay) = apply_report(&mut found, job, report, now);
        if change == Change::Duplicate {
            tracing::error!(
                notification_id = %job.notification.id,
                alarm = "duplicate",
                "Twilio has two messages of one attempt: a person got a message twice"
            );
            return Ok(Some(Next::Done));
        }
        let Some(message_sid) = &report.message_sid else {
            return Ok(Some(self.write_found(job, stored.version, &found, delay, now).await?));
        };
        match self.notifications.assign_message(stored.version, &found, message_sid, now).await? {
            MessageAssignment::Assigned => {
                log_state(&found);
                Ok(Some(self.waiter.come_back(job, delay).await))
            }
            MessageAssignment::Changed(_) => Ok(Some(Next::SOON)),
            MessageAssignment::OwnedByAnother => Ok(None),
        }
    }

    /// An e-mail and an execution of a flow belong to no other notification.
    async fn write_found(
        &self,
        job: &Job<'_>,
        seen: i64,
        found: &StoredNotification,
        delay: Option<Duration>,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        match self.notifications.put(Some(seen), found, now).await? {
            NotificationWrite::Written => {
                log_state(found);
                Ok(self.waiter.come_back(job, delay).await)
            }
            NotificationWrite::Changed(_) => Ok(Next::SOON),
        }
    }

    async fn record_not_sent<'a>(
        &self,
        mut candidate: Candidate<'a>,
        reason: &str,
        now: Timestamp,
    ) -> Result<Candidate<'a>, Stop> {
        let Candidate { job, stored, .. } = &mut candidate;
        let seen = stored.version;
        stored.apply(&job.notification, now, |progress, on| {
            progress.record_not_sent(reason, on);
            Change::Recorded
        });
        // It goes on at once. Its next message is put on the queue only if this function stops before.
        let _ = stored.hand_over(job.message.hops, now);
        match self.notifications.put(Some(seen), stored, now).await? {
            NotificationWrite::Written => {
                tracing::warn!(notification_id = %job.notification.id, reason, "an attempt is repeated");
                stored.version = next_version(Some(seen), now);
                // Another message of the notification may have arrived meanwhile.
                if stored.progress.ready_step().is_none() {
                    return Err(Next::Done.into());
                }
                candidate.seen = Some(stored.version);
                Ok(candidate)
            }
            NotificationWrite::Changed(_) => Err(Next::SOON.into()),
        }
    }

    /// The list could not be read, although everything in it would be certain now.
    async fn decide_unreadable<'a>(
        &self,
        mut candidate: Candidate<'a>,
        resolvable_at: Timestamp,
        why: &str,
        now: Timestamp,
    ) -> Result<Candidate<'a>, Stop> {
        let notification_id = candidate.job.notification.id.clone();
        let on_unknown = candidate.job.settings().policy.on_unknown(candidate.job.notification.category);
        if on_unknown == OnUnknown::Resend {
            tracing::warn!(%notification_id, why, "whether a message was sent stays unknown, and it is sent again");
            return self.record_not_sent(candidate, NOT_KNOWN, now).await;
        }
        let follow = |progress: &mut Progress, on: &Transition<'_>| progress.go_on_after_silence(NOT_KNOWN, on);
        if candidate.stored.clone().apply(&candidate.job.notification, now, follow) != Change::Nothing {
            tracing::warn!(
                %notification_id, why,
                "whether a message was sent stays unknown, and the option that follows without a delivery is sent"
            );
            return Err(self.write_and_go_on(candidate, follow, now).await?.into());
        }
        if now.duration_since(resolvable_at) < RETRY_LIST_FOR {
            tracing::warn!(%notification_id, why, "Twilio's list could not be read, and is tried again");
            return Err(self.look_again(candidate, backoff::full_jitter(LIST_PAUSE), now).await?.into());
        }
        tracing::error!(
            %notification_id,
            why,
            alarm = "held",
            "whether a message was sent stays unknown, and an operator has to look at it"
        );
        Err(self.hold(&mut candidate, NOT_KNOWN, now).await?.into())
    }

    async fn hold(
        &self,
        candidate: &mut Candidate<'_>,
        reason: &'static str,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let Candidate { job, stored, .. } = candidate;
        self.dead_letters.write_job(job, reason).await?;
        let seen = stored.version;
        stored.progress.hold(reason);
        stored.due = None;
        if let NotificationWrite::Changed(_) = self.notifications.put(Some(seen), stored, now).await? {
            return Ok(Next::SOON);
        }
        log_state(stored);
        Ok(Next::Done)
    }
}

/// Applies a report about an attempt whose answer is unknown: it proves that Twilio accepted the attempt, and may say more.
/// Gives the delay of the notification's next message, if the report makes it go on.
pub(crate) fn apply_report(
    stored: &mut StoredNotification,
    job: &Job<'_>,
    report: &MessageReport,
    now: Timestamp,
) -> (Change, Option<Duration>) {
    let change = stored.apply(&job.notification, now, |progress, on| progress.record_found(report, on));
    (change, stored.hand_over(job.message.hops, now))
}

/// When Twilio's complete list is certain.
fn resolvable_at(job: &Job<'_>, stored: &StoredNotification, attempt: &Attempt) -> Timestamp {
    let by_validity = attempt.claimed_at.saturating_add(validity(&job.notification) + RESOLVE_MARGIN);
    stored.lease.as_ref().map_or(by_validity.unwrap_or(Timestamp::MAX), |lease| lease.resolvable_at)
}

/// How soon the callbacks are looked at again: each half minute to a minute at first, then at longer intervals, and not later
/// than the list is certain.
fn look_again_in(attempt: &Attempt, resolvable_at: Timestamp, now: Timestamp) -> Duration {
    let elapsed = Duration::try_from(now.duration_since(attempt.claimed_at)).unwrap_or_default();
    let left = Duration::try_from(resolvable_at.duration_since(now)).unwrap_or_default();
    let pause = FIRST_PAUSE.max(elapsed / 4);
    let jitter = pause.mul_f64(fastrand::f64());
    (pause + jitter).min(left).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests;
