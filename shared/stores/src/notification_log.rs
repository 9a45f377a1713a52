//! The log of a notification: its outcome, its attempts, and the statuses of its messages. It does not show the content.

use std::{collections::BTreeMap, fmt};

use domain::{
    email::EmailStatus,
    notification::{Category, FallbackChannel, NotificationId},
    progress::{Attempt, AttemptResult, ExternalId, Outcome},
    templates::PassedOver,
    trace_id::TraceId,
    waiting::WaitReason,
};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;
use twilio_types::{
    address::Recipient,
    error_code::ErrorCode,
    message_status::{MessageStatus, ReportedStatus},
    sid::{AccountSid, ContentSid, MessageSid},
};

use crate::{
    dynamodb::StoreError,
    messages::{MessageSubject, Messages, StatusReport, StoredEmailEvent},
    notifications::{NotificationState, Notifications, StoredNotification},
};

/// A notification's log. `GET /notifications/{id}` answers with this JSON.
#[derive(Serialize)]
pub struct NotificationLog {
    /// What became of it, finally; none as long as that is not known.
    pub outcome: Option<Outcome>,
    pub account_sid: AccountSid,
    pub id: NotificationId,
    pub state: NotificationState,
    /// None if the notification could not be read.
    pub recipient: Option<Recipient>,
    pub category: Option<Category>,
    /// Why it has its state or its outcome.
    pub reason: Option<String>,
    /// What it waits for, and when it goes on; none if it does not wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When it was cancelled although a message of it was under way: nothing follows that message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<Timestamp>,
    /// Twilio's error.
    #[serde(flatten)]
    pub error: Option<ErrorDetail>,
    /// One for each request to Twilio, the oldest first.
    pub attempts: Vec<LoggedAttempt>,
    pub metadata: BTreeMap<String, String>,
    pub updated_at: Timestamp,
    /// By which all log lines and events of it are found.
    pub trace_id: TraceId,
}

#[derive(Serialize)]
pub struct LoggedAttempt {
    /// When its result was last recorded.
    pub at: Timestamp,
    pub claimed_at: Timestamp,
    /// `whatsapp`, `sms` or `email`.
    pub channel: &'static str,
    /// The option that was sent: 0 is the content, 1 the first fallback.
    pub route: usize,
    pub outcome: AttemptResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The template that was chosen for a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_sid: Option<ContentSid>,
    /// The options before this one whose templates cannot be sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    #[serde(flatten)]
    pub error: Option<ErrorDetail>,
    #[serde(flatten)]
    pub message: Option<LoggedMessage>,
    /// The name of an e-mail at SendGrid, or of an execution of a Studio flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    #[serde(flatten)]
    pub email: Option<LoggedEmail>,
}

/// What SendGrid reported of an e-mail.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedEmail {
    pub current_status: EmailStatus,
    pub statuses: Vec<LoggedEmailStatus>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LoggedEmailStatus {
    pub status: EmailStatus,
    pub at: Timestamp,
}

/// A message with its recorded statuses.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedMessage {
    pub message_sid: MessageSid,
    /// The most advanced status; none if no status is recorded that is known.
    pub current_status: Option<MessageStatus>,
    pub statuses: Vec<LoggedStatus>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LoggedStatus {
    pub status: ReportedStatus,
    pub at: Timestamp,
    #[serde(flatten)]
    pub error: Option<ErrorDetail>,
}

/// An error code of Twilio, with its title.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorDetail {
    pub code: ErrorCode,
    /// None if the code is not in our table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'static str>,
}

impl From<ErrorCode> for ErrorDetail {
    fn from(code: ErrorCode) -> Self {
        Self { code, title: code.title() }
    }
}

/// Reads logs from the two tables.
#[derive(Debug, Clone)]
pub struct NotificationLogs {
    pub notifications: Notifications,
    pub messages: Messages,
}

impl NotificationLogs {
    /// The log of a notification that [`Notifications::find`] finds.
    pub async fn find(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
    ) -> Result<Option<NotificationLog>, StoreError> {
        match self.notifications.find(account_sid, id).await? {
            Some(found) => self.log_of(found).await.map(Some),
            None => Ok(None),
        }
    }

