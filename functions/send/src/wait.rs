//! A notification that is not sent now waits in its item, and its queue message is done with ([`domain::waiting`] describes
//! how it comes back). First the item is written, then its next message is put on the queue, and the message at hand is
//! deleted last: wherever the function stops, the notification comes again.

use std::time::Duration;

use domain::{
    pause::PauseScope,
    waiting::{self, WaitReason},
};
use jiff::Timestamp;
use shared::{
    queues::{LaneQueues, NotificationReference, QueueEntry},
    report::Chain,
};
use stores::notifications::{Due, NotificationWrite, Notifications, StoredNotification};

use crate::{
    job::{Candidate, Job},
    next::{Next, SendError},
};

/// For what a notification waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) until: Timestamp,
    pub(crate) reason: WaitReason,
    /// What a pause has to cover to cover the notification when it goes on, as far as that is known.
    pub(crate) scopes: Vec<PauseScope>,
}

/// Makes notifications wait.
#[derive(Debug, Clone)]
pub(crate) struct Waiter {
    pub(crate) notifications: Notifications,
    pub(crate) queues: LaneQueues,
}

impl Waiter {
    /// Lets a notification wait, at most until it expires, when the expiry is written down.
    pub(crate) async fn wait(&self, candidate: Candidate<'_>, wait: Wait, now: Timestamp) -> Result<Next, SendError> {
        let ends_at = candidate.ends_at();
        let Candidate { job, mut stored, seen, .. } = candidate;
        let Wait { until, reason, scopes } = wait;
        let before = stored.due.clone();
        if !reason.keeps_stored_reason() {
            stored.progress.wait(reason.to_string());
        }
        // A lookup is not for sending, and goes on after the notification has expired.
        let ends_at = ends_at.filter(|_| reason != WaitReason::Lookup);
        stored.wait_until(ends_at.map_or(until, |ends_at| until.min(ends_at)), reason, scopes, now);
        let delay = stored.hand_over(job.message.hops, now);
        if !job.message.is_redelivered() && is_handed_over(before.as_ref(), stored.due.as_ref()) {
            return Ok(Next::Done);
        }
        match self.notifications.put(seen, &stored, now).await? {
            NotificationWrite::Written => {
                tracing::info!(
                    notification_id = %job.notification.id,
                    waits_for = reason.as_str(),
                    due_at = stored.due.as_ref().map(|due| tracing::field::display(due.at)),
                    "a notification waits"
                );
                Ok(self.come_back(&job, delay).await)
            }
            NotificationWrite::Changed(_) => Ok(Next::SOON),
        }
    }

    /// Puts a message of a stored notification on the queue of its lane, if it has a delay. If SQS does not accept it, the
    /// message at hand comes back instead.
    pub(crate) async fn come_back(&self, job: &Job<'_>, delay: Option<Duration>) -> Next {
        let Some(delay) = delay else { return Next::Done };
        let reference = NotificationReference {
            account_sid: job.account_sid.clone(),
            id: job.notification.id.clone(),
            hops: job.message.hops.saturating_add(1),
        };
        match self.queues.enqueue_one(job.lane(), QueueEntry::of_reference(&reference, delay)).await {
            Ok(()) => Next::Done,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "a waiting notification was not put on its queue again");
                Next::Again(delay.max(Duration::from_secs(1)))
            }
        }
    }
}

/// Whether a notification waits for a planned time for which another message follows.
pub(crate) fn is_early(stored: &StoredNotification, now: Timestamp) -> bool {
    stored.due.as_ref().is_some_and(|due| waiting::is_early(due.at, due.reason, now))
}

/// Whether a notification waits as it did before, so that a duplicate of its message changes nothing: it comes back by what
/// was written then. A time that was moved on is written again.
fn is_handed_over(before: Option<&Due>, after: Option<&Due>) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return false };
    before.reason == after.reason && before.scopes == after.scopes && before.at <= after.at && {
        after.reason == WaitReason::Pause || before.at == after.at
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::{
        job::tests::{body, candidate},
        queue_message::{
            QueueMessage,
            tests::{message, queues},
        },
    };

    fn due(seconds: i64, reason: WaitReason) -> Due {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let scopes = vec!["category#utility".parse().unwrap()];
        Due { at: now + SignedDuration::from_secs(seconds), reason, since: now, scopes }
    }

    /// A stage whose table cannot be reached.
    fn waiter() -> Waiter {
        let config = aws_sdk_dynamodb::Config::builder().behavior_version(BehaviorVersion::latest());
        let client = aws_sdk_dynamodb::Client::from_conf(config.region(Region::new("us-east-1")).build());
        Waiter { notifications: Notifications::new(client, "Notifications".to_owned()), queues: queues() }
    }

    /// The function stopped after it had written the item, and before it put the next message on the queue.
    #[tokio::test]
    async fn redelivered_message_of_a_waiting_notification_is_put_again() {
        let now = Timestamp::now();
        let body = body(&json!({}));
        let until = now + SignedDuration::from_mins(5);
        let result_of = async |receives| {
            let message = QueueMessage { receives, ..message(&body, now) };
            let mut candidate = candidate(&message, "{}");
            candidate.stored.wait_until(until, WaitReason::SendAt, Vec::new(), now);
            let _ = candidate.stored.hand_over(0, now);
            let wait = Wait { until, reason: WaitReason::SendAt, scopes: Vec::new() };
            waiter().wait(candidate, wait, now).await
        };
        assert!(matches!(result_of(1).await, Ok(Next::Done)), "a duplicate");
        assert!(matches!(result_of(2).await, Err(SendError::Store(_))), "it writes the item again");
    }

    #[test]
    fn duplicate_does_not_get_a_second_planned_time() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let body = body(&json!({}));
        let message = message(&body, now);
        let mut stored = candidate(&message, "{}").stored;
        assert!(!is_early(&stored, now), "nothing is planned");
        stored.wait_until(now + SignedDuration::from_mins(5), WaitReason::Slot, Vec::new(), now);
        let _ = stored.hand_over(0, now);
        assert!(is_early(&stored, now));
        assert!(!is_early(&stored, now + SignedDuration::from_mins(5)));
    }

    #[test]
    fn duplicate_of_a_waiting_notifications_message_changes_nothing() {
        for (before, after, expected) in [
            (None, due(0, WaitReason::SendAt), false),
            (Some(due(900, WaitReason::SendAt)), due(900, WaitReason::SendAt), true),
            (Some(due(800, WaitReason::SendAt)), due(900, WaitReason::SendAt), false),
            (Some(due(900, WaitReason::Slot)), due(900, WaitReason::Retry), false),
            (Some(due(0, WaitReason::Pause)), due(60, WaitReason::Pause), true),
            (Some(due(900, WaitReason::Pause)), due(60, WaitReason::Pause), false),
        ] {
            assert_eq!(is_handed_over(before.as_ref(), Some(&after)), expected, "{before:?} {after:?}");
        }
        let other_scope = Due { scopes: Vec::new(), ..due(0, WaitReason::Pause) };
        assert!(!is_handed_over(Some(&other_scope), Some(&due(60, WaitReason::Pause))));
    }
}
