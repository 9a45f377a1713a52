//! What becomes of a queue message after this invocation.

use std::time::Duration;

use domain::{
    policy::REPLY_WITHIN,
    progress::{Phase, Progress},
};
use jiff::Timestamp;
use shared::queues::QueueError;
use stores::{dynamodb::StoreError, notifications::StoredNotification};

use crate::queue_message::QueueMessage;

/// What becomes of a queue message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing is left to do for it: it is deleted.
    Done,
    /// It comes again after this time.
    Again(Duration),
}

/// A queue message whose work in this invocation has ended.
pub(crate) struct Ended<'a> {
    pub(crate) message: &'a QueueMessage<'a>,
    pub(crate) next: Next,
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

    /// The message comes again at this time, and not before the next second.
    pub(crate) fn at(at: Timestamp, now: Timestamp) -> Self {
        let delay = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        Self::Again(delay.max(Duration::from_secs(1)))
    }

    /// A lease ends at this time. What comes back to it finds it ended.
    pub(crate) fn after_lease(until: Timestamp, now: Timestamp) -> Self {
        Self::at(until.saturating_add(Duration::from_secs(1)).unwrap_or(until), now)
    }

    /// When the message of a notification comes again, by what is stored of it. `ends_at` is when the notification expires.
    pub(crate) fn of(stored: &StoredNotification, ends_at: Option<Timestamp>, now: Timestamp) -> Self {
        match stored.progress.phase {
            Phase::Ready { not_before, .. } => Self::at(not_before.unwrap_or(now), now),
            Phase::Claimed => Self::after_lease(stored.lease.as_ref().map_or(now, |lease| lease.until), now),
            // An answer brings it back earlier: publish puts a copy on the queue.
            Phase::AwaitingReply => Self::at(ends_at.unwrap_or_else(|| reply_by(&stored.progress, now)), now),
            Phase::Accepted | Phase::Unknown | Phase::Ended => Self::Done,
        }
    }
}

fn reply_by(progress: &Progress, now: Timestamp) -> Timestamp {
    let asked_at = progress.last().map_or(now, |attempt| attempt.claimed_at);
    asked_at.saturating_add(REPLY_WITHIN).unwrap_or(Timestamp::MAX)
}

/// Separates the notifications that go on from those whose work has ended.
pub(crate) fn continuing<'a, T>(ended: &mut Vec<Ended<'a>>, steps: Vec<Step<'a, T>>) -> Vec<T> {
    let keep = |step: Step<'a, T>| step.map_err(|end| ended.push(end)).ok();
    steps.into_iter().filter_map(keep).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::{
        notification::{FallbackChannel, NotificationId},
        progress::{Outcome, Purpose, Step as ProgressStep},
    };
    use jiff::SignedDuration;
    use stores::notifications::{Lease, LeaseId, Subject};

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        now() + SignedDuration::from_secs(seconds)
    }

    fn stored(phase: Phase) -> StoredNotification {
        let subject = Subject {
            account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
            id: NotificationId::try_from("order-1".to_owned()).unwrap(),
            digest: String::new(),
            recipient: None,
            category: None,
            metadata: BTreeMap::new(),
            request: None,
        };
        let mut stored = StoredNotification::new(subject, now());
        let step = ProgressStep { option: 0, purpose: Purpose::AskForReply };
        stored.progress.claim(step, FallbackChannel::WhatsApp, now());
        stored.progress.phase = phase;
        stored.lease = Some(Lease { id: LeaseId::random(), until: after(60), resolvable_at: after(600) });
        stored
    }

    #[test]
    fn message_comes_again_when_its_notification_can_go_on() {
        let step = ProgressStep { option: 0, purpose: Purpose::Deliver };
        let seconds = |seconds| Next::Again(Duration::from_secs(seconds));
        for (phase, ends_at, expected) in [
            (Phase::Ready { step, not_before: None }, None, Next::SOON),
            (Phase::Ready { step, not_before: Some(after(900)) }, None, seconds(900)),
            (Phase::Claimed, None, seconds(61)),
            (Phase::AwaitingReply, Some(after(3_600)), seconds(3_600)),
            (Phase::AwaitingReply, None, seconds(7 * 24 * 3_600)),
            (Phase::Accepted, None, Next::Done),
            (Phase::Unknown, None, Next::Done),
            (Phase::Ended, None, Next::Done),
        ] {
            assert_eq!(Next::of(&stored(phase), ends_at, now()), expected, "{phase:?}");
        }
        let mut ended = stored(Phase::Claimed);
        ended.progress.end(Outcome::Suppressed, "the recipient has opted out".to_owned());
        assert_eq!(Next::of(&ended, None, now()), Next::Done);
    }

    #[test]
    fn message_never_comes_again_within_the_same_second() {
        assert_eq!(Next::at(after(-5), now()), Next::SOON, "a past time");
    }
}
