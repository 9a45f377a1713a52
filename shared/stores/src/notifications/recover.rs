//! What happened to notifications after the time to which the tables were restored: [`domain::progress::RecoveredMessage`].
//!
//! A notification that was queued after that time is not stored any more. What it said is lost, but not that it was sent: an
//! item without a request and without a digest takes its place, so that its id is not sent again.

use domain::{
    notification::NotificationId,
    progress::{Change, MessageReport, Outcome, Progress, RecoveredMessage},
};
use jiff::Timestamp;
use twilio_types::{address::Recipient, message_status::MessageStatus, sid::AccountSid};

use super::{NotificationWrite, Notifications, StoredNotification, Subject};
use crate::dynamodb::StoreError;

/// What is known of a notification since that time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationEvidence {
    pub account_sid: AccountSid,
    pub id: NotificationId,
    pub recipient: Option<Recipient>,
    /// Its messages, the oldest first.
    pub messages: Vec<RecoveredMessage>,
    /// How it ended without a message, and why.
    pub end: Option<(Outcome, Option<String>)>,
    /// When the first of this was reported.
    pub since: Timestamp,
}

impl NotificationEvidence {
    /// Adds what the stored notification does not have.
    fn add_to(&self, stored: &mut StoredNotification, now: Timestamp) -> Change {
        let mut change = Change::Nothing;
        for message in &self.messages {
            let Some(report) = stored.progress.recover(message, now) else { continue };
            change = Change::Recorded;
            stored.stop_waiting();
            match stored.notification() {
                Some(notification) => stored.apply(&notification, now, |progress, on| progress.report(&report, on)),
                None => report_without_request(&mut stored.progress, &report, now),
            };
        }
        if let (Some((outcome, reason)), true) = (&self.end, self.messages.is_empty())
            && stored.progress.recover_end(*outcome, reason.clone()) == Change::Recorded
        {
            change = Change::Recorded;
            stored.stop_waiting();
        }
        change
    }

    /// The notification in the place of the one that is not stored any more.
    fn in_place(&self, now: Timestamp) -> StoredNotification {
        let subject = Subject {
            account_sid: self.account_sid.clone(),
            id: self.id.clone(),
            digest: String::new(),
            recipient: self.recipient.clone(),
            category: None,
            metadata: std::collections::BTreeMap::new(),
            request: None,
        };
        let mut stored = StoredNotification::new(subject, self.since);
        self.add_to(&mut stored, now);
        stored
    }
}

/// No step can follow without the request.
fn report_without_request(progress: &mut Progress, report: &MessageReport, now: Timestamp) -> Change {
    progress.record_status(report, now).unwrap_or_else(|failure| {
        let is_undelivered = report.status.known() == Some(MessageStatus::Undelivered);
        let outcome = if is_undelivered { Outcome::Undelivered } else { Outcome::Failed };
        progress.end(outcome, failure.reason.unwrap_or_else(|| outcome.as_str().to_owned()));
        progress.code = failure.code;
        Change::Recorded
    })
}

impl StoredNotification {
    /// Whether it is in the place of a notification that was lost when the tables were restored.
    pub fn is_recovered(&self) -> bool {
        self.subject.digest.is_empty()
    }

    /// Nothing of it is sent from now on, unless a report of a message leads on.
    fn stop_waiting(&mut self) {
        (self.lease, self.due) = (None, None);
        self.open_until = self.notification().and_then(|notification| self.look_up_at(&notification));
    }
}

impl Notifications {
    /// Whether the stored notification lacks some of this.
    pub async fn lacks(&self, evidence: &NotificationEvidence, now: Timestamp) -> Result<bool, StoreError> {
        Ok(match self.get(&evidence.account_sid, &evidence.id).await? {
            Some(mut stored) => evidence.add_to(&mut stored, now) == Change::Recorded,
            None => true,
        })
    }

