//! The queue of what can never be published.

use aws_sdk_sqs::{Client, error::BuildError, types::SendMessageBatchRequestEntry};
use serde::de::DeserializeOwned;
use stores::format::Format;

use super::{
    batch,
    body::MessageBody,
    error::QueueError,
    format::{self, UnreadableBody},
};

/// The format of the notes: each has the field `format` with its version.
pub const NOTE_FORMAT: Format = Format::new("a note of what is not published", 1);

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

/// Reads a message of the queue: a note, or what Lambda writes there, which has no version.
///
/// # Errors
///
/// A later release wrote it, or it is no JSON of a `T`.
pub fn read_note<T: DeserializeOwned>(body: &str) -> Result<T, UnreadableBody> {
    format::read(NOTE_FORMAT, body)
}

fn entry((index, note): (usize, &MessageBody)) -> Result<SendMessageBatchRequestEntry, BuildError> {
    SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(note.as_str()).build()
}
