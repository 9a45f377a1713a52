//! The queues of notifications to be sent: one for each lane.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    error::BuildError,
    types::{MessageAttributeValue, SendMessageBatchRequestEntry},
};
use domain::lane::Lane;
use jiff::Timestamp;
use twilio_types::sid::AccountSid;

use super::{
    batch::{self, EntryFailure},
    body::{MessageBody, attribute_text},
    dead_letters::REASON,
    error::QueueError,
    reference::NotificationReference,
};
use crate::{
    env::{self, EnvError},
    report::Chain,
};

/// The URLs of the queues. Where a lane has no queue, its notifications are on the outbound queue.
#[derive(Debug, Clone)]
pub struct LaneUrls {
    /// The outbound queue: whatever another system puts on it is moved to its lane.
    pub standard: String,
    pub urgent: Option<String>,
    pub marketing: Option<String>,
}

impl LaneUrls {
    /// Reads `OUTBOUND_QUEUE_URL`, and `URGENT_QUEUE_URL` and `MARKETING_QUEUE_URL`, which are optional.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            standard: env::required("OUTBOUND_QUEUE_URL")?,
            urgent: env::optional("URGENT_QUEUE_URL"),
            marketing: env::optional("MARKETING_QUEUE_URL"),
        })
    }

    /// The queue of a lane.
    pub fn of(&self, lane: Lane) -> &str {
        let own = match lane {
            Lane::Urgent => self.urgent.as_deref(),
            Lane::Standard => None,
            Lane::Marketing => self.marketing.as_deref(),
        };
        own.unwrap_or(&self.standard)
    }

    /// The lane of the queue with this ARN, whose last part is the queue's name, as that of its URL is.
    fn lane(&self, queue_arn: &str) -> Lane {
        let name = queue_arn.rsplit(':').next();
        let is_named = |url: &str| url.rsplit('/').next() == name;
        let has_queue = |lane: &Lane| *lane != Lane::Standard && self.of(*lane) != self.standard;
        Lane::ALL.into_iter().filter(has_queue).find(|lane| is_named(self.of(*lane))).unwrap_or(Lane::Standard)
    }
}

/// The queues of the lanes.
#[derive(Debug, Clone)]
pub struct LaneQueues {
    client: Client,
    urls: LaneUrls,
}

/// Whether SQS accepted an entry of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnqueueOutcome {
    Accepted,
    Refused,
}

/// A message to put on a queue.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueEntry {
    pub body: MessageBody,
    /// The message group: SQS is fair between groups. Source: Amazon SQS, "Fair queues".
    pub group: AccountSid,
    /// When a notification was first put on a queue: its own times are checked against this time. None for a reference,
    /// because the stored notification has it.
    pub enqueued_at: Option<Timestamp>,
    /// How many messages in a row the writer has sent to itself, with this one; a reference has it in its body.
    pub hops: u8,
    /// Why it was a dead letter, if an operator retries it.
    pub reason: Option<String>,
    /// How long SQS delays it, at most 15 minutes.
    pub delay: Duration,
}

impl QueueEntry {
    /// A message that names a stored notification.
    pub fn of_reference(reference: &NotificationReference, delay: Duration) -> Self {
        Self {
            body: reference.body(),
            group: reference.account_sid.clone(),
            enqueued_at: None,
            hops: 0,
            reason: None,
            delay,
        }
    }
}

/// The message attribute with the time at which a notification was first put on a queue, in milliseconds since 1970.
pub const ENQUEUED_AT: &str = "enqueued_at";

/// The message attribute with [`QueueEntry::hops`]; none for 0.
pub const HOPS: &str = "hops";

/// The longest visibility timeout. Source: Amazon SQS, "Visibility timeout": 12 hours from the message's receipt; a minute is
/// left for the time since then.
const MAX_VISIBILITY_TIMEOUT: Duration = Duration::from_mins(12 * 60 - 1);
/// The longest delay of a new message. Source: Amazon SQS, "Delay queues".
const MAX_DELAY: Duration = Duration::from_mins(15);

const PUTTING: &str = "putting notifications on an outbound queue";

impl LaneQueues {
    pub fn new(client: Client, urls: LaneUrls) -> Self {
        Self { client, urls }
    }

    /// The lane of the queue with this ARN.
    pub fn lane(&self, queue_arn: &str) -> Lane {
        self.urls.lane(queue_arn)
    }

    /// Whether notifications of a lane that are on the queue of another one have to be moved.
    pub fn has_separate_queues(&self, lane: Lane, other: Lane) -> bool {
        self.urls.of(lane) != self.urls.of(other)
    }

