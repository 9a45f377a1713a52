//! The queue of what can never be published.

use aws_sdk_sqs::{Client, error::BuildError, types::SendMessageBatchRequestEntry};

use super::{batch, body::MessageBody, error::QueueError};

/// Where an operator finds what can never be published.
#[derive(Debug, Clone)]
pub struct UnpublishedQueue {
    client: Client,
    url: String,
}

impl UnpublishedQueue {
    /// The queue of this URL.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Puts notes on the queue, each of at most 1 MB.
    pub async fn put(&self, notes: &[MessageBody]) -> Result<(), QueueError> {
        let operation = "writing to the queue of unpublished records";
        for batch in batch::divide(notes, |note| note.as_str().len()) {
            let entries: Result<Vec<_>, _> = batch.iter().enumerate().map(entry).collect();
            let failures = batch::send(&self.client, &self.url, operation, entries).await?;
            if let Some(failure) = failures.first() {
                return Err(failure.to_error(operation));
            }
        }
        Ok(())
    }
}

fn entry((index, note): (usize, &MessageBody)) -> Result<SendMessageBatchRequestEntry, BuildError> {
    SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(note.as_str()).build()
}
