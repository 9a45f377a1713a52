//! Unknown outcomes of e-mails, for which there is no list, and of executions of Studio flows.

use domain::{
    notification::{Content, FallbackChannel},
    policy::OnUnknown,
    progress::{Attempt, Change, CreateAnswer, Progress, Transition},
};
use jiff::Timestamp;
use stores::notifications::NotificationWrite;
use twilio_types::sid::FlowSid;

use super::Resolver;
use crate::{
    job::Candidate,
    next::{Next, SendError, Stop},
    record_decision::log_state,
    studio::ExecutionSearch,
};

const NOT_STARTED: &str = "the flow has no execution of this attempt, whose answer was lost";
pub(super) const EMAIL_NOT_KNOWN: &str =
    "SendGrid's answer was lost, and no event reported whether the e-mail was accepted";
const EXECUTION_NOT_KNOWN: &str = "Twilio Studio's answer was lost, and the list of executions could not be read";

/// What is known of an attempt that is an e-mail or an execution.
pub(super) enum Outside {
    Email,
    Flow(FlowSid),
}

pub(super) fn outside_messages(candidate: &Candidate<'_>, attempt: &Attempt) -> Option<Outside> {
    match candidate.job.notification.channel_option(attempt.option)? {
        (FallbackChannel::Email, _) => Some(Outside::Email),
        (_, Content::Studio { flow_sid, .. }) => Some(Outside::Flow(flow_sid.clone())),
        _ => None,
    }
}

impl Resolver {
    /// The execution of an attempt, by the list of its flow.
    pub(super) async fn resolve_execution<'a>(
        &self,
        candidate: Candidate<'a>,
        flow_sid: &FlowSid,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<Candidate<'a>, Stop> {
        let number = candidate.stored.progress.attempts.len().saturating_sub(1);
        match self.executions.find(&candidate.job, flow_sid, attempt, number).await {
            ExecutionSearch::Found(id) => {
                let answer = CreateAnswer::AcceptedElsewhere(Some(id));
                let change = |progress: &mut Progress, on: &Transition<'_>| progress.answer(number, answer, on);
                Err(self.write_and_go_on(candidate, change, now).await?.into())
            }
            ExecutionSearch::NotStarted => self.record_not_sent(candidate, NOT_STARTED, now).await,
            ExecutionSearch::Unreadable(why) => {
                let notification_id = &candidate.job.notification.id;
                tracing::warn!(%notification_id, why, "the list of a Studio flow's executions could not be read");
                self.decide_unlisted(candidate, EXECUTION_NOT_KNOWN, now).await
            }
        }
    }

    /// Whether an e-mail was sent, or a flow started, stays unknown: it is repeated if the policy of the category says so.
    /// Otherwise the next option follows, and without one an operator has to look at it.
    pub(super) async fn decide_unlisted<'a>(
        &self,
        mut candidate: Candidate<'a>,
        reason: &'static str,
        now: Timestamp,
    ) -> Result<Candidate<'a>, Stop> {
        if candidate.job.settings().policy.on_unknown(candidate.job.notification.category) == OnUnknown::Resend {
            return self.record_not_sent(candidate, reason, now).await;
        }
        let notification = &candidate.job.notification;
        let mut next = candidate.stored.clone();
        let change = next.apply(notification, now, |progress, on| progress.go_on_after_unknown(reason, on));
        if change != Change::Nothing {
            tracing::warn!(notification_id = %notification.id, reason, "the next option of a notification follows");
            let go_on = |progress: &mut Progress, on: &Transition<'_>| progress.go_on_after_unknown(reason, on);
            return Err(self.write_and_go_on(candidate, go_on, now).await?.into());
        }
        tracing::error!(
            notification_id = %notification.id,
            reason,
            alarm = "held",
            "whether an e-mail or a flow was sent stays unknown, and an operator has to look at it"
        );
        Err(self.hold(&mut candidate, reason, now).await?.into())
    }

    /// Writes a change of the progress, and puts the notification on the queue if it goes on.
    pub(super) async fn write_and_go_on(
        &self,
        candidate: Candidate<'_>,
        change: impl FnOnce(&mut Progress, &Transition<'_>) -> Change,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let Candidate { job, mut stored, .. } = candidate;
        let seen = stored.version;
        stored.apply(&job.notification, now, change);
        let delay = stored.hand_over(job.message.hops, now);
        match self.notifications.put(Some(seen), &stored, now).await? {
            NotificationWrite::Written => {
                log_state(&stored);
                Ok(self.waiter.come_back(&job, delay).await)
            }
            NotificationWrite::Changed(_) => Ok(Next::SOON),
        }
    }
}
