//! A message of an outbound queue.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use domain::lane::Lane;
use jiff::Timestamp;
use shared::{
    deadline::Deadline,
    queues::{ENQUEUED_AT, HOPS, LaneQueues, MessageBody, NotificationReference, QueueEntry, REASON, UnreadableBody},
    report::Chain,
};
use tracing::Span;
use twilio_types::sid::AccountSid;

use crate::{
    backoff,
    next::{Ended, Next, SendError, Stop},
};

/// A message of a queue, with what SQS says about it.
pub(crate) struct QueueMessage<'a> {
    pub(crate) message_id: &'a str,
    pub(crate) receipt_handle: &'a str,
    pub(crate) lane: Lane,
    pub(crate) body: &'a str,
    /// The stored notification that it names; none if it is a notification itself.
    pub(crate) reference: Result<Option<NotificationReference>, UnreadableBody>,
    /// Why it was a dead letter, if an operator retries it.
    pub(crate) retry_of: Option<&'a str>,
    /// How many messages in a row the function has sent to itself, up to this batch. Lambda does not document how it counts
    /// a batch with messages of several chains, so the longest counts for all of it.
    pub(crate) hops: u8,
    /// How often SQS has delivered it. What waits does not wait in the queue, so all but the first are failures of ours.
    pub(crate) receives: usize,
    /// When it was first put on a queue.
    pub(crate) enqueued_at: Timestamp,
    /// By when the work on it has to end. Then there is still time to record what happened.
    pub(crate) deadline: Deadline,
}

/// From this number of receives on, each failure has an alarm.
const REPEATED: usize = 3;

/// After this number of receives, which takes more than a day, a message is put on the dead-letter queue with the last error. SQS would move it
/// without one after 1,000 (the queue's `maxReceiveCount`).
const GIVE_UP: usize = 900;

