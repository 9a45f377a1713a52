//! Cancels a notification that was not sent yet, or what may follow its message.
//!
//! The notification is written on the condition that its version is the one that was read, as every write of it is
//! ([`crate::notifications`]). A claim changes the version too. So of a claim and a cancellation exactly one is written: the
//! other one is refused, reads what is stored then, and decides again by it. A notification that was cancelled is never
//! claimed, and one that was claimed is not cancelled.
//!
//! A notification whose message was accepted can be cancelled as long as an option with `after` may follow that message. Then
//! nothing follows it, and what becomes of the message is the outcome.
//!
//! If its template was sent, the person's item names the notification as one whose content follows an answer. That name is
//! removed in a second write. If it is not made, the same request makes it when it is repeated, and so does the person's next
//! message.
//!
//! A notification with several files sends the first one itself, and the further ones are sent by further notifications. Who
//! cancels the first one wants none of its files to be sent, so those that can still be cancelled are cancelled with it. One
//! that is still on a queue is not stored yet: it is stored as cancelled, and its message is dropped as that of every
//! notification that has ended. Each can also be cancelled alone, by its id.

use domain::{
    contact_key::ContactKey,
    notification::{FurtherNotification, Notification},
    progress::{CancelOutcome, CancelRefusal, Outcome, Purpose},
};
use jiff::Timestamp;

use crate::{
    contacts::Contacts,
    dynamodb::StoreError,
    notifications::{NotificationWrite, Notifications, StoredNotification, Subject},
};

#[derive(Debug, Clone)]
pub struct NotificationCanceller {
    pub notifications: Notifications,
    pub contacts: Contacts,
}

impl NotificationCanceller {
    /// Cancels a notification that was just read, if it can be cancelled. `by` says in the reason who cancelled it. Gives the
    /// notification as it is stored now; none if it is not stored any more.
    pub async fn cancel(
        &self,
        stored: StoredNotification,
        by: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<(StoredNotification, CancelOutcome)>, StoreError> {
        let cancel = |stored: &mut StoredNotification| {
            let outcome = stored.cancel(by, now);
            ((outcome == CancelOutcome::Cancelled).then_some(outcome), outcome)
        };
        let Some((stored, outcome)) = self.notifications.change_read(stored, now, cancel).await? else {
            return Ok(None);
        };
        if !matches!(outcome, CancelOutcome::Refused(_)) {
            self.stop_awaiting(&stored, now).await?;
            self.cancel_further(&stored, by, now).await?;
        }
        Ok(Some((stored, outcome)))
    }

    /// Cancels the notifications that send the further files, as far as they can be cancelled.
    async fn cancel_further(
        &self,
        first: &StoredNotification,
        by: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for further in first.notification().iter().flat_map(Notification::further) {
            let mut cancelled = first.further(further);
            cancelled.cancel(by, now);
            match self.notifications.put(None, &cancelled, now).await? {
                NotificationWrite::Changed(Some(stored)) if stored.subject.digest == cancelled.subject.digest => {
                    let cancel = |stored: &mut StoredNotification| {
                        let outcome = stored.cancel(by, now);
                        ((outcome == CancelOutcome::Cancelled).then_some(()), ())
                    };
                    self.notifications.change_read(*stored, now, cancel).await?;
                }
                // The id belongs to a notification with other content.
                NotificationWrite::Written | NotificationWrite::Changed(_) => {}
            }
        }
        Ok(())
    }

    async fn stop_awaiting(&self, stored: &StoredNotification, now: Timestamp) -> Result<(), StoreError> {
        let subject = &stored.subject;
        match &subject.recipient {
            Some(recipient) if stored.has_asked_for_reply() => {
                let contact = ContactKey::of(&subject.account_sid, recipient);
                self.contacts.stop_awaiting(&contact, std::slice::from_ref(&subject.id), now).await
            }
            _ => Ok(()),
        }
    }
}

impl StoredNotification {
    /// A notification that sends a further file of this one, before anything of it is stored.
    fn further(&self, further: FurtherNotification) -> Self {
        let FurtherNotification { notification, request } = further;
        let subject = Subject {
            account_sid: self.subject.account_sid.clone(),
            digest: notification.digest(),
            recipient: Some(notification.to),
            category: Some(notification.category),
            metadata: notification.metadata,
            id: notification.id,
            request: Some(request),
        };
        Self::new(subject, self.enqueued_at)
    }

