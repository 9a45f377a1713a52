//! From a queue message to a notification that can be worked on.

use std::collections::BTreeMap;

use domain::{
    contact_key::ContactKey,
    digest::sha256_hex,
    notification::{InvalidNotification, Notification},
    region::region_of,
};
use jiff::Timestamp;
use stores::notifications::{NotificationOutcome, Precondition, Subject};

use crate::{
    Next, SendError, SendFunction, Step,
    ends::log_end,
    job::{Incoming, Job},
};

impl SendFunction {
    pub(crate) async fn open<'a>(&self, incoming: &'a Incoming<'a>, now: Timestamp) -> Step<Job<'a>> {
        let parsed = Notification::parse(incoming.body)
            .and_then(|parsed| parsed.check_times(incoming.enqueued_at, now).map(|()| parsed));
        match parsed {
            Ok(notification) => Ok(self.job(incoming, notification)),
            Err(invalid) => {
                let refused = self.refuse(incoming, invalid, now).await;
                Err(refused.unwrap_or_else(|error| incoming.failed(&error)))
            }
        }
    }

    fn job<'a>(&self, incoming: &'a Incoming<'a>, notification: Notification) -> Job<'a> {
        let account_sid = notification.account_sid.clone().unwrap_or_else(|| self.account_sid.clone());
        Job {
            incoming,
            contact: ContactKey::of_phone(&account_sid, &notification.to),
            rules: self.policy.rules(region_of(&notification.to).as_ref()),
            subject: Subject {
                account_sid,
                id: notification.id.clone(),
                digest: notification.digest(),
                recipient: Some(notification.to.clone()),
                category: Some(notification.category),
                metadata: notification.metadata.clone(),
                request: Some(incoming.body.to_owned()),
            },
            notification,
        }
    }

    /// What cannot be read is never tried again. Its copy goes first: were it the outcome, a crash in between would
    /// leave a message that nobody ever sees.
    async fn refuse(
        &self,
        incoming: &Incoming<'_>,
        invalid: InvalidNotification,
        now: Timestamp,
    ) -> Result<Next, SendError> {
        let reason = invalid.to_string();
        tracing::warn!(
            reason,
            notification_id = invalid.id.as_ref().map(tracing::field::display),
            "invalid notification"
        );
        self.dead_letter(incoming, &reason).await?;
        let Some(id) = invalid.id else { return Ok(Next::Done) };
        let subject = Subject {
            account_sid: invalid.account_sid.unwrap_or_else(|| self.account_sid.clone()),
            id,
            digest: sha256_hex(incoming.body.as_bytes()),
            recipient: None,
            category: None,
            metadata: BTreeMap::new(),
            request: None,
        };
        let outcome = NotificationOutcome::Rejected { reason, code: None };
        let settled = self.notifications.write_outcome(&subject, &Precondition::Absent, &outcome, now).await?;
        log_end(&subject, &outcome, settled);
        Ok(Next::Done)
    }

    pub(crate) async fn dead_letter(&self, incoming: &Incoming<'_>, reason: &str) -> Result<(), SendError> {
        Ok(self.queue.dead_letter(incoming.body, reason, incoming.enqueued_at).await?)
    }
}
