//! The outbound queues: notifications to be sent, and the dead-letter queue of those that cannot be.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    error::BuildError,
    types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry},
};
use jiff::Timestamp;
use serde::Deserialize;
use twilio_types::sid::AccountSid;

use super::{
    batch::{self, EntryFailure},
    body::{MessageBody, attribute_text},
    error::QueueError,
};

/// The queues from which the send function receives notifications, and their dead-letter queue.
#[derive(Debug, Clone)]
pub struct OutboundQueue {
    client: Client,
    url: String,
    bulk_url: Option<String>,
    dead_letter_url: String,
}

/// The two queues of notifications: other notifications do not wait behind marketing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The queue that other systems put notifications on.
    Front,
    /// The queue to which marketing is moved.
    Bulk,
}

/// Whether SQS accepted an entry of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnqueueOutcome {
    Accepted,
    Refused,
}

/// A notification to put on a queue.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// The notification's JSON.
    pub body: MessageBody,
    /// The message group: SQS is fair between groups. Source: Amazon SQS, "Fair queues".
    pub group: AccountSid,
    /// When it was first put on a queue: its own times are checked against this time.
    pub enqueued_at: Timestamp,
    /// How long SQS delays it, at most 15 minutes.
    pub delay: Duration,
}

/// The message attribute with the time at which a notification was first put on a queue, in milliseconds since 1970.
pub const ENQUEUED_AT: &str = "enqueued_at";

/// The longest visibility timeout. Source: Amazon SQS, "Visibility timeout": 12 hours from the message's receipt; a minute is
/// left for the time since then.
const MAX_VISIBILITY_TIMEOUT: Duration = Duration::from_mins(12 * 60 - 1);
/// The longest delay of a new message. Source: Amazon SQS, "Delay queues".
const MAX_DELAY: Duration = Duration::from_mins(15);

impl OutboundQueue {
    /// The queue of this URL. Without `dead_letter_url` its redrive policy names the dead-letter queue, which costs two calls
    /// at the cold start. Without `bulk_url` marketing stays on the first queue.
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

    /// The lane of a message, by the ARN of the queue from which it was received.
    pub fn lane(&self, event_source_arn: &str) -> Lane {
        let name = event_source_arn.rsplit(':').next().unwrap_or_default();
        let is_bulk = self.bulk_url.as_deref().is_some_and(|url| url.rsplit('/').next() == Some(name));
        if is_bulk { Lane::Bulk } else { Lane::Front }
    }

    /// Whether marketing has a separate queue.
    pub fn has_bulk_lane(&self) -> bool {
        self.bulk_url.is_some()
    }

    fn url_of(&self, lane: Lane) -> &str {
        match (lane, &self.bulk_url) {
            (Lane::Bulk, Some(url)) => url,
            _ => &self.url,
        }
    }

    /// Changes the visibility timeout of a received message, so that SQS delivers it again after `delay`.
    pub async fn change_visibility(&self, lane: Lane, receipt_handle: &str, delay: Duration) -> Result<(), QueueError> {
        let seconds = i32::try_from(delay.min(MAX_VISIBILITY_TIMEOUT).as_secs()).unwrap_or(i32::MAX);
        self.client
            .change_message_visibility()
            .queue_url(self.url_of(lane))
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds)
            .send()
            .await
            .map_err(|error| QueueError::of_sdk("changing the visibility of a message of an outbound queue", error))?;
        Ok(())
    }

    /// Puts notifications on a lane, at most ten. The result has one outcome for each entry, in their order.
    pub async fn enqueue(&self, lane: Lane, entries: &[QueueEntry]) -> Result<Vec<EnqueueOutcome>, QueueError> {
        let failures = put(&self.client, self.url_of(lane), entries).await?;
        Ok(outcomes(entries.len(), &failures))
    }

    /// Puts a copy of a message on the dead-letter queue, for the operator, with the reason as the message attribute `reason`
    /// and the time at which it was first put on a queue: an operator who puts it back does not make it newer.
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

/// The outbound queue, for a system that puts notifications on it.
#[derive(Debug, Clone)]
pub struct OutboundProducer {
    client: Client,
    url: String,
}

impl OutboundProducer {
    /// The queue of this URL.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Puts a notification on the queue.
    pub async fn enqueue(&self, entry: QueueEntry) -> Result<(), QueueError> {
        let failures = put(&self.client, &self.url, &[entry]).await?;
        failures.first().map_or(Ok(()), |failure| Err(failure.to_error(PUTTING)))
    }

    /// Puts notifications on the queue, at most ten, of at most 1 MB together. The result has one outcome for each entry, in
    /// their order.
    pub async fn enqueue_batch(&self, entries: &[QueueEntry]) -> Result<Vec<EnqueueOutcome>, QueueError> {
        let failures = put(&self.client, &self.url, entries).await?;
        Ok(outcomes(entries.len(), &failures))
    }
}

const PUTTING: &str = "putting notifications on an outbound queue";

async fn put(client: &Client, url: &str, entries: &[QueueEntry]) -> Result<Vec<EntryFailure>, QueueError> {
    let built: Result<Vec<_>, _> = entries.iter().enumerate().map(outbound_entry).collect();
    batch::send(client, url, PUTTING, built).await
}

fn outcomes(size: usize, failures: &[EntryFailure]) -> Vec<EnqueueOutcome> {
    let is_refused = |index| failures.iter().any(|failure| failure.index == index);
    let outcome = |index| if is_refused(index) { EnqueueOutcome::Refused } else { EnqueueOutcome::Accepted };
    (0..size).map(outcome).collect()
}

fn attribute(kind: &str, value: &str) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type(kind).string_value(value).build()
}

fn time_attribute(at: Timestamp) -> Result<MessageAttributeValue, BuildError> {
    attribute("Number", &at.as_millisecond().to_string())
}

fn outbound_entry((index, entry): (usize, &QueueEntry)) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let delay = entry.delay.min(MAX_DELAY).as_secs();
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
