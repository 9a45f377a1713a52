//! The outbound queue to Twilio: a notification goes out, once.
//!
//! Environment: `NOTIFICATIONS_TABLE`, `CONTACTS_TABLE`, `OUTBOUND_QUEUE_URL`, `MEDIA_BUCKET`, `TWILIO_SECRET_ID`,
//! `TWILIO_ACCOUNT_SID`, `PUBLIC_BASE_URL`, and optionally `MESSAGING_SERVICE_SID`, `TWILIO_API_BASE_URL` (Twilio's),
//! `OUTBOUND_DEAD_LETTER_QUEUE_URL` (the queue's redrive target) and `MEDIA_SIGNER_SECRET_ID` (the function's own
//! credentials, with which a media link may die before Twilio has fetched the file).

use std::{convert::Infallible, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use shared::{
    contacts::Contacts,
    dynamodb::StoreError,
    notifications::Notifications,
    queues::{OutboundQueue, QueueError},
    report::Chain,
    sid::AccountSid,
};

mod backoff;
mod claim;
mod compose;
mod deliver;
mod start;

use compose::Composer;
use deliver::Twilio;

/// The function.
#[derive(Debug)]
pub struct Send {
    notifications: Notifications,
    contacts: Contacts,
    queue: OutboundQueue,
    twilio: Twilio,
    composer: Composer,
    account_sid: AccountSid,
}

/// What becomes of a queue message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It has come to its end and leaves the queue.
    Done,
    /// It comes again after this time.
    Again(Duration),
}

/// Our own state or queue did not answer: time mends it.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Send {
    /// Works on a batch, its messages side by side. Only a message that has to come again is reported as failed:
    /// sent, suppressed, expired and refused for good are ends, and so is what cannot be read, whose copy is on the
    /// dead-letter queue before it leaves this one.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Infallible> {
        let mut response = SqsBatchResponse::default();
        let worked = join_all(event.payload.records.iter().map(|message| self.work(message))).await;
        for (message, next) in event.payload.records.iter().zip(worked) {
            if let Next::Again(_) = next {
                response.add_failure(message.message_id.clone().unwrap_or_default());
            }
        }
        Ok(response)
    }

    async fn work(&self, message: &SqsMessage) -> Next {
        let now = Timestamp::now();
        let next = self.take(message.body.as_deref().unwrap_or_default(), now).await.unwrap_or_else(|error| {
            tracing::error!(error = %Chain(&error), "notification not processed");
            Next::Again(backoff::full_jitter(receive_count(message)))
        });
        if let Next::Again(delay) = next {
            let receipt_handle = message.receipt_handle.as_deref().unwrap_or_default();
            if let Err(error) = self.queue.come_again(receipt_handle, delay).await {
                tracing::warn!(error = %Chain(&error), "delay not set, the queue's own applies");
            }
        }
        next
    }
}

/// How often SQS has handed the message out. Only the pauses after failures of our own go by it: attempts are counted in
/// the Notifications table.
fn receive_count(message: &SqsMessage) -> usize {
    message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}
