//! The statuses of a message with their times, for its log.

use domain::notification::NotificationId;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use twilio_types::{
    error_code::ErrorCode,
    message_status::MessageStatus,
    sid::{AccountSid, MessageSid},
};

use super::{MessageEvent, Messages};
use crate::dynamodb::StoreError;

const OPERATION: &str = "reading a message's statuses";

/// A recorded status.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StatusReport {
    pub account_sid: AccountSid,
    #[serde(rename = "event", deserialize_with = "status_of")]
    pub status: MessageStatus,
    pub received_at: Timestamp,
    pub error_code: Option<ErrorCode>,
    /// The notification that the callback URL names.
    pub notification_id: Option<NotificationId>,
}

impl Messages {
    /// All recorded statuses of a message, in the order of their arrival: at most 13 small items.
    pub async fn reports(&self, message_sid: &MessageSid) -> Result<Vec<StatusReport>, StoreError> {
        let answer = self
            .statuses_of(message_sid)
            .consistent_read(true)
            .projection_expression("account_sid, event, received_at, error_code, notification_id")
            .send()
            .await
            .map_err(|error| StoreError::of_sdk(OPERATION, error))?;
        let mut reports: Vec<StatusReport> = serde_dynamo::from_items(answer.items.unwrap_or_default())
            .map_err(|error| StoreError::new(OPERATION, error))?;
        reports.sort_by_key(|report| (report.received_at, report.status));
        Ok(reports)
    }
}

fn status_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageStatus, D::Error> {
    match MessageEvent::deserialize(deserializer)? {
        MessageEvent::Status(status) => Ok(status),
        MessageEvent::Inbound => Err(D::Error::custom("expected status# and a message status")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dynamodb::Item;

    #[test]
    fn a_report_is_read_from_its_item() {
        let item = json!({
            "account_sid": "AC00000000000000000000000000000001", "event": "status#failed",
            "received_at": "2026-11-20T09:00:00.123Z", "error_code": 63016, "notification_id": "order-1",
        });
        let item: Item = serde_dynamo::to_item(item).unwrap();
        let report: StatusReport = serde_dynamo::from_item(item).unwrap();
        assert_eq!((report.status, report.error_code), (MessageStatus::Failed, "63016".parse().ok()));
        assert_eq!(report.notification_id.unwrap().as_str(), "order-1");
    }

    #[test]
    fn an_inbound_message_is_not_a_report() {
        let item = json!({
            "account_sid": "AC00000000000000000000000000000001", "event": "inbound",
            "received_at": "2026-11-20T09:00:00Z",
        });
        let item: Item = serde_dynamo::to_item(item).unwrap();
        assert!(serde_dynamo::from_item::<_, StatusReport>(item).is_err());
    }
}
