//! What became of a notification, with all that was reported of its messages. What they say is left out.

use std::collections::BTreeMap;

use domain::notification::{Category, NotificationId};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;
use twilio_types::{
    address::E164,
    error_code::ErrorCode,
    message_status::MessageStatus,
    sid::{AccountSid, MessageSid},
};

use crate::{
    dynamodb::StoreError,
    messages::{Messages, StatusReport},
    notifications::{Attempt, NotificationState, Notifications, StoredNotification},
};

/// A notification's log.
#[derive(Debug, Serialize)]
pub struct NotificationLog {
    /// The account.
    pub account_sid: AccountSid,
    /// Its id.
    pub id: NotificationId,
    /// Where it stands.
    pub state: NotificationState,
    /// To whom; none where it could not be read.
    pub recipient: Option<E164>,
    /// What it is for.
    pub category: Option<Category>,
    /// Why it stands where it does.
    pub reason: Option<String>,
    /// Twilio's reason.
    #[serde(flatten)]
    pub error: Option<ErrorDetail>,
    /// What was tried, the oldest first.
    pub attempts: Vec<LoggedAttempt>,
    /// The message that a status callback named before any attempt did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<LoggedMessage>,
    /// As its sender gave it.
    pub metadata: BTreeMap<String, String>,
    /// When it came to stand where it does.
    pub updated_at: Timestamp,
}

/// An attempt.
#[derive(Debug, Serialize)]
pub struct LoggedAttempt {
    /// When.
    pub at: Timestamp,
    /// How: `whatsapp` or `sms`.
    pub channel: String,
    /// What came of it.
    pub outcome: NotificationState,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Twilio's reason.
    #[serde(flatten)]
    pub error: Option<ErrorDetail>,
    /// The message that it became.
    #[serde(flatten)]
    pub message: Option<LoggedMessage>,
}

/// A message and what Twilio reported of it.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedMessage {
    /// Its SID.
    pub message_sid: MessageSid,
    /// The furthest that it has come; none while nothing was reported.
    pub current_status: Option<MessageStatus>,
    /// The reports.
    pub statuses: Vec<LoggedStatus>,
}

/// A report.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedStatus {
    /// The status.
    pub status: MessageStatus,
    /// When it came.
    pub at: Timestamp,
    /// Why, of a failure.
    #[serde(flatten)]
    pub error: Option<ErrorDetail>,
}

/// A code of Twilio's, and what Twilio calls it.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorDetail {
    /// The code.
    pub code: ErrorCode,
    /// Its title, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'static str>,
}

impl From<ErrorCode> for ErrorDetail {
    fn from(code: ErrorCode) -> Self {
        Self { code, title: code.title() }
    }
}

/// Where the log is read from.
#[derive(Debug, Clone)]
pub struct NotificationLogs {
    /// What became of notifications.
    pub notifications: Notifications,
    /// What was reported of messages.
    pub messages: Messages,
}

impl NotificationLogs {
    /// A notification by its id within the account, or else by the SID of one of its messages.
    pub async fn find(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
    ) -> Result<Option<NotificationLog>, StoreError> {
        let found = match self.notifications.get(account_sid, id).await? {
            Some(found) => Some(found),
            None => match id.as_str().parse() {
                Ok(message_sid) => self.by_message(&message_sid).await?,
                Err(_) => None,
            },
        };
        let Some(found) = found else { return Ok(None) };
        let sids = found.attempts.iter().filter_map(|attempt| attempt.message_sid.as_ref()).chain(&found.message_sid);
        let reports = sids.map(|sid| async { Ok::<_, StoreError>((sid.clone(), self.messages.reports(sid).await?)) });
        let reports = try_join_all(reports).await?.into_iter().collect();
        Ok(Some(NotificationLog::of(found, &reports)))
    }

    /// The index knows a notification's latest message, and a message's own statuses name its notification.
    async fn by_message(&self, message_sid: &MessageSid) -> Result<Option<StoredNotification>, StoreError> {
        if let Some(found) = self.notifications.by_message_sid(message_sid).await? {
            return Ok(Some(found));
        }
        let reports = self.messages.reports(message_sid).await?;
        let named = reports.into_iter().find_map(|report| Some((report.account_sid, report.notification_id?)));
        let Some((account_sid, id)) = named else { return Ok(None) };
        self.notifications.get(&account_sid, &id).await
    }
}

