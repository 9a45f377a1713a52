//! Whether a message was delivered, when the time comes at which another option follows without a delivery.
//!
//! `publish` applies status callbacks to notifications, and may be some seconds behind. So the callbacks of every message
//! that may have arrived are read here consistently, immediately before it is decided what is sent. If one of them reports a
//! delivery or a failure, that is recorded, and leads on as it does in `publish`. They are read once more when the slot of the
//! next message has come, immediately before its claim. A callback that is stored later cannot prevent that message any more,
//! and the notification then has two.

use domain::{
    progress::{Change, MessageReport, Phase},
    waiting::WaitReason,
};
use jiff::Timestamp;
use stores::{
    messages::Messages,
    notifications::{NotificationWrite, Notifications, StoredNotification},
};
use twilio_types::message_status::Stage;

use crate::{
    attempt_reports::furthest_report,
    job::Candidate,
    next::{Next, SendError, Stop},
    record_decision::log_state,
    wait::Waiter,
};

/// Reads the callbacks of messages whose delivery is awaited.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryCheck {
    pub(crate) notifications: Notifications,
    pub(crate) messages: Messages,
    pub(crate) waiter: Waiter,
}

impl DeliveryCheck {
    pub(crate) fn new(notifications: &Notifications, messages: &Messages, waiter: &Waiter) -> Self {
        Self { notifications: notifications.clone(), messages: messages.clone(), waiter: waiter.clone() }
    }

    /// Gives the notification if no delivery was reported. Before its time, it waits on.
    pub(crate) async fn check<'a>(&self, candidate: Candidate<'a>, now: Timestamp) -> Result<Candidate<'a>, Stop> {
        let Some(mut found) = self.reported(&candidate, now).await? else {
            if is_due(&candidate, now) {
                log_silence(&candidate);
            }
            return Ok(candidate);
        };
        let delay = found.hand_over(candidate.job.message.hops, now);
        Err(match self.notifications.put(Some(candidate.stored.version), &found, now).await? {
            NotificationWrite::Written => {
                log_state(&found);
                match found.progress.phase {
                    // The person may have answered the template too: this message may be the one that the answer has sent.
                    Phase::AwaitingReply => Next::SOON.into(),
                    _ => self.waiter.come_back(&candidate.job, delay).await.into(),
                }
            }
            NotificationWrite::Changed(_) => Next::SOON.into(),
        })
    }

    /// The notification after a final status that a callback has reported and that is not applied yet; none if there is none,
    /// or if no message is under way that the next one follows.
    pub(crate) async fn reported(
        &self,
        candidate: &Candidate<'_>,
        now: Timestamp,
    ) -> Result<Option<StoredNotification>, SendError> {
        let progress = &candidate.stored.progress;
        // An option that followed silence is repeated: the message before it may have arrived meanwhile.
        let is_repeated = progress.ready_step().is_some() && progress.is_message_underway();
        if !is_due(candidate, now) && !is_repeated {
            return Ok(None);
        }
        for report in self.final_reports(candidate).await? {
            let mut found = candidate.stored.clone();
            let change = found.apply(&candidate.job.notification, now, |progress, on| progress.report(&report, on));
            if matches!(change, Change::Recorded | Change::Ready(_)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The final status of each message that may have arrived, if a callback reported one. The last message counts also if it
    /// only asks for a reply.
    async fn final_reports(&self, candidate: &Candidate<'_>) -> Result<Vec<MessageReport>, SendError> {
        let progress = &candidate.stored.progress;
        let last = progress.attempts.len().saturating_sub(1);
        let mut numbers: Vec<usize> = progress.underway().map(|(number, _)| number).collect();
        if !numbers.contains(&last) {
            numbers.push(last);
        }
        let mut reports = Vec::new();
        for number in numbers {
            let report = furthest_report(&self.messages, &candidate.stored, number).await?;
            reports.extend(report.filter(|report| report.status.stage() != Stage::Underway));
        }
        Ok(reports)
    }
}

/// Whether a message of the notification should have been delivered by now.
fn is_due(candidate: &Candidate<'_>, now: Timestamp) -> bool {
    let due_at = candidate.stored.progress.delivery_due_at(&candidate.job.notification);
    due_at.is_some_and(|due_at| due_at <= now)
}

/// The evidence of why another message goes out. A notification that waits for something else meanwhile says it once.
fn log_silence(candidate: &Candidate<'_>) {
    let Candidate { job, stored, .. } = candidate;
    let Some(last) = stored.progress.last() else { return };
    if stored.due.as_ref().is_some_and(|due| due.reason == WaitReason::Delivery) {
        tracing::info!(
            notification_id = %job.notification.id,
            message_sid = last.message_sid.as_ref().map(tracing::field::display),
            channel = last.channel.as_str(),
            sent_at = %last.claimed_at,
            "no delivery of a message was reported in time, so the next option of the notification follows"
        );
    }
}
