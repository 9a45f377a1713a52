//! The queue of webhooks that Twilio signed and that DynamoDB did not store in time.

use std::time::Duration;

use aws_sdk_sqs::{Client, types::ChangeMessageVisibilityBatchRequestEntry};
use twilio_types::sid::AccountSid;

use super::{body::MessageBody, error::QueueError};

/// The queue.
#[derive(Debug, Clone)]
pub struct SpoolQueue {
    client: Client,
    url: String,
}

/// A received message that is to be received again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRetry {
    pub receipt_handle: String,
    /// After this time, at most the 12 hours of a visibility timeout (Amazon SQS, "Visibility timeout").
    pub after: Duration,
}

impl SpoolQueue {
    /// The queue of this URL.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Puts a webhook on the queue. SQS is fair between message groups, so that one account's backlog holds up no other's.
    /// Source: Amazon SQS, "Fair queues".
    pub async fn put(&self, body: &MessageBody, account_sid: &AccountSid) -> Result<(), QueueError> {
        let message = self.client.send_message().queue_url(&self.url).message_body(body.as_str());
        let answer = message.message_group_id(account_sid.as_str()).send().await;
        answer.map(drop).map_err(|error| QueueError::of_sdk("writing to the spool queue", error))
    }

    /// Sets when messages are received again: those of one batch of Lambda, at most ten. One that SQS refuses comes again after the
    /// queue's visibility timeout.
    pub async fn retry(&self, retries: &[MessageRetry]) -> Result<(), QueueError> {
        let operation = "changing when a spooled webhook is received again";
        let entry = |(index, retry): (usize, &MessageRetry)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&retry.receipt_handle)
                .visibility_timeout(i32::try_from(retry.after.as_secs()).unwrap_or(i32::MAX))
                .build()
        };
        let entries: Result<Vec<_>, _> = retries.iter().enumerate().map(entry).collect();
        let entries = entries.map_err(|error| QueueError::new(operation, error))?;
        let change = self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
        change.send().await.map(drop).map_err(|error| QueueError::of_sdk(operation, error))
    }
}
