//! The ends of a notification that is not sent, and the waits.

use std::time::Duration;

use jiff::Timestamp;
use shared::report::Chain;
use stores::notifications::{NotificationOutcome, OutcomeWrite, Precondition, Subject};

use crate::{Next, SendError, SendFunction, backoff, compose::ComposeError, job::Job};

/// What comes back to a lease that has just ended should find it ended.
pub(crate) const AFTER_LEASE: Duration = Duration::from_secs(1);

/// How often a notification that waits for an answer looks for itself. The answer's own way is quicker; this is for one
/// that came while the template's sending was being written down.
pub(crate) const REPLY_CHECK: Duration = Duration::from_hours(1);

/// How soon a notification is looked at again whose window may be about to open.
pub(crate) const WINDOW_CHECK: Duration = Duration::from_secs(5);

/// What only an operator can mend is looked at again every few minutes: the pause after so many tries.
const LONG_PAUSES: usize = 8;

impl SendFunction {
    /// Writes the outcome of a notification that nobody holds. Where somebody was quicker, what they do is waited for.
    pub(crate) async fn write_end(
        &self,
        subject: &Subject,
        expected: &Precondition,
        outcome: &NotificationOutcome,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let settled = self.notifications.write_outcome(subject, expected, outcome, now).await?;
        log_end(subject, outcome, settled);
        Ok(if settled == OutcomeWrite::Overtaken { Next::Again(AFTER_LEASE) } else { Next::Done })
    }

    /// An id that stands for something else already keeps it; its sender is told.
    pub(crate) async fn refuse_reuse(&self, job: &Job<'_>, now: Timestamp) -> Result<Next, SendError> {
        let reason = "id: used before for a notification with other content, expected a new one";
        tracing::warn!(notification_id = %job.subject.id, reason, "invalid notification");
        self.dead_letter(job.incoming, reason).await?;
        self.notifications.record_id_reuse(&job.subject, reason, now).await?;
        Ok(Next::Done)
    }

    /// An account that the secret does not hold, or not yet: it is read again, and otherwise the notification waits for
    /// its operator.
    pub(crate) async fn await_account(&self, job: &Job<'_>) -> Next {
        let account_sid = &job.subject.account_sid;
        if self.twilio.reread_credentials(account_sid).await.is_some() {
            return Next::Again(AFTER_LEASE);
        }
        tracing::error!(%account_sid, alarm = "configuration", "the Twilio secret has no such account: add it");
        Next::Again(backoff::full_jitter(LONG_PAUSES))
    }

    /// Twilio did not say which templates there are, or a link could not be made.
    pub(crate) fn await_template(job: &Job<'_>, error: &ComposeError) -> Next {
        tracing::error!(notification_id = %job.subject.id, error = %Chain(error), "message not composed");
        Next::Again(backoff::full_jitter(LONG_PAUSES))
    }
}

pub(crate) fn log_end(subject: &Subject, outcome: &NotificationOutcome, settled: OutcomeWrite) {
    tracing::info!(
        notification_id = %subject.id,
        state = outcome.state().as_str(),
        message_sid = outcome.message_sid().map(tracing::field::display),
        reason = outcome.reason(),
        stands = settled != OutcomeWrite::Overtaken,
        "notification"
    );
}

pub(crate) fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
