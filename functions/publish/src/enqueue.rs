//! A stored notification that goes on now is put on the queue of its lane. Twice does no harm, because only one claim of a
//! step succeeds.

use std::time::Duration;

use domain::lane::Lane;
use shared::queues::{LaneQueues, NotificationReference, QueueEntry, QueueError};
use stores::notifications::StoredNotification;

/// Puts a reference to the notification on the queue of its lane. It begins a chain of messages.
pub(crate) async fn enqueue(
    queues: &LaneQueues,
    stored: &StoredNotification,
    delay: Duration,
) -> Result<(), QueueError> {
    let subject = &stored.subject;
    let lane = subject.category.map_or(Lane::Standard, Lane::of);
    let reference = NotificationReference { account_sid: subject.account_sid.clone(), id: subject.id.clone(), hops: 0 };
    queues.enqueue_one(lane, QueueEntry::of_reference(&reference, delay)).await
}
