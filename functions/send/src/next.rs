//! What becomes of a queue message after this invocation.

use std::time::Duration;

use jiff::Timestamp;
use shared::{queues::QueueError, templates::RegistryError};
use stores::dynamodb::StoreError;
use tracing::Span;

use crate::queue_message::QueueMessage;

/// What becomes of a queue message. A notification that waits for a time does not wait in its message ([`crate::wait`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing is left to do for it: it is deleted.
    Done,
    /// It comes again after this time: something of ours failed, or another function works on the notification.
    Again(Duration),
    /// It has failed too often, at last for this reason: it becomes a dead letter.
    GiveUp(String),
}

/// A queue message whose work in this invocation has ended.
pub(crate) struct Ended<'a> {
    pub(crate) message: &'a QueueMessage<'a>,
    pub(crate) next: Next,
    /// In which the work ended: that of its notification, where that is known.
    pub(crate) span: Span,
}

/// A stage gives a notification to the next one, or ends the work on its message.
pub(crate) type Step<'a, T> = Result<T, Ended<'a>>;

/// Why the work on a notification stops.
#[derive(Debug)]
pub(crate) enum Stop {
    Next(Next),
    Failed(SendError),
}

/// Our own state or queue did not answer. It passes by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<Next> for Stop {
    fn from(next: Next) -> Self {
        Self::Next(next)
    }
}

impl<E: Into<SendError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Next {
    /// The notification has changed, and is decided about again at once. SQS counts in seconds.
    pub(crate) const SOON: Self = Self::Again(Duration::from_secs(1));

    /// A lease ends at this time. What comes back to it finds it ended.
    pub(crate) fn after_lease(until: Timestamp, now: Timestamp) -> Self {
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        Self::Again(left + Duration::from_secs(1))
    }
}

/// Separates the notifications that go on from those whose work has ended.
pub(crate) fn continuing<'a, T>(ended: &mut Vec<Ended<'a>>, steps: Vec<Step<'a, T>>) -> Vec<T> {
    let keep = |step: Step<'a, T>| step.map_err(|end| ended.push(end)).ok();
    steps.into_iter().filter_map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_comes_back_when_the_lease_has_ended() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let until = now + jiff::SignedDuration::from_secs(60);
        assert_eq!(Next::after_lease(until, now), Next::Again(Duration::from_secs(61)));
        assert_eq!(Next::after_lease(now, until), Next::SOON, "it has ended");
    }
}
