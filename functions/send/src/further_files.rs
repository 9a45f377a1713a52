//! The notifications of further files. A WhatsApp message has one file, so a notification with several sends the first one, and
//! each further file is sent by another notification with its own id ([`domain::notification`]).
//!
//! They are put on the queue of their lane before anything of the first one is written, and again whenever its message is
//! delivered again and it was not claimed before. So a process may stop at any moment: either SQS delivers the first one again,
//! or all are on the queue. One that is on the queue twice is sent once, because it is claimed under its id.
//!
//! Nothing is put on the queue for an id that belongs to another notification: that one is rejected as a whole.

use std::time::Duration;

use domain::notification::FurtherNotification;
use shared::queues::{LaneQueues, MessageBody, QueueEntry, QueueError};

use crate::job::{Candidate, Job};

/// Puts the notifications of further files on the queue.
#[derive(Debug)]
pub(crate) struct FurtherFiles {
    pub(crate) queues: LaneQueues,
}

impl FurtherFiles {
    /// Sees to it that all further files of a notification are on the queue. An error means that some may not be: then the first
    /// one is not sent now either.
    pub(crate) async fn enqueue(&self, candidate: &Candidate<'_>) -> Result<(), QueueError> {
        let entries = entries(candidate);
        if entries.is_empty() {
            return Ok(());
        }
        let job = &candidate.job;
        self.queues.enqueue_all(job.lane(), &entries).await?;
        let count = entries.len();
        tracing::info!(notification_id = %job.notification.id, count, "the further files of a notification are on the queue");
        Ok(())
    }
}

fn entries(candidate: &Candidate<'_>) -> Vec<QueueEntry> {
    let Candidate { job, stored, .. } = candidate;
    // A message that names the notification comes after it was stored, and so does one after a claim.
    if job.message.is_reference() || !stored.progress.attempts.is_empty() {
        return Vec::new();
    }
    (1..).zip(job.notification.further()).map(|(seconds, further)| entry(job, &further, seconds)).collect()
}

/// WhatsApp promises no order of messages. A second between two makes it likely that they arrive in the order of the files.
fn entry(job: &Job<'_>, further: &FurtherNotification, seconds: u64) -> QueueEntry {
    QueueEntry {
        body: MessageBody::json(&*further.request),
        group: job.account_sid.clone(),
        // Its times are checked against the same time as those of the first one.
        enqueued_at: Some(job.enqueued_at),
        hops: job.message.hops.saturating_add(1),
        // An operator who retries the first one does not retry the others, which have their own dead letters.
        reason: None,
        delay: Duration::from_secs(seconds),
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        notification::{FallbackChannel, Notification},
        progress::{Purpose, Step},
    };
    use jiff::Timestamp;
    use serde_json::json;
    use shared::queues::NotificationReference;

    use super::*;
    use crate::{
        job::tests::{body, candidate},
        queue_message::{QueueMessage, tests::message},
    };

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn three_files() -> String {
        let files = ["a", "b", "c"].map(|key| json!({"key": key}));
        body(&json!({"content": {"type": "media", "media": files, "body": "Look", "one_message_per_file": true}}))
    }

    #[test]
    fn further_file_has_the_age_and_the_chain_of_the_first() {
        let body = three_files();
        let message = QueueMessage { hops: 2, retry_of: Some("given up"), ..message(&body, now()) };
        let entries = entries(&candidate(&message, "{}"));
        let ids: Vec<_> =
            entries.iter().map(|entry| Notification::parse(entry.body.as_str()).unwrap().id.to_string()).collect();
        assert_eq!(ids, ["order-1/2", "order-1/3"]);
        for (seconds, entry) in (1..).zip(&entries) {
            assert_eq!((entry.hops, entry.enqueued_at, &entry.reason), (3, Some(now()), &None));
            assert_eq!(entry.delay, Duration::from_secs(seconds));
        }
    }

    #[test]
    fn further_files_are_queued_until_the_first_is_claimed() {
        let body = three_files();
        let message = message(&body, now());
        let mut claimed = candidate(&message, "{}");
        assert_eq!(entries(&claimed).len(), 2, "SQS may deliver the message again");
        let step = Step { option: 0, purpose: Purpose::Deliver };
        claimed.stored.progress.claim(step, FallbackChannel::WhatsApp, now());
        assert!(entries(&claimed).is_empty());
        let id = claimed.job.notification.id.clone();
        let reference = NotificationReference { account_sid: claimed.job.account_sid, id, hops: 0 };
        let named =
            QueueMessage { reference: Ok(Some(reference)), ..crate::queue_message::tests::message(&body, now()) };
        assert!(entries(&candidate(&named, "{}")).is_empty(), "it was stored, and the others were on the queue before");
    }
}
