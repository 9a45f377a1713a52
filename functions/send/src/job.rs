//! A message of the queue, and the notification that it holds.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use domain::{
    contact_key::ContactKey,
    limits::QUEUE_RETENTION,
    notification::{Category, Notification},
    policy::RecipientRules,
};
use jiff::{SignedDuration, Timestamp};
use shared::{
    queues::{ENQUEUED_AT, Lane, MessageBody, OutboundQueue, QueueEntry},
    report::Chain,
};
use stores::notifications::Subject;
use twilio_types::sid::AccountSid;

use crate::{Next, SendError, backoff};

/// A message that would be as old as this when it comes again is put on the queue anew before SQS deletes it: a day is
/// left for a function that is out of order.
const OLDEST: SignedDuration = SignedDuration::from_hours(13 * 24);

/// A message that a person just wrote opens the window by way of a stream, which is seconds behind at most.
const STREAM_LAG: SignedDuration = SignedDuration::from_secs(15);

/// A message of the queue.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) message_id: &'a str,
    pub(crate) receipt_handle: &'a str,
    pub(crate) lane: Lane,
    pub(crate) body: &'a str,
    /// How often SQS has handed it out. Only the pauses after failures of our own go by it: attempts are counted in the
    /// Notifications table.
    received: usize,
    /// Whether SQS has said when it took it, which it always does.
    is_dated: bool,
    /// When SQS took this copy of it.
    sent_at: Timestamp,
    /// When it was put on a queue first.
    pub(crate) enqueued_at: Timestamp,
    now: Timestamp,
}

impl<'a> Incoming<'a> {
    pub(crate) fn read(message: &'a SqsMessage, queue: &OutboundQueue, now: Timestamp) -> Self {
        let number = |text: Option<&String>| text.and_then(|text| text.parse().ok());
        let time = |milliseconds: i64| Timestamp::from_millisecond(milliseconds).ok();
        let dated = number(message.attributes.get("SentTimestamp")).and_then(time);
        let sent_at = dated.unwrap_or(now);
        let first = message.message_attributes.get(ENQUEUED_AT).and_then(|attribute| attribute.string_value.as_ref());
        Self {
            message_id: message.message_id.as_deref().unwrap_or_default(),
            receipt_handle: message.receipt_handle.as_deref().unwrap_or_default(),
            lane: queue.lane(message.event_source_arn.as_deref().unwrap_or_default()),
            body: message.body.as_deref().unwrap_or_default(),
            received: message
                .attributes
                .get("ApproximateReceiveCount")
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
            is_dated: dated.is_some(),
            sent_at,
            enqueued_at: number(first).and_then(time).unwrap_or(sent_at),
            now,
        }
    }

    /// What becomes of it when our own state or queue does not answer.
    pub(crate) fn after_failure(&self) -> Next {
        Next::Again(backoff::full_jitter(self.received))
    }

    pub(crate) fn failed(&self, error: &SendError) -> Next {
        tracing::error!(error = %Chain(error), "notification not processed");
        self.after_failure()
    }

    /// Whether it is so new that what happened just before it may not be known yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_dated && self.now.duration_since(self.enqueued_at) < STREAM_LAG
    }

    /// Whether SQS would delete it before it comes again.
    pub(crate) fn outlives_queue(&self, delay: Duration) -> bool {
        let age = self.now.duration_since(self.sent_at);
        // An older one than the queue keeps is an event made by hand.
        let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
        age < QUEUE_RETENTION && age.saturating_add(delay) > OLDEST && age > SignedDuration::from_hours(12)
    }

    pub(crate) fn fresh_copy(&self, account_sid: &AccountSid) -> QueueEntry {
        QueueEntry {
            body: MessageBody::json(self.body),
            group: account_sid.clone(),
            enqueued_at: self.enqueued_at,
            delay: Duration::ZERO,
        }
    }
}

/// A notification on its way.
pub(crate) struct Job<'a> {
    pub(crate) incoming: &'a Incoming<'a>,
    pub(crate) notification: Notification,
    pub(crate) subject: Subject,
    pub(crate) contact: ContactKey,
    pub(crate) rules: RecipientRules,
}

impl Job<'_> {
    pub(crate) fn is_bulk(&self) -> bool {
        self.notification.category == Category::Marketing
    }

    /// The copy of it that goes onto another queue.
    pub(crate) fn entry(&self) -> QueueEntry {
        self.incoming.fresh_copy(&self.subject.account_sid)
    }
}
