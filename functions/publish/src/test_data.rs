//! Stored notifications for the tests.

use jiff::Timestamp;
use serde_json::{Value, json};
use stores::notifications::StoredNotification;

pub(crate) const MESSAGE_SID: &str = "SM00000000000000000000000000000001";

pub(crate) fn at() -> Timestamp {
    "2026-11-20T09:00:30Z".parse().unwrap()
}

/// A notification with a template as content and an SMS as fallback, with these attributes of its item.
pub(crate) fn stored_notification(attributes: &Value) -> StoredNotification {
    let request = json!({
        "id": "order-1", "to": "+14155550123", "category": "utility",
        "content": {"type": "template", "content_sid": "HX00000000000000000000000000000001"},
        "fallback": [{"channel": "sms", "content": {"type": "text", "body": "Hello"}}],
    });
    let mut item = json!({
        "account_sid": "AC00000000000000000000000000000001", "id": "order-1", "digest": "d", "recipient": "+14155550123",
        "category": "utility", "notification_json": request.to_string(), "enqueued_at": "2026-11-20T08:59:00Z",
        "version": 3, "updated_at": "2026-11-20T09:00:00Z", "expires_at": 1_799_000_000,
    });
    if let (Some(item), Some(attributes)) = (item.as_object_mut(), attributes.as_object()) {
        item.extend(attributes.clone());
    }
    StoredNotification::read(serde_dynamo::to_item(item).unwrap()).unwrap()
}

/// An attempt of the content.
pub(crate) fn attempt(result: &str, message_sid: Option<&str>) -> Value {
    let mut attempt = json!({
        "route": 0, "channel": "whatsapp", "claimed_at": "2026-11-20T09:00:00Z", "at": "2026-11-20T09:00:01Z",
        "outcome": result,
    });
    if let Some(sid) = message_sid {
        attempt["message_sid"] = json!(sid);
    }
    attempt
}
