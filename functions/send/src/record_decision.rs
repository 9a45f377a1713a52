//! What was decided about a notification that is not sent now is written down, for those who ask and for its events.

use domain::{policy::WaitReason, progress::Outcome};
use jiff::Timestamp;
use shared::{report::Chain, twilio::TwilioAccounts};
use stores::notifications::{NotificationWrite, Notifications, StoredNotification};

use crate::{
    backoff,
    compose::ComposeError,
    dead_letters::DeadLetters,
    job::{Candidate, Job},
    next::{Next, SendError},
};

/// Writes decisions.
#[derive(Debug)]
pub(crate) struct DecisionRecorder {
    pub(crate) notifications: Notifications,
    pub(crate) dead_letters: DeadLetters,
}

/// What only an operator can fix is tried again every few minutes: the pause after this many tries.
const LONG_PAUSE: usize = 8;

impl DecisionRecorder {
    /// A notification waits. Its reason is written once, so that one can see what it waits for.
    pub(crate) async fn wait(
        &self,
        mut candidate: Candidate<'_>,
        until: Timestamp,
        reason: WaitReason,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let text = reason.to_string();
        // Before a retry the item says why the last attempt failed, and its state says that it awaits a reply.
        let is_written = matches!(reason, WaitReason::Retry | WaitReason::Reply)
            || candidate.stored.progress.reason.as_ref() == Some(&text);
        if !is_written {
            candidate.stored.progress.wait(text);
            if let NotificationWrite::Changed(_) =
                self.notifications.put(candidate.seen, &candidate.stored, now).await?
            {
                return Ok(Next::SOON);
            }
        }
        Ok(Next::at(until, now))
    }

    /// Nothing more of a notification is sent. A rejected one is also a dead letter, because its sender has to change it.
    pub(crate) async fn end(
        &self,
        mut candidate: Candidate<'_>,
        outcome: Outcome,
        reason: String,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        if outcome == Outcome::Rejected {
            self.dead_letters.write(candidate.job.message, &reason).await?;
        }
        candidate.stored.progress.end(outcome, reason);
        candidate.stored.lease = None;
        match self.notifications.put(candidate.seen, &candidate.stored, now).await? {
            NotificationWrite::Written => {
                log_state(&candidate.stored);
                Ok(Next::Done)
            }
            NotificationWrite::Changed(_) => Ok(Next::SOON),
        }
    }

    /// The id belongs to a notification with other content, whose item does not change.
    pub(crate) async fn reject_reused_id(&self, job: &Job<'_>, now: Timestamp) -> Result<Next, SendError> {
        let reason = "id: used before for a notification with other content, expected a new one";
        tracing::warn!(notification_id = %job.notification.id, reason, "a notification is invalid and is rejected");
        self.dead_letters.write(job.message, reason).await?;
        let mut rejected = StoredNotification::new(job.subject(), job.message.enqueued_at);
        rejected.progress.end(Outcome::Rejected, reason.to_owned());
        self.notifications.record_id_reuse(&rejected, now).await?;
        Ok(Next::Done)
    }
}

/// The account is not in the secret. If it was added meanwhile, the notification goes on at once; else it waits for the
/// operator.
pub(crate) async fn await_account(job: &Job<'_>, twilio: &TwilioAccounts) -> Next {
    let account_sid = &job.account_sid;
    let reread = job.message.deadline.run(twilio.reread_credentials(account_sid)).await;
    if let Ok(Some(_)) = reread {
        return Next::SOON;
    }
    tracing::error!(%account_sid, alarm = "configuration", "the Twilio secret has no such account: add it");
    Next::Again(backoff::full_jitter(LONG_PAUSE))
}

/// The message cannot be composed now, and may be later.
pub(crate) fn await_message(job: &Job<'_>, error: &ComposeError) -> Next {
    tracing::error!(
        notification_id = %job.notification.id,
        error = %Chain(error),
        "a message was not composed, and is tried again"
    );
    Next::Again(backoff::full_jitter(LONG_PAUSE))
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
