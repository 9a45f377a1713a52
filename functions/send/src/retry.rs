//! A retry by an operator: a message that was a dead letter. Its notification is decided again, under its id.

use domain::progress::Reopening;
use jiff::Timestamp;
use stores::notifications::StoredNotification;

use crate::job::Job;

/// What is stored of a notification, as the decision about its message has to see it: if an operator retries it and it may be
/// sent again, it has not ended. That is stored with the decision.
pub(crate) fn reopened(job: &Job<'_>, mut stored: StoredNotification, now: Timestamp) -> StoredNotification {
    if job.message.retry_of.is_none() {
        return stored;
    }
    if stored.was_unreadable(job.message.body) {
        // It can be read now.
        stored.subject = job.subject();
    }
    if stored.subject.digest == job.digest {
        log(&stored, stored.progress.reopening());
        stored.reopen(now);
    }
    stored
}

fn log(stored: &StoredNotification, reopening: Reopening) {
    let notification_id = &stored.subject.id;
    if let Some(refusal) = reopening.refusal() {
        tracing::warn!(%notification_id, refusal, "the retry of a notification changes nothing");
    } else {
        tracing::info!(%notification_id, "a notification is retried by an operator");
    }
}

#[cfg(test)]
mod tests {
    use domain::{digest::sha256_hex, notification::Notification, progress::Outcome};
    use serde_json::json;
    use stores::notifications::ClaimState;

    use super::*;
    use crate::{
        job::tests::{body, candidate},
        queue_message::{QueueMessage, tests::message},
    };

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn retried(body: &str) -> QueueMessage<'_> {
        QueueMessage { retry_of: Some("given up"), ..message(body, now()) }
    }

    /// The state of a notification that ended, when this message of it comes.
    fn state(message: &QueueMessage<'_>, end: impl FnOnce(&mut StoredNotification)) -> ClaimState {
        let candidate = candidate(message, "{}");
        let (job, mut stored) = (candidate.job, candidate.stored);
        stored.expires_at = now().as_second() + 60;
        stored.progress.end(Outcome::Rejected, "given up".to_owned());
        end(&mut stored);
        ClaimState::of(Some(reopened(&job, stored, now())), &job.digest, now())
    }

    #[test]
    fn rejected_notification_is_claimable_by_a_retry_alone() {
        let body = body(&json!({}));
        assert!(matches!(state(&retried(&body), |_| {}), ClaimState::Claimable(_)));
        assert!(matches!(state(&message(&body, now()), |_| {}), ClaimState::Finished(_)), "SQS delivered it twice");
    }

    #[test]
    fn suppressed_notification_stays_suppressed() {
        let suppress = |stored: &mut StoredNotification| stored.progress.end(Outcome::Suppressed, "STOP".to_owned());
        assert!(matches!(state(&retried(&body(&json!({}))), suppress), ClaimState::Finished(_)));
    }

    #[test]
    fn retry_with_other_content_is_a_reused_id() {
        let other = |stored: &mut StoredNotification| stored.subject.digest = "other".to_owned();
        assert!(matches!(state(&retried(&body(&json!({}))), other), ClaimState::IdReused));
    }

    #[test]
    fn notification_that_can_be_read_now_gets_its_request() {
        let body = body(&json!({}));
        let unreadable = |stored: &mut StoredNotification| {
            (stored.subject.recipient, stored.subject.request) = (None, None);
            stored.subject.digest = sha256_hex(body.as_bytes());
        };
        let ClaimState::Claimable(stored) = state(&retried(&body), unreadable) else { panic!() };
        assert_eq!(stored.notification(), Notification::parse(&body).ok());
    }
}
