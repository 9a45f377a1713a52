//! A message of an outbound queue.

use aws_lambda_events::sqs::SqsMessage;
use jiff::Timestamp;
use shared::{
    deadline::Deadline,
    queues::{ENQUEUED_AT, Lane, MessageBody, OutboundQueue, QueueEntry},
    report::Chain,
};
use twilio_types::sid::AccountSid;

use crate::{
    backoff,
    next::{Ended, Next, SendError, Stop},
};

/// A message of a queue, with what SQS says about it.
#[derive(Clone, Copy)]
pub(crate) struct QueueMessage<'a> {
    pub(crate) message_id: &'a str,
    pub(crate) receipt_handle: &'a str,
    pub(crate) lane: Lane,
    pub(crate) body: &'a str,
    /// How often SQS has delivered it, also only to wait. Attempts to send are counted in the Notifications table.
    pub(crate) receives: usize,
    /// When this copy of it was put on its queue.
    pub(crate) sent_at: Timestamp,
    /// When it was first put on a queue.
    pub(crate) enqueued_at: Timestamp,
    /// By when the work on it has to end. Then there is still time to record what happened.
    pub(crate) deadline: Deadline,
}

impl<'a> QueueMessage<'a> {
    pub(crate) fn read(message: &'a SqsMessage, queue: &OutboundQueue, deadline: Deadline, now: Timestamp) -> Self {
        let time = |text: Option<&String>| Timestamp::from_millisecond(text?.parse().ok()?).ok();
        let receives = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
        let first = message.message_attributes.get(ENQUEUED_AT).and_then(|attribute| attribute.string_value.as_ref());
        let sent_at = time(message.attributes.get("SentTimestamp")).unwrap_or(now);
        Self {
            message_id: message.message_id.as_deref().unwrap_or_default(),
            receipt_handle: message.receipt_handle.as_deref().unwrap_or_default(),
            lane: queue.lane(message.event_source_arn.as_deref().unwrap_or_default()),
            body: message.body.as_deref().unwrap_or_default(),
            receives: receives.unwrap_or(1),
            sent_at,
            enqueued_at: time(first).unwrap_or(sent_at),
            deadline,
        }
    }

    /// A copy of it to put on a queue. It keeps the time at which the notification was first enqueued.
    pub(crate) fn copy(&self, group: &AccountSid) -> QueueEntry {
        QueueEntry {
            body: MessageBody::json(self.body),
            group: group.clone(),
            enqueued_at: self.enqueued_at,
            delay: std::time::Duration::ZERO,
        }
    }

    pub(crate) fn ended(&'a self, next: Next) -> Ended<'a> {
        Ended { message: self, next }
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
        tracing::error!(error = %Chain(error), "a notification was not processed, and is tried again");
        self.ended(self.after_failure())
    }

    pub(crate) fn after_failure(&self) -> Next {
        Next::Again(backoff::after_failure(self.receives))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    /// A message that was just put on the queue.
    pub(crate) fn message(body: &str, now: Timestamp) -> QueueMessage<'_> {
        QueueMessage {
            message_id: "1",
            receipt_handle: "1",
            lane: Lane::Front,
            body,
            receives: 1,
            sent_at: now,
            enqueued_at: now,
            deadline: Deadline::after(Duration::from_mins(1)),
        }
    }

    #[test]
    fn copy_keeps_the_time_of_the_first_enqueueing() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let first = Timestamp::from_second(1_780_000_000).unwrap();
        let message = QueueMessage { enqueued_at: first, ..message("{}", now) };
        let copy = message.copy(&"AC00000000000000000000000000000001".parse().unwrap());
        assert_eq!((copy.enqueued_at, copy.delay), (first, Duration::ZERO));
    }
}
