//! From a queue message to a notification that can be worked on.

use std::{collections::BTreeMap, time::Duration};

use aws_lambda_events::sqs::SqsMessage;
use domain::{
    contact_key::ContactKey,
    digest::sha256_hex,
    limits::QUEUE_RETENTION,
    notification::{Category, InvalidNotification, Notification},
    policy::RecipientRules,
    region::region_of,
};
use jiff::{SignedDuration, Timestamp};
use shared::{
    queues::{ENQUEUED_AT, Lane, MessageBody, OutboundQueue, QueueEntry},
    report::Chain,
};
use stores::notifications::{NotificationOutcome, Precondition, Subject};
use twilio_types::sid::AccountSid;

use crate::{Next, SendError, SendFunction, Step, backoff, ends::log_end};

/// A message that would be as old as this when it comes again is put on the queue anew before SQS deletes it: a day is
/// left for a function that is out of order.
const OLDEST: SignedDuration = SignedDuration::from_hours(13 * 24);

/// A message that a person just wrote opens the window by way of a stream, which is seconds behind at most.
const STREAM_LAG: SignedDuration = SignedDuration::from_secs(15);

/// A message of the queue.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) message_id: &'a str,
    pub(crate) receipt_handle: &'a str,
    pub(crate) lane: Lane,
    body: &'a str,
    /// How often SQS has handed it out. Only the pauses after failures of our own go by it: attempts are counted in the
    /// Notifications table.
    received: usize,
    /// Whether SQS has said when it took it, which it always does.
    is_dated: bool,
    /// When SQS took this copy of it.
    sent_at: Timestamp,
    /// When it was put on a queue first.
    enqueued_at: Timestamp,
    now: Timestamp,
}

impl<'a> Incoming<'a> {
    pub(crate) fn read(message: &'a SqsMessage, queue: &OutboundQueue, now: Timestamp) -> Self {
        let number = |text: Option<&String>| text.and_then(|text| text.parse().ok());
        let time = |milliseconds: i64| Timestamp::from_millisecond(milliseconds).ok();
        let dated = number(message.attributes.get("SentTimestamp")).and_then(time);
        let sent_at = dated.unwrap_or(now);
        let first = message.message_attributes.get(ENQUEUED_AT).and_then(|attribute| attribute.string_value.as_ref());
        Self {
            message_id: message.message_id.as_deref().unwrap_or_default(),
            receipt_handle: message.receipt_handle.as_deref().unwrap_or_default(),
            lane: queue.lane(message.event_source_arn.as_deref().unwrap_or_default()),
            body: message.body.as_deref().unwrap_or_default(),
            received: message
                .attributes
                .get("ApproximateReceiveCount")
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
            is_dated: dated.is_some(),
            sent_at,
            enqueued_at: number(first).and_then(time).unwrap_or(sent_at),
            now,
        }
    }

    /// What becomes of it when our own state or queue does not answer.
    pub(crate) fn after_failure(&self) -> Next {
        Next::Again(backoff::full_jitter(self.received))
    }

    pub(crate) fn failed(&self, error: &SendError) -> Next {
        tracing::error!(error = %Chain(error), "notification not processed");
        self.after_failure()
    }

    /// Whether it is so new that what happened just before it may not be known yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_dated && self.now.duration_since(self.enqueued_at) < STREAM_LAG
    }

    /// Whether SQS would delete it before it comes again.
    pub(crate) fn outlives_queue(&self, delay: Duration) -> bool {
        let age = self.now.duration_since(self.sent_at);
        // An older one than the queue keeps is an event made by hand.
        let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
        age < QUEUE_RETENTION && age.saturating_add(delay) > OLDEST && age > SignedDuration::from_hours(12)
    }

    pub(crate) fn fresh_copy(&self, account_sid: &AccountSid) -> QueueEntry {
        QueueEntry {
            body: MessageBody::json(self.body),
            group: account_sid.clone(),
            enqueued_at: self.enqueued_at,
            delay: Duration::ZERO,
        }
    }
}

/// A notification on its way.
pub(crate) struct Job<'a> {
    pub(crate) incoming: &'a Incoming<'a>,
    pub(crate) notification: Notification,
    pub(crate) subject: Subject,
    pub(crate) contact: ContactKey,
    pub(crate) rules: RecipientRules,
}

impl Job<'_> {
    pub(crate) fn is_bulk(&self) -> bool {
        self.notification.category == Category::Marketing
    }

    /// The copy of it that goes onto another queue.
    pub(crate) fn entry(&self) -> QueueEntry {
        self.incoming.fresh_copy(&self.subject.account_sid)
    }
}

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
