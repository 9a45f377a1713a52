//! A message of the spool queue: when it is tried again, and since when its webhook waits.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use jiff::{SignedDuration, Timestamp};
use shared::{
    queues::{MessageRetry, UnreadableBody},
    webhook::SpooledWebhook,
};

/// The pause after the first try. Most faults of DynamoDB are over in seconds.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// The longest pause: so long after DynamoDB works again a STOP may wait. With 1,000 receives, the most that SQS has
/// (`maxReceiveCount` in `template.yaml`), a webhook is tried for 33 hours.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// A webhook that waits longer than this has an alarm. The queue's own age does not show it: SQS leaves a message out of the age
/// of the oldest message that was received three times (Amazon SQS, "Available `CloudWatch` metrics for Amazon SQS").
const LATE: SignedDuration = SignedDuration::from_mins(5);

/// A message of the queue.
#[derive(Debug)]
pub(crate) struct SpoolJob<'a> {
    message: &'a SqsMessage,
    /// How often SQS has delivered it, with this time.
    receives: u32,
}

impl<'a> SpoolJob<'a> {
    pub(crate) fn of(message: &'a SqsMessage) -> Self {
        let receives = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
        Self { message, receives: receives.unwrap_or(1) }
    }

    pub(crate) fn message_id(&self) -> &'a str {
        self.message.message_id.as_deref().unwrap_or_default()
    }

    pub(crate) fn body(&self) -> &'a str {
        self.message.body.as_deref().unwrap_or_default()
    }

    pub(crate) fn webhook(&self) -> Result<SpooledWebhook, UnreadableBody> {
        SpooledWebhook::read(self.body())
    }

    /// How it comes again: after a pause that is twice the last one.
    pub(crate) fn retry(&self) -> Option<MessageRetry> {
        let receipt_handle = self.message.receipt_handle.clone()?;
        let doublings = self.receives.saturating_sub(1);
        let after = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE);
        Some(MessageRetry { receipt_handle, after })
    }
}

/// Whether a webhook that arrived at this time, and is not applied, has an alarm.
pub(crate) fn is_late(arrived_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(arrived_at) > LATE
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pause(receives: &str) -> Duration {
        let message = json!({
            "messageId": "1", "receiptHandle": "handle", "body": "{}", "attributes": {"ApproximateReceiveCount": receives},
            "messageAttributes": {},
        });
        let message: SqsMessage = serde_json::from_value(message).unwrap();
        SpoolJob::of(&message).retry().unwrap().after
    }

    #[test]
    fn pause_is_doubled_and_has_a_limit() {
        let seconds =
            ["1", "2", "3", "6", "7", "8", "40", "4000000000", "odd"].map(|receives| pause(receives).as_secs());
        assert_eq!(seconds, [2, 4, 8, 64, 120, 120, 120, 120, 2]);
    }

    #[test]
    fn tries_last_for_longer_than_a_day() {
        let all: Duration = (1..=1_000).map(|receives: u32| pause(&receives.to_string())).sum();
        assert!(all > Duration::from_hours(33), "{all:?}");
    }

    #[test]
    fn webhook_that_waits_longer_than_five_minutes_has_an_alarm() {
        let arrived_at = Timestamp::UNIX_EPOCH;
        assert!(!is_late(arrived_at, arrived_at + LATE));
        assert!(is_late(arrived_at, arrived_at + LATE + SignedDuration::from_secs(1)));
    }
}
