//! The queues: notifications that wait, notifications that nobody can send, and events.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    error::SdkError,
    types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry},
};
use serde::Deserialize;
use std::error::Error;

/// A queue did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct QueueError {
    operation: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl QueueError {
    fn of_sdk<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        Self { operation, source: Box::new(error) }
    }
}

/// The queue that notifications come on, and its dead-letter queue.
#[derive(Debug, Clone)]
pub struct OutboundQueue {
    client: Client,
    url: String,
    dead_letter_url: String,
}

/// The longest a message can be hidden at a time. Source: Amazon SQS, "Visibility timeout": 12 hours from its receipt;
/// a minute is left for what happened since.
const LONGEST_DELAY: Duration = Duration::from_mins(12 * 60 - 1);

impl OutboundQueue {
    /// The queue of this URL. The dead-letter queue is the one of its redrive policy, unless its URL is given, which
    /// saves two calls in a cold start.
    pub async fn find(client: Client, url: String, dead_letter_url: Option<String>) -> Result<Self, QueueError> {
        let dead_letter_url = match dead_letter_url {
            Some(url) => url,
            None => redrive_target(&client, &url).await?,
        };
        Ok(Self { client, url, dead_letter_url })
    }

    /// Hides a message that was received, so that it comes again after a delay instead of at once.
    pub async fn come_again(&self, receipt_handle: &str, delay: Duration) -> Result<(), QueueError> {
        let seconds = i32::try_from(delay.min(LONGEST_DELAY).as_secs()).unwrap_or(i32::MAX);
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds)
            .send()
            .await
            .map_err(|error| QueueError::of_sdk("delaying a message of the outbound queue", error))?;
        Ok(())
    }

    /// Puts a copy of a message where a person looks, with the reason as the message attribute `reason`.
    pub async fn dead_letter(&self, body: &str, reason: &str) -> Result<(), QueueError> {
        let operation = "writing to the outbound dead-letter queue";
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(reason)
            .build()
            .map_err(|error| QueueError { operation, source: Box::new(error) })?;
        self.client
            .send_message()
            .queue_url(&self.dead_letter_url)
            .message_body(body)
            .message_attributes("reason", reason)
            .send()
            .await
            .map_err(|error| QueueError::of_sdk(operation, error))?;
        Ok(())
    }
}

async fn redrive_target(client: &Client, url: &str) -> Result<String, QueueError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RedrivePolicy {
        dead_letter_target_arn: String,
    }

    let operation = "finding the outbound dead-letter queue";
    let attributes = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await
        .map_err(|error| QueueError::of_sdk(operation, error))?;
    let policy = attributes.attributes().and_then(|found| found.get(&QueueAttributeName::RedrivePolicy));
    let policy: RedrivePolicy = serde_json::from_str(policy.map_or("null", String::as_str))
        .map_err(|error| QueueError { operation, source: Box::new(error) })?;
    let name = policy.dead_letter_target_arn.rsplit(':').next().unwrap_or_default();
    let found =
        client.get_queue_url().queue_name(name).send().await.map_err(|error| QueueError::of_sdk(operation, error))?;
    Ok(found.queue_url.unwrap_or_default())
}

/// The FIFO queue that events go out on.
#[derive(Debug, Clone)]
pub struct EventsQueue {
    client: Client,
    url: String,
}

/// A message of the events queue.
#[derive(Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The event as JSON.
    pub body: String,
    /// Events of one group come in their order.
    pub group: String,
    /// The same event, published again within five minutes, is dropped by the queue.
    pub deduplication_id: String,
}

/// What SQS takes in one batch. Source: Amazon SQS, "Message quotas": 10 messages, 1 MiB in all; the rest is left for what
/// SQS counts besides the bodies.
const BATCH_MESSAGES: usize = 10;
const BATCH_BYTES: usize = 1_000_000;

impl EventsQueue {
    /// The queue of this URL.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Publishes in order and stops at the first message that is not taken, so that no event overtakes an earlier one
    /// of its group. Gives how many were published.
    pub async fn publish(&self, messages: &[EventMessage]) -> (usize, Result<(), QueueError>) {
        let mut published = 0;
        for batch in batches(messages) {
            match self.publish_batch(batch).await {
                Ok(taken) if taken == batch.len() => published += taken,
                Ok(taken) => {
                    let source = "SQS refused a message of a batch".into();
                    return (published + taken, Err(QueueError { operation: "publishing events", source }));
                }
                Err(error) => return (published, Err(error)),
            }
        }
        (published, Ok(()))
    }

    /// Gives how many messages from the first one on were taken.
    async fn publish_batch(&self, batch: &[EventMessage]) -> Result<usize, QueueError> {
        let entries: Result<Vec<_>, _> = batch.iter().enumerate().map(entry).collect();
        let entries =
            entries.map_err(|source| QueueError { operation: "publishing events", source: Box::new(source) })?;
        let answer = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| QueueError::of_sdk("publishing events", error))?;
        let first_failed = answer.failed().iter().filter_map(|failed| failed.id().parse::<usize>().ok()).min();
        Ok(first_failed.unwrap_or(batch.len()))
    }
}

fn entry(
    (index, message): (usize, &EventMessage),
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&message.body)
        .message_group_id(&message.group)
        .message_deduplication_id(&message.deduplication_id)
        .build()
}

/// Cuts into batches that SQS takes and of which none holds two messages of one group: SQS may take a later message of a
/// batch and refuse an earlier one.
fn batches(messages: &[EventMessage]) -> Vec<&[EventMessage]> {
    let mut batches = Vec::new();
    let mut rest = messages;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |(index, message): &(usize, &EventMessage)| {
            bytes += message.body.len();
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
        EventMessage { body: "x".repeat(bytes), group: group.to_string(), deduplication_id: String::new() }
    }

    #[test]
    fn a_batch_ends_before_a_group_comes_again_and_before_it_is_too_large() {
        let sizes = |messages: &[EventMessage]| batches(messages).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[message(1, 1), message(2, 1), message(1, 1)]), [2, 1]);
        assert_eq!(sizes(&(0..12).map(|group| message(group, 1)).collect::<Vec<_>>()), [10, 2]);
        assert_eq!(sizes(&[message(1, 600_000), message(2, 600_000)]), [1, 1]);
        assert_eq!(sizes(&[message(1, 2_000_000)]), [1]);
        assert_eq!(sizes(&[]), [0_usize; 0]);
    }

    proptest! {
        #[test]
        fn batches_keep_every_message_in_its_order(groups in prop::collection::vec(0_u8..6, 0..40)) {
            let messages: Vec<_> = groups.into_iter().map(|group| message(group, 1)).collect();
            let joined: Vec<_> = batches(&messages).concat();
            prop_assert!(joined == messages);
        }
    }
}