    /// Whether its person may have it among the notifications whose content follows an answer.
    fn has_asked_for_reply(&self) -> bool {
        self.progress.attempts.iter().any(|attempt| attempt.purpose == Purpose::AskForReply)
    }
}

/// Says why a notification was not cancelled: what became of it, and its message at Twilio, if it has one.
pub fn describe_refusal(stored: &StoredNotification, refusal: CancelRefusal) -> String {
    let what = stored.progress.outcome.map_or(stored.state().as_str(), Outcome::as_str);
    let message = stored.message_sid().map(|sid| format!(" ({sid})")).unwrap_or_default();
    format!("the notification is {what} and cannot be cancelled: {refusal}{message}")
}

#[cfg(test)]
mod tests {
    use domain::{notification::FallbackChannel, progress::CreateAnswer, waiting::WaitReason};

    use super::*;

    const REQUEST: &str = r#"{"id": "order-1", "to": "+14155550123", "category": "utility",
                              "content": {"type": "text", "body": "private"}}"#;

    fn stored() -> StoredNotification {
        let notification = Notification::parse(REQUEST).unwrap();
        let subject = Subject {
            account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
            id: notification.id.clone(),
            digest: "d".to_owned(),
            recipient: Some(notification.to.clone()),
            category: Some(notification.category),
            metadata: notification.metadata.clone(),
            request: Some(REQUEST.to_owned()),
        };
        StoredNotification::new(subject, Timestamp::UNIX_EPOCH)
    }

    fn refusal(stored: &mut StoredNotification) -> String {
        match stored.cancel(None, Timestamp::UNIX_EPOCH) {
            CancelOutcome::Refused(refusal) => describe_refusal(stored, refusal),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refusal_says_what_became_of_the_notification() {
        let (mut stored, now) = (stored(), Timestamp::UNIX_EPOCH);
        let step = stored.progress.ready_step().unwrap();
        stored.progress.claim(step, FallbackChannel::WhatsApp, now);
        let being_sent = refusal(&mut stored);
        assert!(being_sent.starts_with("the notification is claimed and cannot be cancelled: it is being sent"));
        let accepted = CreateAnswer::Accepted("SM00000000000000000000000000000001".parse().unwrap());
        let notification = stored.notification().unwrap();
        stored.apply(&notification, now, |progress, on| progress.answer(0, accepted, on));
        assert_eq!(
            refusal(&mut stored),
            "the notification is accepted and cannot be cancelled: Twilio has accepted its message \
             (SM00000000000000000000000000000001)"
        );
        stored.progress.outcome = Some(Outcome::Delivered);
        assert!(refusal(&mut stored).starts_with("the notification is delivered and"));
    }

    #[test]
    fn cancelled_notification_is_in_no_index_any_more() {
        let mut stored = stored();
        stored.wait_until(Timestamp::UNIX_EPOCH, WaitReason::SendAt, Vec::new(), Timestamp::UNIX_EPOCH);
        stored.open_until = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(stored.cancel(None, Timestamp::UNIX_EPOCH), CancelOutcome::Cancelled);
        assert_eq!((stored.due, stored.open_until, stored.lease), (None, None, None));
    }

    /// The SMS that was to follow is refused, and its message is looked up all the same.
    #[test]
    fn message_under_way_is_looked_up_after_the_cancellation() {
        let request = r#"{"id": "order-1", "to": "+14155550123", "category": "utility", "content": {"type": "text",
            "body": "private"}, "fallback": [{"channel": "sms", "content": {"type": "text", "body": "b"}, "after": "10m"}]}"#;
        let mut stored = stored();
        stored.subject.request = Some(request.to_owned());
        let (notification, now) = (stored.notification().unwrap(), Timestamp::UNIX_EPOCH);
        let step = stored.progress.ready_step().unwrap();
        stored.progress.claim(step, FallbackChannel::WhatsApp, now);
        let accepted = CreateAnswer::Accepted("SM00000000000000000000000000000001".parse().unwrap());
        stored.apply(&notification, now, |progress, on| progress.answer(0, accepted, on));
        assert!(stored.due.is_some() && stored.open_until.is_some());
        assert_eq!(stored.cancel(Some("shop"), now), CancelOutcome::Cancelled);
        assert_eq!((stored.state().as_str(), stored.progress.outcome), ("accepted", None));
        assert!(stored.due.is_none() && stored.open_until.is_some());
    }
}