impl NotificationLog {
    fn of(found: StoredNotification, reports: &BTreeMap<MessageSid, Vec<StatusReport>>) -> Self {
        let message = |sid: &MessageSid| LoggedMessage::of(sid, reports.get(sid).map_or(&[], Vec::as_slice));
        let tried = |sid: &MessageSid| found.attempts.iter().any(|attempt| attempt.message_sid.as_ref() == Some(sid));
        let bound = found.message_sid.as_ref().filter(|sid| !tried(sid)).map(message);
        Self {
            account_sid: found.account_sid,
            id: found.id,
            state: found.state,
            recipient: found.recipient,
            category: found.category,
            reason: found.reason,
            error: found.code.map(ErrorDetail::from),
            attempts: found.attempts.into_iter().map(|attempt| LoggedAttempt::of(attempt, message)).collect(),
            bound,
            metadata: found.metadata,
            updated_at: found.updated_at,
        }
    }
}

impl LoggedAttempt {
    fn of(attempt: Attempt, message: impl Fn(&MessageSid) -> LoggedMessage) -> Self {
        Self {
            at: attempt.at,
            channel: attempt.channel,
            outcome: attempt.outcome,
            reason: attempt.reason,
            error: attempt.code.map(ErrorDetail::from),
            message: attempt.message_sid.as_ref().map(message),
        }
    }
}

impl LoggedMessage {
    fn of(sid: &MessageSid, reports: &[StatusReport]) -> Self {
        let reported = |report: &StatusReport| LoggedStatus {
            status: report.status,
            at: report.received_at,
            error: report.error_code.map(ErrorDetail::from),
        };
        Self {
            message_sid: sid.clone(),
            current_status: MessageStatus::current(reports.iter().map(|report| report.status)),
            statuses: reports.iter().map(reported).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SID: &str = "SM00000000000000000000000000000001";
    const ACCOUNT: &str = "AC00000000000000000000000000000001";
    const AT: &str = "2026-11-20T09:00:00Z";

    fn shown(item: Value, statuses: &[(&str, Option<u32>)]) -> Value {
        let found = StoredNotification::read(serde_dynamo::to_item(item).unwrap()).unwrap();
        let report = |(status, code): &(&str, Option<u32>)| {
            let item = json!({"account_sid": ACCOUNT, "event": format!("status#{status}"), "received_at": AT,
                              "error_code": code});
            serde_json::from_value(item).unwrap()
        };
        let reports = BTreeMap::from([(SID.parse().unwrap(), statuses.iter().map(report).collect())]);
        serde_json::to_value(NotificationLog::of(found, &reports)).unwrap()
    }

    fn stored() -> Value {
        json!({"notification": format!("{ACCOUNT}#order-1"), "account_sid": ACCOUNT, "id": "order-1", "state": "accepted",
               "digest": "d", "recipient": "+14155550123", "category": "utility", "metadata": {"order": "1"},
               "message_sid": SID, "updated_at": AT, "expires_at": 1_795_000_000, "notification_json": "{\"content\": {\"body\": \"private\"}}"})
    }

    #[test]
    fn each_attempt_is_shown_with_all_that_was_reported_of_its_message() {
        let mut item = stored();
        item["attempts"] = json!([
            {"at": AT, "channel": "whatsapp", "outcome": "waiting", "code": 20429},
            {"at": AT, "channel": "whatsapp", "outcome": "accepted", "message_sid": SID},
        ]);
        let shown = shown(item, &[("sent", None), ("failed", Some(63016))]);
        let expected = json!({
            "account_sid": ACCOUNT, "id": "order-1", "state": "accepted", "recipient": "+14155550123",
            "category": "utility", "reason": null, "metadata": {"order": "1"}, "updated_at": AT,
            "attempts": [
                {"at": AT, "channel": "whatsapp", "outcome": "waiting", "code": 20429, "title": "Too Many Requests"},
                {"at": AT, "channel": "whatsapp", "outcome": "accepted", "message_sid": SID, "current_status": "failed",
                 "statuses": [
                    {"status": "sent", "at": AT},
                    {"status": "failed", "at": AT, "code": 63016, "title": "Free-form outside the allowed window"},
                 ]},
            ],
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_message_that_only_a_callback_named_is_shown_too() {
        let mut item = stored();
        item["state"] = json!("claimed");
        let shown = shown(item, &[("sent", None)]);
        assert_eq!((&shown["bound"]["message_sid"], &shown["attempts"]), (&json!(SID), &json!([])));
        assert_eq!(shown["bound"]["current_status"], "sent");
    }

    #[test]
    fn what_the_message_says_is_not_shown() {
        assert!(!shown(stored(), &[]).to_string().contains("private"));
    }
}