impl<'a> QueueMessage<'a> {
    /// Reads the messages of a batch.
    pub(crate) fn read_all(
        event: &'a SqsEvent,
        queues: &LaneQueues,
        deadline: Deadline,
        now: Timestamp,
    ) -> Vec<QueueMessage<'a>> {
        let read = |message| Self::read(message, queues, deadline, now);
        let mut messages: Vec<_> = event.records.iter().map(read).collect();
        let hops = messages.iter().map(|message| message.hops).max().unwrap_or_default();
        for message in &mut messages {
            message.hops = hops;
        }
        messages
    }

    fn read(message: &'a SqsMessage, queues: &LaneQueues, deadline: Deadline, now: Timestamp) -> Self {
        let time = |text: Option<&str>| Timestamp::from_millisecond(text?.parse().ok()?).ok();
        let attribute = |name: &str| message.message_attributes.get(name)?.string_value.as_deref();
        let receives = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
        let sent_at = time(message.attributes.get("SentTimestamp").map(String::as_str)).unwrap_or(now);
        let body = message.body.as_deref().unwrap_or_default();
        let reference = NotificationReference::read(body);
        let hops = attribute(HOPS).and_then(|hops| hops.parse().ok()).unwrap_or_default();
        Self {
            message_id: message.message_id.as_deref().unwrap_or_default(),
            receipt_handle: message.receipt_handle.as_deref().unwrap_or_default(),
            lane: queues.lane(message.event_source_arn.as_deref().unwrap_or_default()),
            body,
            hops: reference.as_ref().ok().and_then(Option::as_ref).map_or(hops, |reference| reference.hops),
            reference,
            retry_of: attribute(REASON),
            receives: receives.unwrap_or(1),
            enqueued_at: time(attribute(ENQUEUED_AT)).unwrap_or(sent_at),
            deadline,
        }
    }

    /// A copy of it to put on the queue of another lane. It keeps the time at which the notification was first enqueued.
    pub(crate) fn copy(&self, group: &AccountSid) -> QueueEntry {
        QueueEntry {
            body: MessageBody::json(self.body),
            group: group.clone(),
            enqueued_at: Some(self.enqueued_at),
            hops: self.hops.saturating_add(1),
            reason: self.retry_of.map(str::to_owned),
            delay: std::time::Duration::ZERO,
        }
    }

    /// Whether it names a stored notification.
    pub(crate) const fn is_reference(&self) -> bool {
        matches!(self.reference, Ok(Some(_)))
    }

    pub(crate) fn ended(&'a self, next: Next) -> Ended<'a> {
        Ended { message: self, next, span: Span::current() }
    }

    /// Whether an earlier invocation failed at it. It may have stopped between the write of an item and the message that brings
    /// it back, so that no other message follows.
    pub(crate) const fn is_redelivered(&self) -> bool {
        self.receives > 1
    }

    /// The end of this invocation's work on it.
    pub(crate) fn stopped(&'a self, stop: Stop) -> Ended<'a> {
        match stop {
            Stop::Next(next) => self.ended(next),
            Stop::Failed(error) => self.failed(&error),
        }
    }

    /// DynamoDB or SQS did not do its part: the message comes again soon.
    pub(crate) fn failed(&'a self, error: &SendError) -> Ended<'a> {
        let error = Chain(error).to_string();
        let alarm = (self.receives >= REPEATED).then_some("repeated");
        tracing::error!(error, receives = self.receives, alarm, "a notification was not processed, and is tried again");
        if self.receives >= GIVE_UP {
            return self.ended(Next::GiveUp(format!("not processed after {} receives: {error}", self.receives)));
        }
        self.ended(self.after_failure())
    }

    pub(crate) fn after_failure(&self) -> Next {
        Next::Again(backoff::after_failure(self.receives))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use serde_json::json;
    use shared::queues::LaneUrls;

    use super::*;

    /// A message that was just put on the queue.
    pub(crate) fn message(body: &str, now: Timestamp) -> QueueMessage<'_> {
        QueueMessage {
            message_id: "1",
            receipt_handle: "1",
            lane: Lane::Standard,
            body,
            reference: Ok(None),
            retry_of: None,
            hops: 0,
            receives: 1,
            enqueued_at: now,
            deadline: Deadline::after(Duration::from_mins(1)),
        }
    }

    pub(crate) fn queues() -> LaneQueues {
        let config = aws_sdk_sqs::Config::builder().behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest());
        let url = |name: &str| format!("https://sqs.us-east-1.amazonaws.com/123456789012/{name}");
        let urls = LaneUrls { standard: url("Outbound"), urgent: Some(url("Urgent")), marketing: None };
        LaneQueues::new(aws_sdk_sqs::Client::from_conf(config.build()), urls)
    }

    fn record(body: &str, attributes: &[(&str, &str)]) -> SqsMessage {
        let attribute = |(name, value): &(&str, &str)| {
            let value =
                json!({"stringValue": value, "dataType": "String", "stringListValues": [], "binaryListValues": []});
            ((*name).to_owned(), value)
        };
        let attributes: serde_json::Map<_, _> = attributes.iter().map(attribute).collect();
        let record = json!({
            "messageId": "1", "receiptHandle": "1", "body": body,
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:Urgent",
            "attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1790000000000"},
            "messageAttributes": attributes,
        });
        serde_json::from_value(record).unwrap()
    }

    fn read(records: Vec<SqsMessage>, test: impl FnOnce(&[QueueMessage<'_>])) {
        let mut event = SqsEvent::default();
        event.records = records;
        let deadline = Deadline::after(Duration::from_mins(1));
        test(&QueueMessage::read_all(&event, &queues(), deadline, Timestamp::UNIX_EPOCH));
    }

    const REFERENCE: &str =
        r#"{"stored_notification": {"account_sid": "AC00000000000000000000000000000001", "id": "a", "hops": 7}}"#;

    #[test]
    fn message_is_read_with_what_sqs_says_about_it() {
        let dead_letter = record("{}", &[(ENQUEUED_AT, "1780000000000"), (REASON, "given up")]);
        read(vec![record("{}", &[]), dead_letter], |messages| {
            let [message, dead_letter] = messages else { panic!("expected two messages") };
            assert_eq!((message.lane, message.receives, message.retry_of), (Lane::Urgent, 2, None));
            assert_eq!(message.enqueued_at.as_second(), 1_790_000_000);
            assert_eq!((dead_letter.enqueued_at.as_second(), dead_letter.retry_of), (1_780_000_000, Some("given up")));
            let copy = dead_letter.copy(&"AC00000000000000000000000000000001".parse().unwrap());
            assert_eq!(copy.reason.as_deref(), Some("given up"), "it stays a retry in its lane");
        });
    }

    #[test]
    fn longest_chain_of_a_batch_counts_for_all_of_it() {
        read(vec![record("{}", &[]), record(REFERENCE, &[]), record("{}", &[(HOPS, "3")])], |messages| {
            assert!(messages.iter().all(|message| message.hops == 7));
            let copy = messages[0].copy(&"AC00000000000000000000000000000001".parse().unwrap());
            assert_eq!((copy.hops, copy.enqueued_at, copy.delay), (8, Some(messages[0].enqueued_at), Duration::ZERO));
        });
    }

    #[test]
    fn message_that_failed_for_a_day_is_given_up_with_the_error() {
        let error = || {
            let unreadable = stores::notifications::StoredNotification::read(stores::dynamodb::Item::new());
            SendError::from(unreadable.unwrap_err())
        };
        let failing = |receives| QueueMessage { receives, ..message("{}", Timestamp::UNIX_EPOCH) };
        assert!(matches!(failing(GIVE_UP - 1).failed(&error()).next, Next::Again(_)));
        let last = failing(GIVE_UP);
        let Next::GiveUp(reason) = last.failed(&error()).next else { panic!("expected a dead letter") };
        assert!(reason.starts_with("not processed after 900 receives: reading an item of the Notif"), "{reason}");
    }
}
