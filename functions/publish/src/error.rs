//! Why no event was made of a change.

use shared::queues::QueueError;
use stores::{dynamodb::StoreError, fault::AwsFault};
use twilio_webhook::inbound_message::InvalidForm;

use crate::record::UnreadableRecord;

/// A change of which no event was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    #[error(transparent)]
    Record(#[from] UnreadableRecord),
    #[error("a stored form cannot be read")]
    Form(#[from] InvalidForm),
    #[error("an event cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl EventError {
    /// Whether every retry would fail in the same way. The other failures end with time or with a permission.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Record(_) | Self::Form(_) | Self::Json(_) => true,
            Self::Store(error) => error.fault() == AwsFault::Invalid,
            Self::Queue(error) => error.fault() == AwsFault::Invalid,
        }
    }
}
