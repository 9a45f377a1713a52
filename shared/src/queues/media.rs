//! The queue of the files of people's messages that are to be stored. A message names the file by its stored message, so that
//! no URL and no number is copied to a queue.

use aws_sdk_sqs::{Client, error::BuildError, types::SendMessageBatchRequestEntry};
use serde::{Deserialize, Serialize};
use stores::format::Format;
use twilio_types::sid::{AccountSid, MessageSid};

use super::{
    batch,
    error::QueueError,
    format::{self, UnreadableBody},
};

const FORMAT: Format = Format::new("a file of a message", 1);

/// The name of a file of a stored message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaReference {
    pub account_sid: AccountSid,
    pub message_sid: MessageSid,
    /// The file's place among those of its message, from 0.
    pub index: u32,
}

/// The queue from which `store-media` reads.
#[derive(Debug, Clone)]
pub struct MediaQueue {
    client: Client,
    url: String,
}

impl MediaQueue {
    /// The queue of this URL.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Puts files on the queue. An error means that SQS did not accept one of them; others may be on the queue.
    pub async fn put(&self, files: &[MediaReference]) -> Result<(), QueueError> {
        let operation = "putting files on the media queue";
        for batch in batch::divide(files, |file| file.body().len()) {
            let entries: Result<Vec<_>, _> = batch.iter().enumerate().map(entry).collect();
            let failures = batch::send(&self.client, &self.url, operation, entries).await?;
            if let Some(failure) = failures.first() {
                return Err(failure.to_error(operation));
            }
        }
        Ok(())
    }
}

impl MediaReference {
    /// The body of its message.
    pub fn body(&self) -> String {
        format::write(FORMAT, self)
    }

    /// Reads the body of a message.
    pub fn read(body: &str) -> Result<Self, UnreadableBody> {
        format::read(FORMAT, body)
    }
}

/// SQS is fair between message groups, so that one account's flood of files holds up no other's. Source: Amazon SQS, "Fair
/// queues".
fn entry((index, file): (usize, &MediaReference)) -> Result<SendMessageBatchRequestEntry, BuildError> {
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(file.body())
        .message_group_id(file.account_sid.as_str())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_back_from_its_message() {
        let file = MediaReference {
            account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
            message_sid: "MM00000000000000000000000000000001".parse().unwrap(),
            index: 9,
        };
        assert_eq!(MediaReference::read(&file.body()).unwrap(), file);
        assert!(file.body().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "SQS accepts it");
    }
}