    /// Writes what the stored notification lacks of this. Nothing of it is sent then, whatever it waited for.
    pub async fn recover(&self, evidence: &NotificationEvidence, now: Timestamp) -> Result<Change, StoreError> {
        let missing = || {
            self.change(&evidence.account_sid, &evidence.id, now, |stored| {
                let change = evidence.add_to(stored, now);
                ((change == Change::Recorded).then_some(change), change)
            })
        };
        if let Some((_, change)) = missing().await? {
            return Ok(change);
        }
        match self.put(None, &evidence.in_place(now), now).await? {
            NotificationWrite::Written => Ok(Change::Recorded),
            // It was queued again meanwhile.
            NotificationWrite::Changed(_) => Ok(missing().await?.map_or(Change::Nothing, |(_, change)| change)),
        }
    }

    /// Makes sure that a notification is not sent whose message may exist. Nothing changes if it is not sent anyway.
    pub async fn recover_unknown_outcome(
        &self,
        stored: StoredNotification,
        reason: &str,
        now: Timestamp,
    ) -> Result<Change, StoreError> {
        let changed = self.change_read(stored, now, |stored| {
            let change = stored.progress.recover_unknown_outcome(reason, now);
            if change == Change::Recorded {
                stored.stop_waiting();
            }
            ((change == Change::Recorded).then_some(change), change)
        });
        Ok(changed.await?.map_or(Change::Nothing, |(_, change)| change))
    }
}

#[cfg(test)]
mod tests {
    use domain::notification::FallbackChannel;

    use super::*;
    use crate::notifications::{ClaimState, NotificationState};

    fn now() -> Timestamp {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn evidence(messages: usize, end: Option<Outcome>) -> NotificationEvidence {
        let message = |number: usize| RecoveredMessage {
            attempt: Some(number),
            message_sid: format!("SM{number:032}").parse().ok(),
            channel: FallbackChannel::WhatsApp,
            reported_at: now(),
            status: None,
            code: None,
        };
        NotificationEvidence {
            account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
            id: "order-1".to_owned().try_into().unwrap(),
            recipient: "+14155550123".parse().ok(),
            messages: (0..messages).map(message).collect(),
            end: end.map(|outcome| (outcome, None)),
            since: now(),
        }
    }

    #[test]
    fn lost_notification_that_was_sent_is_finished_for_any_request() {
        let stored = evidence(1, None).in_place(now());
        let read = StoredNotification::read(stored.to_item(None, now()).unwrap()).unwrap();
        assert!(read.is_recovered());
        assert_eq!(read.subject.recipient, "+14155550123".parse().ok());
        let state = ClaimState::of(Some(read), "the digest of any request", now());
        assert!(matches!(state, ClaimState::Finished(NotificationState::Accepted)), "{state:?}");
    }

    #[test]
    fn lost_notification_has_the_outcome_of_its_message() {
        for (status, outcome) in [
            (MessageStatus::Sent, None),
            (MessageStatus::Delivered, Some(Outcome::Delivered)),
            (MessageStatus::Undelivered, Some(Outcome::Undelivered)),
            (MessageStatus::Failed, Some(Outcome::Failed)),
        ] {
            let mut sent = evidence(1, None);
            sent.messages[0].status = Some(status.into());
            let stored = sent.in_place(now());
            assert_eq!((stored.state(), stored.progress.outcome), (NotificationState::Accepted, outcome), "{status}");
        }
    }

    #[test]
    fn lost_notification_that_was_cancelled_stays_cancelled() {
        let stored = evidence(0, Some(Outcome::Cancelled)).in_place(now());
        assert_eq!(stored.state(), NotificationState::Cancelled);
    }

    #[test]
    fn evidence_is_added_once_and_a_message_decides_over_an_end() {
        let mut stored = StoredNotification::new(evidence(0, None).in_place(now()).subject, now());
        let both = evidence(2, Some(Outcome::Expired));
        assert_eq!(both.add_to(&mut stored, now()), Change::Recorded);
        assert_eq!((stored.state(), stored.progress.outcome), (NotificationState::Accepted, None));
        assert_eq!(both.add_to(&mut stored, now()), Change::Nothing);
    }
}
