//! The last stage: each queue message is deleted, or comes again when it should. Nothing else here knows how a notification
//! waits in SQS.

use std::time::Duration;

use domain::limits::QUEUE_RETENTION;
use jiff::{SignedDuration, Timestamp};
use shared::{
    queues::{EnqueueOutcome, OutboundQueue},
    report::Chain,
};
use twilio_types::sid::AccountSid;

use crate::{
    next::{Ended, Next},
    queue_message::QueueMessage,
};

/// A message that would be as old as this when it comes again is replaced by a copy, before SQS deletes it. A day is left
/// for a function that is out of order.
const OLDEST: SignedDuration = SignedDuration::from_hours(13 * 24);

/// A younger message is not replaced, however long it waits: SQS hides a message for at most 12 hours, and then it is looked
/// at again.
const HIDDEN: SignedDuration = SignedDuration::from_hours(12);

/// Makes messages come again.
#[derive(Debug)]
pub(crate) struct Requeue {
    pub(crate) queue: OutboundQueue,
    /// The message group of the copies.
    pub(crate) account_sid: AccountSid,
}

impl Requeue {
    /// Sees to it that a message which is not done with comes again when it should. Done means that Lambda may delete it.
    pub(crate) async fn finish(&self, ended: &Ended<'_>, now: Timestamp) -> Next {
        let Ended { message, next } = ended;
        let Next::Again(delay) = *next else { return Next::Done };
        if is_too_old_to_wait(message, delay, now) {
            match self.queue.enqueue(message.lane, &[message.copy(&self.account_sid)]).await {
                Ok(outcomes) if outcomes == [EnqueueOutcome::Accepted] => return Next::Done,
                _ => tracing::error!("a notification that waits for long was not put on the queue again"),
            }
        }
        if let Err(error) = self.queue.change_visibility(message.lane, message.receipt_handle, delay).await {
            tracing::warn!(error = %Chain(&error), "a message's delay was not set, so the queue's default applies");
        }
        Next::Again(delay)
    }
}

/// Whether SQS would delete the message before it comes again. A message that is older than a queue can keep it is an event
/// that was made by hand.
fn is_too_old_to_wait(message: &QueueMessage<'_>, delay: Duration, now: Timestamp) -> bool {
    let age = now.duration_since(message.sent_at);
    let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
    age < QUEUE_RETENTION && age.saturating_add(delay) > OLDEST && age > HIDDEN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue_message::tests::message;

    #[test]
    fn only_a_message_that_sqs_would_delete_is_replaced() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let hours = |hours: u64| Duration::from_hours(hours);
        for (age, delay, expected) in [
            (1, hours(20 * 24), false),
            (13, hours(20 * 24), true),
            (12 * 24, hours(1), false),
            (12 * 24, hours(25), true),
            (15 * 24, hours(1), false),
        ] {
            let message = QueueMessage { sent_at: now - SignedDuration::from_hours(age), ..message("{}", now) };
            assert_eq!(is_too_old_to_wait(&message, delay, now), expected, "{age} hours old, waits {delay:?}");
        }
    }
}
