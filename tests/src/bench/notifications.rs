//! Notifications, and batches of them as SQS delivers them to the send function.

use axum::body::Bytes;
use jiff::Timestamp;
use sandbox::ORDER_UPDATE_SID;
use serde_json::{Value, json};

use super::twilio::SENDER;

/// The largest batch of one invocation: `BatchSize` in `template.yaml`.
pub(super) const BATCH: usize = 10;

/// A message of the outbound queue.
#[derive(Debug, Clone)]
pub(super) struct Queued {
    pub(super) message_id: String,
    pub(super) body: String,
}

/// The phone numbers of `count` people who have had no message before.
pub(super) fn people(count: usize) -> impl Iterator<Item = String> {
    let first = uuid::Uuid::new_v4().as_u128() % 10_000_000;
    (first..).take(count).map(|number| format!("+1415{:07}", number % 10_000_000))
}

/// The same on the Faroe Islands, for which the stack's send policy has a cap.
pub(super) fn capped_people(count: usize) -> impl Iterator<Item = String> {
    let first = uuid::Uuid::new_v4().as_u128() % 1_000_000;
    (first..).take(count).map(|number| format!("+298{:06}", number % 1_000_000))
}

/// A template notification to each of `count` people.
pub(super) fn notifications(count: usize) -> Vec<Queued> {
    notifications_of("utility", count)
}

/// The same of another category.
pub(super) fn notifications_of(category: &str, count: usize) -> Vec<Queued> {
    people(count).map(|to| notification(&to, category)).collect()
}

fn notification(to: &str, category: &str) -> Queued {
    let message_id = uuid::Uuid::new_v4().to_string();
    let body = json!({
        "id": format!("order-{message_id}"), "to": to, "from": SENDER, "category": category,
        "content": {"type": "template", "content_sid": ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "18473"}},
        "metadata": {"order": "18473"},
    });
    Queued { message_id, body: body.to_string() }
}

/// The Lambda event of a batch from this queue.
pub(super) fn event(batch: &[Queued], queue_url: &str) -> Bytes {
    let now = Timestamp::now().as_millisecond().to_string();
    let queue = queue_url.rsplit('/').next().unwrap_or_default();
    let record = |queued: &Queued| {
        json!({
            "messageId": queued.message_id,
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a1",
            "body": queued.body,
            "attributes": {
                "ApproximateReceiveCount": "1", "SentTimestamp": now, "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": now,
            },
            "messageAttributes": {},
            "md5OfBody": "2e89f2c414da68413f2831b5b377608c",
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
            "awsRegion": "us-east-1",
        })
    };
    let records: Vec<_> = batch.iter().map(record).collect();
    Bytes::from(json!({"Records": records}).to_string())
}

/// The ids of the messages that the function returns to the queue.
pub(super) fn failures(answer: &Value) -> Vec<&str> {
    let failures = answer.get("batchItemFailures").and_then(Value::as_array);
    failures.into_iter().flatten().filter_map(|failure| failure.get("itemIdentifier")?.as_str()).collect()
}
