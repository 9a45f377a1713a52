//! Twilio reported the status of a message that an attempt became: the notification goes on from there.

use std::time::Duration;

use domain::{
    account_settings::AccountSettings,
    failure_response::{asks_to_slow_down, needs_operator},
    progress::{Change, MessageReport, Outcome, Phase},
    route::Route,
    waiting::{WaitReason, hand_over},
};
use jiff::{SignedDuration, Timestamp};
use shared::{metric::failure_code, queues::LaneQueues};
use stores::{
    messages::StoredEmailEvent,
    notifications::{Notifications, StoredNotification},
    rate_limits::{BucketKey, RateLimits},
};
use twilio_types::message_status::Stage;
use twilio_webhook::status_callback::StatusCallback;

use crate::{enqueue::enqueue, error::EventError, route_health::RouteWatch};

/// Applies statuses to their notifications.
#[derive(Debug)]
pub(crate) struct ReportHandler {
    pub(crate) notifications: Notifications,
    pub(crate) rate_limits: RateLimits,
    pub(crate) queues: LaneQueues,
    pub(crate) routes: RouteWatch,
}

/// A status that Twilio reported of an attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportedStatus<'a> {
    pub(crate) callback: &'a StatusCallback,
    pub(crate) attempt: u32,
    pub(crate) received_at: Timestamp,
}

/// A report by which a notification is known to have reached its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Arrival {
    outcome: Outcome,
    /// From the request for the message to the report. None if an earlier report said that it was delivered.
    time: Option<SignedDuration>,
}

impl ReportHandler {
    /// Applies a status to the notification that was just read. Most statuses change nothing, and are neither read nor
    /// written again. A failure may lead to another attempt: then the notification is put on the queue of its lane, also if an
    /// earlier delivery of the same record recorded the failure and did not come that far.
    pub(crate) async fn apply(
        &self,
        reported: ReportedStatus<'_>,
        stored: &StoredNotification,
        settings: &AccountSettings,
    ) -> Result<(), EventError> {
        let report = report_of(reported.callback, reported.attempt);
        self.throttle(&report, stored, settings).await?;
        self.apply_report(&report, stored, reported.received_at).await?;
        self.routes.count(&report, stored, settings);
        Ok(())
    }

    /// The same for an e-mail. The health of a route is that of Twilio's routes.
    pub(crate) async fn apply_email(
        &self,
        reported: &StoredEmailEvent,
        stored: &StoredNotification,
    ) -> Result<(), EventError> {
        self.apply_report(&reported.report(), stored, reported.occurred_at).await
    }

    async fn apply_report(
        &self,
        report: &MessageReport,
        stored: &StoredNotification,
        reported_at: Timestamp,
    ) -> Result<(), EventError> {
        let now = Timestamp::now();
        let applied = self.notifications.change_read(stored.clone(), now, |stored| {
            let before = stored.progress.outcome;
            let change = apply_report(stored, report, now);
            let applied = (change, Arrival::by(report, before, stored, reported_at));
            let is_written = matches!(change, Change::Recorded | Change::Ready(_));
            (is_written.then_some(applied), applied)
        });
        let Some((after, (change, arrival))) = applied.await? else { return Ok(()) };
        if let Some(arrival) = arrival {
            arrival.log(&after, report);
        }
        let attempt = report.attempt;
        let (notification_id, message_sid) =
            (&after.subject.id, report.message_sid.as_ref().map(tracing::field::display));
        if change == Change::Duplicate {
            tracing::error!(
                %notification_id, message_sid, attempt, alarm = "duplicate",
                "Twilio reported a second message of one attempt: the notification was sent twice"
            );
        }
        let Some(delay) = queue_delay(&after, report, now) else { return Ok(()) };
        enqueue(&self.queues, &after, delay).await?;
        let code = report.code.map(tracing::field::display);
        tracing::info!(
            %notification_id, message_sid, code, delay_seconds = delay.as_secs(),
            "the message of a notification failed: the notification is queued for another attempt"
        );
        Ok(())
    }

