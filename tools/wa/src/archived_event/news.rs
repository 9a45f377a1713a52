//! What an archived event says of a notification: which messages it became, and how it ended.

use domain::{
    email::EmailStatus,
    notification::{FallbackChannel, NotificationId},
    progress::{Outcome, RecoveredMessage},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use twilio_types::{
    address::{Address, Channel, Recipient},
    error_code::ErrorCode,
    message_status::ReportedStatus,
    sid::MessageSid,
};

use super::{ArchivedEvent, UnreadableEvent};
use crate::redaction::redacted_debug;

#[derive(Deserialize)]
struct NotificationBody {
    notification_id: NotificationId,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    attempt: Option<u32>,
    #[serde(default)]
    message_sid: Option<MessageSid>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error_code: Option<ErrorCode>,
    #[serde(default)]
    outcome: Option<Outcome>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    attempts: Vec<NamedAttempt>,
}

/// An attempt in an event about a notification.
#[derive(Deserialize)]
struct NamedAttempt {
    channel: FallbackChannel,
    claimed_at: Timestamp,
    #[serde(default)]
    message_sid: Option<MessageSid>,
}

/// What an event says of a notification.
pub(crate) struct NotificationNews {
    pub(crate) id: NotificationId,
    pub(crate) recipient: Option<Recipient>,
    pub(crate) messages: Vec<RecoveredMessage>,
    pub(crate) end: Option<(Outcome, Option<String>)>,
}

redacted_debug!(NotificationNews);

impl ArchivedEvent {
    fn reported_status(&self, word: &str) -> Option<ReportedStatus> {
        if self.event_type == "email_status" {
            let status: EmailStatus = serde_json::from_value(Value::from(word)).ok()?;
            return Some(status.message_status().into());
        }
        word.parse().ok()
    }

    /// What it says of a notification, if it is about one.
    pub(crate) fn notification(&self) -> Result<Option<NotificationNews>, UnreadableEvent> {
        let names_one = self.json.get("notification_id").is_some_and(Value::is_string);
        let is_known = matches!(
            self.event_type.as_str(),
            "twilio_status" | "email_status" | "notification_failed" | "notification_suppressed"
        );
        if !is_known || !names_one {
            return Ok(None);
        }
        let body = NotificationBody::deserialize(&self.json)?;
        let to: Option<Address> = body.to.as_deref().and_then(|to| to.parse().ok());
        let channel = match (self.event_type.as_str(), &to) {
            ("email_status", _) => FallbackChannel::Email,
            (_, Some(Address { channel: Channel::WhatsApp, .. })) => FallbackChannel::WhatsApp,
            _ => FallbackChannel::Sms,
        };
        let is_status = matches!(self.event_type.as_str(), "twilio_status" | "email_status");
        let status = body.status.as_deref().and_then(|status| self.reported_status(status));
        let messages = if is_status {
            vec![RecoveredMessage {
                attempt: body.attempt.and_then(|attempt| usize::try_from(attempt).ok()),
                message_sid: body.message_sid,
                channel,
                reported_at: self.occurred_at,
                status,
                code: body.error_code,
            }]
        } else {
            named_messages(&body.attempts)
        };
        let recipient = to.and_then(|to| to.identity.as_str().parse().ok());
        let end = body.outcome.map(|outcome| (outcome, body.reason));
        Ok(Some(NotificationNews { id: body.notification_id, recipient, messages, end }))
    }
}

/// The attempts of a notification that became messages.
fn named_messages(attempts: &[NamedAttempt]) -> Vec<RecoveredMessage> {
    let named = attempts.iter().enumerate().filter(|(_, attempt)| attempt.message_sid.is_some());
    let message = |(number, attempt): (usize, &NamedAttempt)| RecoveredMessage {
        attempt: Some(number),
        message_sid: attempt.message_sid.clone(),
        channel: attempt.channel,
        reported_at: attempt.claimed_at,
        status: None,
        code: None,
    };
    named.map(message).collect()
}
