//! The queues: notifications that wait, notifications that cannot be sent, events, and what can never be published.

use std::{error::Error, time::Duration};

use aws_sdk_sqs::{
    Client,
    error::{BuildError, ProvideErrorMetadata, SdkError},
    types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry},
};
use jiff::Timestamp;
use serde::Deserialize;
use stores::fault::Fault;
use twilio_types::sid::AccountSid;

mod batch;
mod body;
mod unpublished;

pub use batch::Publication;
pub use body::MessageBody;
pub use unpublished::UnpublishedQueue;

use batch::EntryFailure;
use body::attribute_text;

/// A queue did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct QueueError {
    operation: &'static str,
    fault: Fault,
    source: Box<dyn Error + Send + Sync>,
}

impl QueueError {
    fn new(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, fault: Fault::Unusable, source: source.into() }
    }

    fn of_sdk<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        Self { operation, fault: Fault::of(&error), source: Box::new(error) }
    }

    fn of_entry(operation: &'static str, failure: &EntryFailure) -> Self {
        let fault = if failure.is_permanent { Fault::Unusable } else { Fault::Unanswered };
        Self { operation, fault, source: failure.reason.as_str().into() }
    }

    /// Who has to act upon it.
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

/// The queues that notifications come on, and their dead-letter queue.
#[derive(Debug, Clone)]
pub struct OutboundQueue {
    client: Client,
    url: String,
    bulk_url: Option<String>,
    dead_letter_url: String,
}

/// The two ways for notifications: what is urgent does not wait behind marketing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The queue that other systems put notifications on.
    Front,
    /// The queue that marketing is moved to.
    Bulk,
}

/// A notification on its way onto a queue.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The notification's JSON.
    pub body: MessageBody,
    /// Whose turn it takes: queues are fair between groups. Source: Amazon SQS, "Fair queues".
    pub group: AccountSid,
    /// When it was put on a queue first, which its own times are judged by.
    pub enqueued_at: Timestamp,
    /// How long it stays hidden; SQS hides for 15 minutes at most.
    pub delay: Duration,
}

/// The message attribute with the time at which a notification was put on a queue first, in milliseconds since 1970.
pub const ENQUEUED_AT: &str = "enqueued_at";

/// The longest a message can be hidden at a time. Source: Amazon SQS, "Visibility timeout": 12 hours from its receipt;
/// a minute is left for what happened since.
const LONGEST_DELAY: Duration = Duration::from_mins(12 * 60 - 1);
/// The longest a message can be hidden from its sending on. Source: Amazon SQS, "Delay queues".
const LONGEST_FIRST_DELAY: Duration = Duration::from_mins(15);

impl OutboundQueue {
    /// The queue of this URL. The dead-letter queue is the one of its redrive policy, unless its URL is given, which
    /// saves two calls in a cold start. Without a bulk queue marketing stays where it is.
    pub async fn find(
        client: Client,
        url: String,
        bulk_url: Option<String>,
        dead_letter_url: Option<String>,
    ) -> Result<Self, QueueError> {
        let dead_letter_url = match dead_letter_url {
            Some(url) => url,
            None => redrive_target(&client, &url).await?,
        };
        Ok(Self { client, url, bulk_url, dead_letter_url })
    }

    /// The lane of a message, by the ARN of the queue it came on.
    pub fn lane(&self, event_source_arn: &str) -> Lane {
        let name = event_source_arn.rsplit(':').next().unwrap_or_default();
        let is_bulk = self.bulk_url.as_deref().is_some_and(|url| url.rsplit('/').next() == Some(name));
        if is_bulk { Lane::Bulk } else { Lane::Front }
    }

    /// Whether there is a lane of its own for marketing.
    pub fn has_bulk_lane(&self) -> bool {
        self.bulk_url.is_some()
    }

    fn url_of(&self, lane: Lane) -> &str {
        match (lane, &self.bulk_url) {
            (Lane::Bulk, Some(url)) => url,
            _ => &self.url,
        }
    }

