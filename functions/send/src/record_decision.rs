//! What was decided about a notification that is not sent now is written down, for those who ask and for its events.

use domain::{progress::Outcome, waiting::WaitReason};
use jiff::{SignedDuration, Timestamp};
use shared::{report::Chain, secrets::SecretsError, twilio::TwilioAccounts};
use stores::notifications::{NotificationWrite, Notifications, StoredNotification};

use crate::{
    backoff,
    compose::ComposeError,
    dead_letters::DeadLetters,
    job::{Candidate, Job},
    judge::Plan,
    next::{Next, SendError},
    queue_message::QueueMessage,
    wait::Waiter,
};

/// Writes decisions.
#[derive(Debug, Clone)]
pub(crate) struct DecisionRecorder {
    pub(crate) notifications: Notifications,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) waiter: Waiter,
}

/// What only an operator can fix is tried again every few minutes: the pause after this many tries.
const LONG_PAUSE: usize = 8;

/// A failure of Twilio passes by itself, and is an operator's business if it lasts.
const ALARM_AFTER: SignedDuration = SignedDuration::from_mins(30);

/// For how long it is tried again. A notification of last week would surprise its recipient.
const AWAIT_OPERATOR: SignedDuration = SignedDuration::from_hours(24);

impl DecisionRecorder {
    /// Nothing more of a notification is sent. A rejected one is also a dead letter, because its sender has to change it.
    pub(crate) async fn end(
        &self,
        mut candidate: Candidate<'_>,
        outcome: Outcome,
        reason: String,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        candidate.stored.end(&candidate.job.notification, outcome, reason.clone());
        if candidate.person.is_erased() {
            candidate.stored.subject.forget_person();
        }
        // Not if an earlier message may still arrive: then only the option after it is not sent.
        if candidate.stored.progress.outcome == Some(Outcome::Rejected) {
            self.dead_letters.write_job(&candidate.job, &reason).await?;
        }
        match self.notifications.put(candidate.seen, &candidate.stored, now).await? {
            NotificationWrite::Written => {
                log_state(&candidate.stored);
                Ok(Next::Done)
            }
            NotificationWrite::Changed(_) => Ok(Next::SOON),
        }
    }

    /// An option is not sent, for a reason that concerns it alone. The next one follows, if there is one.
    pub(crate) async fn pass_over(
        &self,
        candidate: Candidate<'_>,
        plan: &Plan,
        reason: String,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let Candidate { job, mut stored, seen, .. } = candidate;
        tracing::info!(
            notification_id = %job.notification.id,
            channel = plan.route.channel.as_str(),
            reason,
            "an option of a notification is not sent"
        );
        let step = plan.step;
        stored.apply(&job.notification, now, |progress, on| progress.pass_over(step, plan.route.channel, reason, on));
        let delay = stored.hand_over(job.message.hops, now);
        match self.notifications.put(seen, &stored, now).await? {
            NotificationWrite::Written => {
                log_state(&stored);
                Ok(self.waiter.come_back(&job, delay).await)
            }
            NotificationWrite::Changed(_) => Ok(Next::SOON),
        }
    }

    /// The id belongs to a notification with other content, whose item does not change.
    pub(crate) async fn reject_reused_id(&self, job: &Job<'_>, now: Timestamp) -> Result<Next, SendError> {
        let reason = "id: used before for a notification with other content, expected a new one";
        tracing::warn!(notification_id = %job.notification.id, reason, "a notification is invalid and is rejected");
        self.dead_letters.write_job(job, reason).await?;
        let mut rejected = StoredNotification::new(job.subject(), job.enqueued_at);
        rejected.progress.end(Outcome::Rejected, reason.to_owned());
        self.notifications.record_id_reuse(&rejected, now).await?;
        Ok(Next::Done)
    }

    /// What is stored of a waiting notification cannot be read any more, so it can never be sent.
    pub(crate) async fn reject_unreadable(
        &self,
        message: &QueueMessage<'_>,
        mut stored: StoredNotification,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let reason = "the stored notification cannot be read";
        tracing::error!(notification_id = %stored.subject.id, reason, "a notification is rejected");
        self.dead_letters.write(message, reason).await?;
        let seen = Some(stored.version);
        stored.progress.end(Outcome::Rejected, reason.to_owned());
        stored.lease = None;
        stored.due = None;
        match self.notifications.put(seen, &stored, now).await? {
            NotificationWrite::Written => Ok(Next::Done),
            NotificationWrite::Changed(_) => Ok(Next::SOON),
        }
    }

    /// The account is not in the secret. If it was added meanwhile, the notification goes on at once; else it waits for the
    /// operator.
    pub(crate) async fn await_account(
        &self,
        candidate: Candidate<'_>,
        plan: &Plan,
        twilio: &TwilioAccounts,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let account_sid = &candidate.job.account_sid;
        let reread = candidate.job.message.deadline.run(twilio.reread_credentials(account_sid)).await;
        if let Ok(Some(_)) = reread {
            return Ok(Next::SOON);
        }
        tracing::error!(%account_sid, alarm = "configuration", "the Twilio secret has no such account: add it");
        self.await_operator(candidate, plan, WaitReason::Account, now).await
    }

    /// The secret cannot be read, and what was read before counts no more. The log line of the attempt to read it has the
    /// field `alarm`.
    pub(crate) async fn await_secret(
        &self,
        candidate: Candidate<'_>,
        plan: &Plan,
        error: &SecretsError,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let notification_id = &candidate.job.notification.id;
        tracing::error!(%notification_id, error = %Chain(error), "a notification waits for the Twilio secret");
        self.await_operator(candidate, plan, WaitReason::Account, now).await
    }

    /// The message cannot be composed now, and may be later.
    pub(crate) async fn await_message(
        &self,
        candidate: Candidate<'_>,
        plan: &Plan,
        error: &ComposeError,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let due = candidate.stored.due.as_ref().filter(|due| due.reason == WaitReason::Composition);
        let is_old = due.is_some_and(|due| now.duration_since(due.since) >= ALARM_AFTER);
        tracing::error!(
            notification_id = %candidate.job.notification.id,
            error = %Chain(error),
            alarm = error.alarm().or(is_old.then_some("repeated")),
            "a message was not composed, and is tried again"
        );
        self.await_operator(candidate, plan, WaitReason::Composition, now).await
    }

    /// A notification waits for what an operator has to do, for a day.
    async fn await_operator(
        &self,
        candidate: Candidate<'_>,
        plan: &Plan,
        reason: WaitReason,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let due = candidate.stored.due.as_ref().filter(|due| due.reason == reason);
        if due.is_some_and(|due| now.duration_since(due.since) >= AWAIT_OPERATOR) {
            let reason = format!("given up after 24 hours: {reason}");
            return self.end(candidate, Outcome::Rejected, reason, now).await;
        }
        let pause = SignedDuration::try_from(backoff::full_jitter(LONG_PAUSE)).unwrap_or_default();
        let until = now.saturating_add(pause).unwrap_or(now);
        let wait = plan.wait(candidate.job.notification.category, until, reason);
        self.waiter.wait(candidate, wait, now).await
    }
}

/// Says in the log which state was written.
pub(crate) fn log_state(stored: &StoredNotification) {
    tracing::info!(
        notification_id = %stored.subject.id,
        state = stored.state().as_str(),
        outcome = stored.progress.outcome.map(Outcome::as_str),
        message_sid = stored.message_sid().map(tracing::field::display),
        reason = stored.progress.reason,
        "the state of a notification was recorded"
    );
}
