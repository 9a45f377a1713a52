//! The first stage: from a queue message to a notification.

use std::collections::BTreeMap;

use domain::{
    contact_key::ContactKey,
    digest::sha256_hex,
    notification::{InvalidNotification, Notification},
    policy::Policy,
    progress::Outcome,
    region::region_of_recipient,
};
use jiff::Timestamp;
use stores::notifications::{Notifications, StoredNotification, Subject};
use twilio_types::sid::AccountSid;

use crate::{
    dead_letters::DeadLetters,
    job::Job,
    next::{Next, SendError, Stop},
    queue_message::QueueMessage,
};

/// Reads queue messages.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) notifications: Notifications,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) policy: Policy,
    /// The account of the notifications that name none.
    pub(crate) account_sid: AccountSid,
}

impl Intake {
    /// Reads a notification. One that cannot be read would fail at every retry, so it is rejected, and its message is done.
    pub(crate) async fn read<'a>(&self, message: &'a QueueMessage<'a>, now: Timestamp) -> Result<Job<'a>, Stop> {
        match Notification::parse(message.body) {
            Ok(notification) => Ok(self.job(message, notification)),
            Err(invalid) => Err(self.reject(message, invalid, now).await?.into()),
        }
    }

    fn job<'a>(&self, message: &'a QueueMessage<'a>, notification: Notification) -> Job<'a> {
        let account_sid = notification.account_sid.clone().unwrap_or_else(|| self.account_sid.clone());
        Job {
            message,
            contact: ContactKey::of(&account_sid, &notification.to),
            rules: self.policy.rules(region_of_recipient(&notification.to).as_ref()),
            digest: notification.digest(),
            account_sid,
            notification,
        }
    }

    async fn reject(
        &self,
        message: &QueueMessage<'_>,
        invalid: InvalidNotification,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let reason = invalid.to_string();
        let notification_id = invalid.id.as_ref().map(tracing::field::display);
        tracing::warn!(reason, notification_id, "a notification is invalid and is rejected");
        self.dead_letters.write(message, &reason).await?;
        if let Some(rejected) = self.rejected(message, invalid, reason) {
            // If the id is stored already, it belongs to another notification, whose item does not change.
            self.notifications.put(None, &rejected, now).await?;
        }
        Ok(Next::Done)
    }

    /// The item of a notification that cannot be read; none if not even its id can be read.
    fn rejected(
        &self,
        message: &QueueMessage<'_>,
        invalid: InvalidNotification,
        reason: String,
    ) -> Option<StoredNotification> {
        let subject = Subject {
            account_sid: invalid.account_sid.unwrap_or_else(|| self.account_sid.clone()),
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
}
