//! The error of all queues.

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use stores::fault::AwsFault;

/// A request to a queue failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct QueueError {
    operation: &'static str,
    fault: AwsFault,
    source: Box<dyn Error + Send + Sync>,
}

impl QueueError {
    pub(super) fn new(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, fault: AwsFault::Invalid, source: source.into() }
    }

    pub(super) fn of_sdk<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        Self { operation, fault: AwsFault::of(&error), source: Box::new(error) }
    }

    /// An entry of a batch that SQS did not accept.
    pub(super) fn of_entry(operation: &'static str, fault: AwsFault, reason: &str) -> Self {
        Self { operation, fault, source: reason.into() }
    }

    /// Who has to act.
    pub fn fault(&self) -> AwsFault {
        self.fault
    }
}
