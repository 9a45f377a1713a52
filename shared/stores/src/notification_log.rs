//! The log of a notification: its attempts, and the statuses of its messages. It does not show the content.

use std::{collections::BTreeMap, fmt};

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

/// A notification's log. `GET /notifications/{id}` answers with this JSON.
#[derive(Serialize)]
pub struct NotificationLog {
    pub account_sid: AccountSid,
    pub id: NotificationId,
    pub state: NotificationState,
    /// None if the notification could not be read.
    pub recipient: Option<E164>,
    pub category: Option<Category>,
    /// Why it has its state.
    pub reason: Option<String>,
    /// Twilio's error.
    #[serde(flatten)]
    pub error: Option<ErrorDetail>,
    /// The oldest first.
    pub attempts: Vec<LoggedAttempt>,
    /// A message that a status callback named, and that no finished attempt has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<LoggedMessage>,
    pub metadata: BTreeMap<String, String>,
    pub updated_at: Timestamp,
}

#[derive(Serialize)]
pub struct LoggedAttempt {
    pub at: Timestamp,
    /// `whatsapp` or `sms`.
    pub channel: String,
    pub outcome: NotificationState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(flatten)]
    pub error: Option<ErrorDetail>,
    #[serde(flatten)]
    pub message: Option<LoggedMessage>,
}

/// A message with its recorded statuses.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedMessage {
    pub message_sid: MessageSid,
    /// The most advanced status; none if no status is recorded.
    pub current_status: Option<MessageStatus>,
    pub statuses: Vec<LoggedStatus>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LoggedStatus {
    pub status: MessageStatus,
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
    /// Finds a notification by its id within the account, or by the SID of one of its messages.
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

    /// The index finds a notification by its latest message only; the statuses of an earlier message name its
    /// notification.
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

impl fmt::Debug for NotificationLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationLog")
            .field("account_sid", &self.account_sid)
            .field("id", &self.id)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .field("bound", &self.bound)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LoggedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedAttempt")
            .field("at", &self.at)
            .field("channel", &self.channel)
            .field("outcome", &self.outcome)
            .field("error", &self.error)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl NotificationLog {
    fn of(found: StoredNotification, reports: &BTreeMap<MessageSid, Vec<StatusReport>>) -> Self {
        let message = |sid: &MessageSid| LoggedMessage::of(sid, reports.get(sid).map_or(&[], Vec::as_slice));
        let is_logged =
            |sid: &MessageSid| found.attempts.iter().any(|attempt| attempt.message_sid.as_ref() == Some(sid));
        let bound = found.message_sid.as_ref().filter(|sid| !is_logged(sid)).map(message);
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
        let logged = |report: &StatusReport| LoggedStatus {
            status: report.status,
            at: report.received_at,
            error: report.error_code.map(ErrorDetail::from),
        };
        Self {
            message_sid: sid.clone(),
            current_status: MessageStatus::current(reports.iter().map(|report| report.status)),
            statuses: reports.iter().map(logged).collect(),
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
    fn each_attempt_is_shown_with_the_statuses_of_its_message() {
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
    fn a_message_that_only_a_callback_named_is_shown() {
        let mut item = stored();
        item["state"] = json!("claimed");
        let shown = shown(item, &[("sent", None)]);
        assert_eq!((&shown["bound"]["message_sid"], &shown["attempts"]), (&json!(SID), &json!([])));
        assert_eq!(shown["bound"]["current_status"], "sent");
    }

    #[test]
    fn the_content_is_not_shown() {
        assert!(!shown(stored(), &[]).to_string().contains("private"));
    }
}