    /// The log of a notification that was just read.
    pub async fn log_of(&self, found: StoredNotification) -> Result<NotificationLog, StoreError> {
        let subject = &found.subject;
        let reports = (0_u32..).zip(&found.progress.attempts).map(async |(number, attempt)| {
            let of = MessageSubject::Attempt(subject.account_sid.clone(), subject.id.clone(), number);
            Ok::<_, StoreError>(match attempt.channel {
                FallbackChannel::Email => {
                    AttemptReports { emails: self.messages.email_events(&of).await?, ..AttemptReports::default() }
                }
                FallbackChannel::WhatsApp | FallbackChannel::Sms => {
                    AttemptReports { statuses: self.messages.reports(&of).await?, ..AttemptReports::default() }
                }
            })
        });
        let reports = try_join_all(reports).await?;
        Ok(NotificationLog::of(found, &reports))
    }
}

/// What was reported of an attempt.
#[derive(Debug, Default)]
struct AttemptReports {
    statuses: Vec<StatusReport>,
    emails: Vec<StoredEmailEvent>,
}

impl fmt::Debug for NotificationLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationLog")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("outcome", &self.outcome)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LoggedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedAttempt")
            .field("outcome", &self.outcome)
            .field("error", &self.error)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl NotificationLog {
    /// `reports` are the recorded statuses of each attempt. They are newer than the outcome that is stored, since that
    /// follows from them by way of a stream.
    fn of(found: StoredNotification, reports: &[AttemptReports]) -> Self {
        let state = found.state();
        let last = found.progress.last().zip(reports.last());
        let outcome =
            last.map_or(found.progress.outcome, |(_, reports)| reported(found.progress.outcome, &reports.statuses));
        let attempts = found.progress.attempts.into_iter().enumerate();
        let attempts = attempts.map(|(number, attempt)| {
            LoggedAttempt::of(attempt, reports.get(number).unwrap_or(&AttemptReports::default()))
        });
        Self {
            trace_id: TraceId::of_notification(&found.subject.account_sid, &found.subject.id),
            outcome,
            account_sid: found.subject.account_sid,
            id: found.subject.id,
            state,
            recipient: found.subject.recipient,
            category: found.subject.category,
            reason: found.progress.reason,
            waits_for: found.due.as_ref().map(|due| due.reason),
            due_at: found.due.map(|due| due.at),
            cancelled_at: found.progress.cancelled_at,
            error: found.progress.code.map(ErrorDetail::from),
            attempts: attempts.collect(),
            metadata: found.subject.metadata,
            updated_at: found.updated_at,
        }
    }
}

/// A stored outcome `delivered` becomes `read` as soon as that is reported.
fn reported(outcome: Option<Outcome>, reports: &[StatusReport]) -> Option<Outcome> {
    let is_read = reports.iter().any(|report| report.status == MessageStatus::Read.into());
    outcome.map(|outcome| if is_read && outcome == Outcome::Delivered { Outcome::Read } else { outcome })
}

impl LoggedAttempt {
    fn of(attempt: Attempt, reported: &AttemptReports) -> Self {
        let reports = reported.statuses.as_slice();
        let message_sid =
            attempt.message_sid.clone().or_else(|| reports.first().map(|report| report.message_sid.clone()));
        Self {
            at: attempt.at,
            claimed_at: attempt.claimed_at,
            channel: attempt.channel.as_str(),
            route: attempt.option,
            outcome: attempt.result,
            reason: attempt.reason,
            content_sid: attempt.content_sid,
            passed_over: attempt.passed_over,
            error: attempt.code.map(ErrorDetail::from),
            message: message_sid.map(|sid| LoggedMessage::of(sid, reports)),
            external_id: attempt.external_id,
            email: LoggedEmail::of(&reported.emails),
        }
    }
}

impl LoggedEmail {
    /// None if nothing was reported.
    fn of(events: &[StoredEmailEvent]) -> Option<Self> {
        let furthest = events.iter().max_by_key(|event| event.email_status.message_status())?;
        let mut statuses: Vec<_> = events
            .iter()
            .map(|event| LoggedEmailStatus { status: event.email_status, at: event.received_at })
            .collect();
        statuses.sort_by_key(|status| (status.at, status.status.message_status()));
        Some(Self { current_status: furthest.email_status, statuses })
    }
}

impl LoggedMessage {
    fn of(message_sid: MessageSid, reports: &[StatusReport]) -> Self {
        let of_message = || reports.iter().filter(|report| report.message_sid == message_sid);
        let logged = |report: &StatusReport| LoggedStatus {
            status: report.status.clone(),
            at: report.received_at,
            error: report.error_code.map(ErrorDetail::from),
        };
        Self {
            current_status: MessageStatus::current(of_message().filter_map(|report| report.status.known())),
            statuses: of_message().map(logged).collect(),
            message_sid,
        }
    }
}

#[cfg(test)]
mod tests;
