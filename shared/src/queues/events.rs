//! The events queue: first in, first out within a group.

use aws_sdk_sqs::{Client, error::BuildError, types::SendMessageBatchRequestEntry};
use domain::digest::sha256_hex;

use super::{
    BATCH_BYTES, BATCH_MESSAGES, MESSAGE_BYTES, PUBLISHING,
    batch::{self, EntryFailure, Publication},
    body::MessageBody,
    error::QueueError,
};

/// Group and deduplication ids. Source: Amazon SQS, "`SendMessage`": 1 to 128 letters, digits and ASCII punctuation.
const MAX_ID_CHARS: usize = 128;

/// A text as the id of a group or of a deduplication, if SQS accepts it as one, and else its hash: equal texts stay equal.
pub fn fifo_id(text: &str) -> String {
    if (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return text.to_owned();
    }
    sha256_hex(text.as_bytes())
}

/// The FIFO queue of the events.
#[derive(Debug, Clone)]
pub struct EventsQueue {
    client: Client,
    url: String,
}

/// A message of the events queue.
#[derive(Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The event as JSON.
    pub body: MessageBody,
    /// SQS keeps the order of the events of one group.
    pub group: String,
    /// SQS drops a second message with this id within five minutes. Source: Amazon SQS, "Exactly-once processing".
    pub deduplication_id: String,
}

impl EventsQueue {
    /// The queue of this URL.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Publishes in order. It passes over a message that SQS can never accept, and stops at the first one that SQS may
    /// accept later, so that no event overtakes an earlier one of its group.
    pub async fn publish(&self, messages: &[&EventMessage]) -> Publication {
        let mut publication = Publication::default();
        for batch in batches(messages) {
            match self.publish_batch(batch).await {
                Ok(failures) => publication.add_batch(batch.len(), failures),
                Err(error) => publication.error = Some(error),
            }
            if publication.error.is_some() {
                break;
            }
        }
        publication
    }

    async fn publish_batch(&self, batch: &[&EventMessage]) -> Result<Vec<EntryFailure>, QueueError> {
        // SQS refuses the whole request for such a message, which is alone in its batch.
        if let [message] = batch
            && message.body.as_str().len() > MESSAGE_BYTES
        {
            return Ok(vec![EntryFailure::too_long(message.body.as_str().len())]);
        }
        let entries: Result<Vec<_>, _> = batch.iter().enumerate().map(entry).collect();
        batch::send(&self.client, &self.url, PUBLISHING, entries).await
    }
}

fn entry((index, message): (usize, &&EventMessage)) -> Result<SendMessageBatchRequestEntry, BuildError> {
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(message.body.as_str())
        .message_group_id(&message.group)
        .message_deduplication_id(&message.deduplication_id)
        .build()
}

/// Divides messages into batches that SQS accepts. None has two messages of one group, because SQS may accept a later message
/// of a batch and refuse an earlier one.
fn batches<'a, 'b>(messages: &'a [&'b EventMessage]) -> Vec<&'a [&'b EventMessage]> {
    let mut batches = Vec::new();
    let mut rest = messages;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |(index, message): &(usize, &&EventMessage)| {
            bytes += message.body.as_str().len();
            let first = *index == 0;
            let repeated = rest.iter().take(*index).any(|earlier| earlier.group == message.group);
            first || (*index < BATCH_MESSAGES && bytes <= BATCH_BYTES && !repeated)
        };
        let size = rest.iter().enumerate().take_while(fits).count();
        let (batch, remaining) = rest.split_at(size);
        batches.push(batch);
        rest = remaining;
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(group: u8, bytes: usize) -> EventMessage {
        EventMessage {
            body: MessageBody::json("x".repeat(bytes)),
            group: group.to_string(),
            deduplication_id: String::new(),
        }
    }

    #[test]
    fn a_batch_has_each_group_once_and_is_not_too_large() {
        let sizes = |messages: &[EventMessage]| {
            let messages: Vec<_> = messages.iter().collect();
            batches(&messages).iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[message(1, 1), message(2, 1), message(1, 1)]), [2, 1]);
        assert_eq!(sizes(&(0..12).map(|group| message(group, 1)).collect::<Vec<_>>()), [10, 2]);
        assert_eq!(sizes(&[message(1, 600_000), message(2, 600_000)]), [1, 1]);
        assert_eq!(sizes(&[message(1, 2_000_000)]), [1]);
        assert_eq!(sizes(&[]), [0_usize; 0]);
    }

    #[test]
    fn what_sqs_accepts_stays_readable_and_the_rest_is_hashed() {
        assert_eq!(fifo_id("AC1#+14155550123"), "AC1#+14155550123");
        for odd in ["", "order 1", "bestellung-ä", &"x".repeat(129)] {
            assert_eq!(fifo_id(odd).len(), 64, "{odd}");
        }
        assert_ne!(fifo_id("order 1"), fifo_id("order 2"));
    }

    proptest! {
        #[test]
        fn batches_keep_every_message_in_its_order(groups in prop::collection::vec(0_u8..6, 0..40)) {
            let messages: Vec<_> = groups.into_iter().map(|group| message(group, 1)).collect();
            let messages: Vec<_> = messages.iter().collect();
            prop_assert!(batches(&messages).concat() == messages);
        }
    }
}
