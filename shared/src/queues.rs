//! The SQS queues: notifications to be sent, events, what can never be published, files to be stored, and webhooks that are
//! stored later.

mod batch;
mod body;
mod dead_letters;
mod error;
mod events;
pub(crate) mod format;
mod media;
mod outbound;
mod reference;
mod spool;
mod unpublished;

pub use batch::Publication;
pub use body::MessageBody;
pub use dead_letters::{DeadLetterQueue, REASON};
pub use error::QueueError;
pub use events::{EventMessage, EventsQueue, fifo_id};
pub use format::UnreadableBody;
pub use media::{MediaQueue, MediaReference};
pub use outbound::{ENQUEUED_AT, EnqueueOutcome, HOPS, LaneQueues, LaneUrls, QueueEntry};
pub use reference::NotificationReference;
pub use spool::{MessageRetry, SpoolQueue};
pub use unpublished::{NOTE_FORMAT, UnpublishedQueue, read_note};

/// What SQS accepts in one batch. Source: Amazon SQS, "Message quotas": 10 messages, 1 MiB in all; the rest is left for
/// what SQS counts besides the bodies.
pub const BATCH_MESSAGES: usize = 10;
const BATCH_BYTES: usize = 1_000_000;
/// The longest message that SQS accepts. Source: Amazon SQS, "Message quotas".
pub(crate) const MESSAGE_BYTES: usize = 1_048_576;

/// What an error of publishing says was being done.
const PUBLISHING: &str = "publishing events";