    /// Slows down the route that a message went out by, if Twilio or WhatsApp refused it as too fast.
    async fn throttle(
        &self,
        report: &MessageReport,
        stored: &StoredNotification,
        settings: &AccountSettings,
    ) -> Result<(), EventError> {
        let is_too_fast = report.status.stage() == Stage::Lost && report.code.is_some_and(asks_to_slow_down);
        let Some(attempt) = stored.progress.attempts.get(report.attempt).filter(|_| is_too_fast) else {
            return Ok(());
        };
        let Some(notification) = stored.notification() else { return Ok(()) };
        let Ok(route) = Route::of(&notification, attempt.channel, &settings.senders) else {
            return Ok(());
        };
        let rate_key = route.rate_key();
        let bucket = BucketKey::of_sender(&stored.subject.account_sid, &rate_key);
        let limit = settings.policy.rate_limit(&rate_key);
        Ok(self.rate_limits.throttle(&bucket, limit, attempt.claimed_at, Timestamp::now()).await?)
    }
}

impl Arrival {
    /// None if the report did not change the outcome to one with which the message is at the recipient.
    fn by(
        report: &MessageReport,
        before: Option<Outcome>,
        after: &StoredNotification,
        reported_at: Timestamp,
    ) -> Option<Self> {
        let has_arrived = |outcome: &Outcome| matches!(outcome, Outcome::Delivered | Outcome::Read);
        let outcome = after.progress.outcome.filter(|outcome| has_arrived(outcome) && before != Some(*outcome))?;
        let attempt = after.progress.attempts.get(report.attempt)?;
        let time = reported_at.duration_since(attempt.claimed_at).max(SignedDuration::ZERO);
        let is_first = !before.as_ref().is_some_and(has_arrived);
        Some(Self { outcome, time: is_first.then_some(time) })
    }

    /// The line that counts what arrived, and from which the time to the delivery is measured.
    fn log(self, stored: &StoredNotification, report: &MessageReport) {
        tracing::info!(
            notification_id = %stored.subject.id,
            message_sid = report.message_sid.as_ref().map(tracing::field::display),
            outcome = self.outcome.as_str(),
            delivery_ms = self.time.map(|time| u64::try_from(time.as_millis()).unwrap_or_default()),
            "a notification reached its recipient"
        );
    }
}

/// Logs a failure, also of a message that another system sent; with an alarm where an operator has to look at it.
pub(crate) fn log_failure(callback: &StatusCallback) {
    if callback.status.stage() != Stage::Lost {
        return;
    }
    let message_sid = &callback.message_sid;
    let failure_code = failure_code(callback.error_code);
    if let Some(code) = callback.error_code.filter(|code| needs_operator(*code)) {
        tracing::error!(
            %message_sid, %code, failure_code, title = code.title(), alarm = "configuration",
            "a message failed because of a wrong setting, or for an unknown reason"
        );
    } else {
        tracing::info!(
            %message_sid, code = callback.error_code.map(tracing::field::display), failure_code,
            "a message failed after Twilio had accepted it"
        );
    }
}

fn report_of(callback: &StatusCallback, attempt: u32) -> MessageReport {
    MessageReport {
        attempt: usize::try_from(attempt).unwrap_or(usize::MAX),
        message_sid: Some(callback.message_sid.clone()),
        status: callback.status.clone(),
        code: callback.error_code,
        reason: None,
    }
}

/// A notification that is ready again is handed over before it is written: its item says when it is due in case the queue
/// message is lost.
fn apply_report(stored: &mut StoredNotification, report: &MessageReport, now: Timestamp) -> Change {
    let Some(notification) = stored.notification() else {
        // A delivered notification is stored without its request: no step follows.
        return stored.progress.record_status(report, now).unwrap_or(Change::Nothing);
    };
    let change = stored.apply(&notification, now, |progress, on| progress.report(report, on));
    if matches!(change, Change::Ready(_)) {
        let _delay = stored.hand_over(0, now);
    }
    change
}

/// How long the queue delays a notification that this report made ready; none if the report did not make it ready, if it
/// waits for something else meanwhile, or if the index alone brings it back.
fn queue_delay(stored: &StoredNotification, report: &MessageReport, now: Timestamp) -> Option<Duration> {
    let Phase::Ready { not_before, .. } = stored.progress.phase else { return None };
    let last = stored.progress.last()?;
    let is_cause = report.attempt + 1 == stored.progress.attempts.len()
        && last.message_sid == report.message_sid
        && report.status.stage() == Stage::Lost;
    let is_retry = stored.due.as_ref().is_some_and(|due| due.reason == WaitReason::Retry);
    let handover = hand_over(not_before.unwrap_or(now), WaitReason::Retry, 0, now);
    handover.delay.filter(|_| is_cause && is_retry)
}

#[cfg(test)]
mod tests;
