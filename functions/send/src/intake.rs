//! The first stage: from a queue message to a notification, or to the name of a stored one.

use std::collections::BTreeMap;

use domain::{
    digest::sha256_hex,
    notification::{InvalidNotification, Notification},
    progress::Outcome,
    trace_id::TraceId,
};
use jiff::Timestamp;
use shared::{
    log::{traced, untraced},
    queues::NotificationReference,
    report::Chain,
};
use stores::notifications::{Notifications, StoredNotification, Subject};
use tracing::{Instrument as _, Span};

use crate::{
    dead_letters::DeadLetters,
    job::{Job, JobFactory},
    next::{Next, SendError, Stop},
    queue_message::QueueMessage,
};

/// Reads queue messages.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) notifications: Notifications,
    pub(crate) dead_letters: DeadLetters,
}

/// What a queue message says.
pub(crate) enum Incoming<'a> {
    /// Send this notification.
    Notification(Box<Job<'a>>),
    /// Go on with this stored notification.
    Reference(&'a QueueMessage<'a>, &'a NotificationReference),
}

impl Intake {
    /// Reads a message. A notification that cannot be read would fail at every retry, so it is rejected, and its message is
    /// done.
    pub(crate) async fn read<'a>(
        &self,
        message: &'a QueueMessage<'a>,
        jobs: &JobFactory,
        now: Timestamp,
    ) -> Result<Incoming<'a>, Stop> {
        match &message.reference {
            Ok(Some(reference)) => return Ok(Incoming::Reference(message, reference)),
            Ok(None) => {}
            // Its notification stays in the index of what is due, and comes again from there.
            Err(unreadable) => return Err(Next::GiveUp(Chain(unreadable).to_string()).into()),
        }
        match Notification::parse(message.body) {
            Ok(notification) => Ok(Incoming::Notification(Box::new(jobs.received(message, notification)))),
            Err(invalid) => {
                let span = span_of(&invalid, jobs);
                Err(self.reject(message, jobs, invalid, now).instrument(span).await?.into())
            }
        }
    }

    async fn reject(
        &self,
        message: &QueueMessage<'_>,
        jobs: &JobFactory,
        invalid: InvalidNotification,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let reason = invalid.to_string();
        let notification_id = invalid.id.as_ref().map(tracing::field::display);
        tracing::warn!(reason, notification_id, "a notification is invalid and is rejected");
        self.dead_letters.write(message, &reason).await?;
        if let Some(rejected) = rejected(message, jobs, invalid, reason) {
            // If the id is stored already, it belongs to another notification, whose item does not change.
            self.notifications.put(None, &rejected, now).await?;
        }
        Ok(Next::Done)
    }
}

/// The span of the work on a notification that cannot be read: it has a trace id if its id can be read.
fn span_of(invalid: &InvalidNotification, jobs: &JobFactory) -> Span {
    let account_sid = invalid.account_sid.as_ref().unwrap_or(&jobs.account_sid);
    invalid.id.as_ref().map_or_else(untraced, |id| traced(&TraceId::of_notification(account_sid, id)))
}

/// The item of a notification that cannot be read; none if not even its id can be read.
fn rejected(
    message: &QueueMessage<'_>,
    jobs: &JobFactory,
    invalid: InvalidNotification,
    reason: String,
) -> Option<StoredNotification> {
    let subject = Subject {
        account_sid: invalid.account_sid.unwrap_or_else(|| jobs.account_sid.clone()),
        id: invalid.id?,
        digest: sha256_hex(message.body.as_bytes()),
        recipient: None,
        category: None,
        metadata: BTreeMap::new(),
        request: None,
    };
    let mut rejected = StoredNotification::new(subject, message.enqueued_at);
    rejected.progress.end(Outcome::Rejected, reason);
    Some(rejected)
}
