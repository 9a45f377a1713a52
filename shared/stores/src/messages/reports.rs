//! The statuses of a message with their times, for its log.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use twilio_types::{error_code::ErrorCode, message_status::ReportedStatus, sid::MessageSid};

use super::{MessageEvent, MessageSubject, Messages, stored_media::MEDIA};
use crate::{attribute::text, dynamodb::StoreError, format, personal_data::ERASED_AT};

const OPERATION: &str = "reading a message's statuses";

/// A recorded status.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StatusReport {
    pub message_sid: MessageSid,
    #[serde(rename = "event", deserialize_with = "status_of")]
    pub status: ReportedStatus,
    pub received_at: Timestamp,
    pub error_code: Option<ErrorCode>,
}

impl Messages {
    /// All recorded statuses of a subject, read consistently, in the order of their arrival: one small item for
    /// each status of each message. They show whether an attempt became a message, since no message of ours is without its attempt in the
    /// callback URL. A marker of an erased message is no report: the attempt of an earlier notification with the same id was that
    /// message, and Twilio did not say all of these statuses of it.
    pub async fn reports(&self, subject: &MessageSubject) -> Result<Vec<StatusReport>, StoreError> {
        let query = self
            .events_of(subject)
            .filter_expression(
                "#event <> :inbound AND NOT begins_with(#event, :media) AND NOT begins_with(#event, :email) AND attribute_not_exists(#erased)",
            )
            .expression_attribute_names("#erased", ERASED_AT)
            .expression_attribute_names("#event", "event")
            .expression_attribute_names("#format", format::ATTRIBUTE)
            .expression_attribute_values(":inbound", text("inbound"))
            .expression_attribute_values(":media", text(MEDIA))
            .expression_attribute_values(":email", text("email#"))
            .consistent_read(true)
            .projection_expression("message_sid, #event, received_at, error_code, #format");
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let items = items.map_err(|error| StoreError::of_sdk(OPERATION, error))?;
        items.iter().try_for_each(|item| format::MESSAGE.check(OPERATION, item))?;
        let mut reports: Vec<StatusReport> =
            serde_dynamo::from_items(items).map_err(|error| StoreError::new(OPERATION, error))?;
        reports.sort_by(|one, other| (one.received_at, &one.status).cmp(&(other.received_at, &other.status)));
        Ok(reports)
    }
}

fn status_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ReportedStatus, D::Error> {
    let event = MessageEvent::deserialize(deserializer)?;
    event
        .status()
        .cloned()
        .ok_or_else(|| D::Error::custom("expected a message SID or the word status, # and a message status"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twilio_types::message_status::MessageStatus;

    use super::*;
    use crate::dynamodb::Item;

    #[test]
    fn a_report_is_read_from_its_item() {
        let item = json!({
            "message_sid": "SM00000000000000000000000000000001", "event": "SM00000000000000000000000000000001#failed",
            "received_at": "2026-11-20T09:00:00.123Z", "error_code": 63016,
        });
        let item: Item = serde_dynamo::to_item(item).unwrap();
        let report: StatusReport = serde_dynamo::from_item(item).unwrap();
        assert_eq!((report.status, report.error_code), (MessageStatus::Failed.into(), "63016".parse().ok()));
        assert_eq!(report.message_sid.as_str(), "SM00000000000000000000000000000001");
    }

    #[test]
    fn an_inbound_message_is_not_a_report() {
        let item = json!({
            "message_sid": "SM00000000000000000000000000000001", "event": "inbound",
            "received_at": "2026-11-20T09:00:00Z",
        });
        let item: Item = serde_dynamo::to_item(item).unwrap();
        assert!(serde_dynamo::from_item::<_, StatusReport>(item).is_err());
    }
}