    /// Changes the visibility timeout of a received message, so that SQS delivers it again after `delay`. Meanwhile it is in
    /// flight, of which a queue has a limit, so this is for short pauses.
    pub async fn change_visibility(&self, lane: Lane, receipt_handle: &str, delay: Duration) -> Result<(), QueueError> {
        let seconds = i32::try_from(delay.min(MAX_VISIBILITY_TIMEOUT).as_secs()).unwrap_or(i32::MAX);
        self.client
            .change_message_visibility()
            .queue_url(self.urls.of(lane))
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds)
            .send()
            .await
            .map_err(|error| QueueError::of_sdk("changing the visibility of a message of an outbound queue", error))?;
        Ok(())
    }

    /// Puts messages on the queue of a lane. The result has one outcome for each entry, in their order; an error means that
    /// SQS accepted none of them.
    pub async fn enqueue(&self, lane: Lane, entries: &[QueueEntry]) -> Result<Vec<EnqueueOutcome>, QueueError> {
        let mut all = Vec::with_capacity(entries.len());
        for batch in batch::divide(entries, |entry| entry.body.as_str().len()) {
            match self.put(lane, batch).await {
                Ok(failures) => all.extend(outcomes(batch.len(), &failures)),
                Err(error) if all.is_empty() => return Err(error),
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "a part of some notifications was not put on their queue");
                    break;
                }
            }
        }
        all.resize(entries.len(), EnqueueOutcome::Refused);
        Ok(all)
    }

    /// Puts messages on the queue of a lane. An error means that SQS did not accept one of them; others may be on the queue.
    pub async fn enqueue_all(&self, lane: Lane, entries: &[QueueEntry]) -> Result<(), QueueError> {
        for batch in batch::divide(entries, |entry| entry.body.as_str().len()) {
            if let Some(failure) = self.put(lane, batch).await?.first() {
                return Err(failure.to_error(PUTTING));
            }
        }
        Ok(())
    }

    /// Puts one message on the queue of a lane.
    pub async fn enqueue_one(&self, lane: Lane, entry: QueueEntry) -> Result<(), QueueError> {
        self.enqueue_all(lane, &[entry]).await
    }

    async fn put(&self, lane: Lane, entries: &[QueueEntry]) -> Result<Vec<EntryFailure>, QueueError> {
        let built: Result<Vec<_>, _> = entries.iter().enumerate().map(outbound_entry).collect();
        batch::send(&self.client, self.urls.of(lane), PUTTING, built).await
    }
}

fn outcomes(size: usize, failures: &[EntryFailure]) -> Vec<EnqueueOutcome> {
    let is_refused = |index| failures.iter().any(|failure| failure.index == index);
    let outcome = |index| if is_refused(index) { EnqueueOutcome::Refused } else { EnqueueOutcome::Accepted };
    (0..size).map(outcome).collect()
}

pub(super) fn attribute(kind: &str, value: &str) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type(kind).string_value(value).build()
}

pub(super) fn time_attribute(at: Timestamp) -> Result<MessageAttributeValue, BuildError> {
    attribute("Number", &at.as_millisecond().to_string())
}

fn outbound_entry((index, entry): (usize, &QueueEntry)) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let delay = entry.delay.min(MAX_DELAY).as_secs();
    let built = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(entry.body.as_str())
        .message_group_id(entry.group.as_str())
        .delay_seconds(i32::try_from(delay).unwrap_or_default());
    let built = match entry.enqueued_at {
        Some(at) => built.message_attributes(ENQUEUED_AT, time_attribute(at)?),
        None => built,
    };
    let built = match &entry.reason {
        Some(reason) => built.message_attributes(REASON, attribute("String", &attribute_text(reason))?),
        None => built,
    };
    let built = match entry.hops {
        0 => built,
        hops => built.message_attributes(HOPS, attribute("Number", &hops.to_string())?),
    };
    built.build()
}

#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/wa-";
    const ARN: &str = "arn:aws:sqs:us-east-1:123456789012:wa-";

    fn urls(lanes: &[&str]) -> LaneUrls {
        let url = |name: &str| lanes.contains(&name).then(|| format!("{QUEUE}{name}"));
        LaneUrls { standard: format!("{QUEUE}Outbound"), urgent: url("Urgent"), marketing: url("Marketing") }
    }

    #[test]
    fn a_lane_is_known_by_its_queue() {
        let urls = urls(&["Urgent", "Marketing"]);
        for (name, lane) in [("Outbound", Lane::Standard), ("Urgent", Lane::Urgent), ("Marketing", Lane::Marketing)] {
            assert_eq!(urls.lane(&format!("{ARN}{name}")), lane);
            assert_eq!(urls.of(lane), format!("{QUEUE}{name}"));
        }
        assert_eq!(urls.lane(""), Lane::Standard, "an event that was made by hand");
    }

    #[test]
    fn a_lane_without_a_queue_is_on_the_outbound_queue() {
        let urls = urls(&[]);
        assert!(Lane::ALL.iter().all(|lane| urls.of(*lane) == urls.standard));
        assert_eq!(urls.lane(&format!("{ARN}Outbound")), Lane::Standard);
    }
}