    /// Hides a message that was received, so that it comes again after a delay instead of at once.
    pub async fn come_again(&self, lane: Lane, receipt_handle: &str, delay: Duration) -> Result<(), QueueError> {
        let seconds = i32::try_from(delay.min(LONGEST_DELAY).as_secs()).unwrap_or(i32::MAX);
        self.client
            .change_message_visibility()
            .queue_url(self.url_of(lane))
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds)
            .send()
            .await
            .map_err(|error| QueueError::of_sdk("delaying a message of the outbound queue", error))?;
        Ok(())
    }

    /// Puts notifications on a lane, at most ten. Gives for each whether it was taken.
    pub async fn enqueue(&self, lane: Lane, entries: &[Entry]) -> Result<Vec<bool>, QueueError> {
        let failures = put(&self.client, self.url_of(lane), entries).await?;
        Ok(accepted(entries.len(), &failures))
    }

    /// Puts a copy of a message where a person looks, with the reason as the message attribute `reason`. The time it was
    /// put on a queue first goes along: put back, it is not judged as if it were new.
    pub async fn dead_letter(&self, body: &str, reason: &str, enqueued_at: Timestamp) -> Result<(), QueueError> {
        let operation = "writing to the outbound dead-letter queue";
        let of_build = |error| QueueError::new(operation, error);
        self.client
            .send_message()
            .queue_url(&self.dead_letter_url)
            .message_body(MessageBody::json(body).as_str())
            .message_attributes("reason", attribute("String", &attribute_text(reason)).map_err(of_build)?)
            .message_attributes(ENQUEUED_AT, time_attribute(enqueued_at).map_err(of_build)?)
            .send()
            .await
            .map_err(|error| QueueError::of_sdk(operation, error))?;
        Ok(())
    }
}

/// The outbound queue for whoever puts notifications on it.
#[derive(Debug, Clone)]
pub struct OutboundDoor {
    client: Client,
    url: String,
}

impl OutboundDoor {
    /// The queue of this URL.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Puts a notification on the queue.
    pub async fn enqueue(&self, entry: Entry) -> Result<(), QueueError> {
        let failures = put(&self.client, &self.url, &[entry]).await?;
        failures.first().map_or(Ok(()), |failure| Err(QueueError::of_entry(PUTTING, failure)))
    }

    /// Puts notifications on the queue, at most ten of at most 1 MB in all. Gives for each whether it was taken.
    pub async fn enqueue_batch(&self, entries: &[Entry]) -> Result<Vec<bool>, QueueError> {
        let failures = put(&self.client, &self.url, entries).await?;
        Ok(accepted(entries.len(), &failures))
    }
}

const PUTTING: &str = "putting notifications on an outbound queue";

async fn put(client: &Client, url: &str, entries: &[Entry]) -> Result<Vec<EntryFailure>, QueueError> {
    let built: Result<Vec<_>, _> = entries.iter().enumerate().map(outbound_entry).collect();
    batch::send(client, url, PUTTING, built).await
}

/// Gives for each entry of a batch whether SQS accepted it.
fn accepted(size: usize, failures: &[EntryFailure]) -> Vec<bool> {
    (0..size).map(|index| !failures.iter().any(|failure| failure.index == index)).collect()
}

fn attribute(kind: &str, value: &str) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type(kind).string_value(value).build()
}

fn time_attribute(at: Timestamp) -> Result<MessageAttributeValue, BuildError> {
    attribute("Number", &at.as_millisecond().to_string())
}

fn outbound_entry((index, entry): (usize, &Entry)) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let delay = entry.delay.min(LONGEST_FIRST_DELAY).as_secs();
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(entry.body.as_str())
        .message_group_id(entry.group.as_str())
        .delay_seconds(i32::try_from(delay).unwrap_or_default())
        .message_attributes(ENQUEUED_AT, time_attribute(entry.enqueued_at)?)
        .build()
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
        .map_err(|error| QueueError::new(operation, error))?;
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
    pub body: MessageBody,
    /// Events of one group come in their order.
    pub group: String,
    /// The same event, published again within five minutes, is dropped by the queue.
    pub deduplication_id: String,
}

/// What SQS accepts in one batch. Source: Amazon SQS, "Message quotas": 10 messages, 1 MiB in all; the rest is left for
/// what SQS counts besides the bodies.
const BATCH_MESSAGES: usize = 10;
const BATCH_BYTES: usize = 1_000_000;
/// The longest message that SQS accepts. Source: Amazon SQS, "Message quotas".
const MESSAGE_BYTES: usize = 1_048_576;

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

const PUBLISHING: &str = "publishing events";

fn entry((index, message): (usize, &&EventMessage)) -> Result<SendMessageBatchRequestEntry, BuildError> {
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(message.body.as_str())
        .message_group_id(&message.group)
        .message_deduplication_id(&message.deduplication_id)
        .build()
}

/// Cuts into batches that SQS takes and of which none holds two messages of one group: SQS may take a later message of a
/// batch and refuse an earlier one.
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
    fn a_batch_ends_before_a_group_comes_again_and_before_it_is_too_large() {
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

    proptest! {
        #[test]
        fn batches_keep_every_message_in_its_order(groups in prop::collection::vec(0_u8..6, 0..40)) {
            let messages: Vec<_> = groups.into_iter().map(|group| message(group, 1)).collect();
            let messages: Vec<_> = messages.iter().collect();
            prop_assert!(batches(&messages).concat() == messages);
        }
    }
}
