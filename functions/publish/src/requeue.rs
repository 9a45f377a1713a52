//! A stored notification, to be put on the outbound queue once more. Twice does no harm, because only one claim of a step
//! succeeds.

use std::time::Duration;

use shared::queues::{MessageBody, QueueEntry};
use stores::notifications::StoredNotification;

/// None if the notification could not be read when it arrived. Its own times are checked against the time at which it was
/// first put on a queue, so that time is kept.
pub(crate) fn queue_entry(stored: &StoredNotification, delay: Duration) -> Option<QueueEntry> {
    let request = stored.subject.request.as_deref()?;
    Some(QueueEntry {
        body: MessageBody::json(request),
        group: stored.subject.account_sid.clone(),
        enqueued_at: stored.enqueued_at,
        delay,
    })
}
