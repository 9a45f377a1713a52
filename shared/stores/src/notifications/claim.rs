//! The claim: the right of one function to send a notification, for as long as a lease lasts.
//!
//! A notification becomes at most one message for each attempt, although SQS may deliver it twice and a function may
//! stop at any moment:
//!
//! 1. `send` reads the item and derives its [`ClaimState`]. Only a claimable notification goes on.
//! 2. `send` claims it with [`Notifications::claim`]. One transaction writes a new lease into the item, and checks that
//!    the item has not changed since it was read, that no suppression covers the recipient, and that the counters of
//!    the cap and of the rate are as they were read. Of two claims one is refused, and learns the current state.
//! 3. The holder calls Twilio immediately after the claim. A STOP that was answered before the claim therefore always
//!    wins.
//! 4. The holder writes the outcome with [`Notifications::settle_claim`], if the lease is still its own.
//! 5. If the holder stops before step 4, or Twilio's answer is lost, the item stays claimed. A lease lasts longer than
//!    the function may run, so after it the state is [`ClaimState::OutcomeUnknown`]: the message may exist. `send`
//!    first looks for it, by the status callbacks of the attempt and in Twilio's list of messages, and claims the
//!    notification again only if it finds none. The claim then records the attempt with the unknown outcome.
//! 6. The claim stores the number of attempts before it, and the attempt's callback URL names the same number. So a
//!    late callback of an earlier attempt does not bind its message to a later attempt.

use std::fmt;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{limits::CLAIM_LEASE, notification::FallbackChannel};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    NotificationOutcome, NotificationState, Notifications, OutcomeWrite, StoredNotification, Subject,
    update_expression::{OPEN, UpdateExpression},
};
use crate::{
    attribute::{number, text},
    dynamodb::{FailedCondition, Item, StoreError, TransactionOutcome, transact},
};

/// The random id of a claim. A holder whose lease was taken over by another claim cannot write its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(String);

impl LeaseId {
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A claim of ours, and the attempt that it is for.
#[derive(Debug, Clone)]
pub struct Lease {
    pub id: LeaseId,
    /// The number of attempts before this one.
    pub attempts: usize,
    /// The option that is sent: 0 is the content, 1 the first fallback.
    pub route: usize,
    pub channel: FallbackChannel,
    /// The maximum time for which Twilio may try to send the message.
    pub validity: SignedDuration,
}

/// What may be done with a notification, by its stored item.
#[derive(Debug, Clone)]
pub enum ClaimState {
    /// Nothing is stored.
    New,
    Claimable(Box<StoredNotification>),
    /// It has its final outcome.
    Finished(NotificationState),
    /// A function works on it, at most until this time.
    LeasedUntil(Timestamp),
    /// The lease ended without an outcome, or an earlier search for the message found no answer.
    OutcomeUnknown(Box<StoredNotification>),
    /// The id belongs to a notification with other content.
    IdReused,
}

impl ClaimState {
    /// Derives the state from the stored item. `digest` is that of the notification at hand.
    pub fn of(found: Option<StoredNotification>, digest: &str, now: Timestamp) -> Self {
        // DynamoDB deletes late, so an expired item may still be stored.
        let Some(found) = found.filter(|found| found.expires_at >= now.as_second()) else { return Self::New };
        if found.digest != digest {
            return Self::IdReused;
        }
        match (found.state, found.lease_until) {
            (NotificationState::Claimed, Some(until)) if until > now => Self::LeasedUntil(until),
            (NotificationState::Claimed | NotificationState::Unknown, _) => Self::OutcomeUnknown(Box::new(found)),
            (NotificationState::Waiting | NotificationState::AwaitingReply, _) => Self::Claimable(Box::new(found)),
            (state, _) => Self::Finished(state),
        }
    }
}

/// What a write assumes about the stored item: its condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// No item is stored, or only an expired one.
    Absent,
    /// The item was last written at this time.
    Unchanged(Timestamp),
    /// The item was last written at this time, and no status callback has named its message since.
    StillUnbound(Timestamp),
    /// The item was last written at this time. A status callback has named a message, but that message was assigned to
    /// another notification with the same content.
    MessageOwnedByAnother(Timestamp),
}

impl Precondition {
    /// The assumption of a decision that was made by this state.
    pub fn of(state: &ClaimState) -> Self {
        match state {
            ClaimState::Claimable(found) => Self::Unchanged(found.updated_at),
            ClaimState::OutcomeUnknown(found) if found.message_sid.is_some() => {
                Self::MessageOwnedByAnother(found.updated_at)
            }
            ClaimState::OutcomeUnknown(found) => Self::StillUnbound(found.updated_at),
            _ => Self::Absent,
        }
    }

    pub(super) fn condition(&self) -> &'static str {
        match self {
            Self::Absent => "attribute_not_exists(notification) OR expires_at < :now",
            Self::Unchanged(_) | Self::MessageOwnedByAnother(_) => "updated_at = :seen",
            Self::StillUnbound(_) => "updated_at = :seen AND attribute_not_exists(message_sid)",
        }
    }

    pub(super) fn values(&self, now: Timestamp) -> Item {
        let (name, value) = match self {
            Self::Absent => (":now", number(now.as_second())),
            Self::Unchanged(seen) | Self::StillUnbound(seen) | Self::MessageOwnedByAnother(seen) => {
                (":seen", text(seen))
            }
        };
        Item::from([(name.to_owned(), value)])
    }

    /// The stored reason of the attempt before, if its outcome stayed unknown.
    fn reason_of_unknown_attempt(&self) -> Option<&'static str> {
        match self {
            Self::Absent | Self::Unchanged(_) => None,
            Self::StillUnbound(_) => {
                Some("neither a status callback nor Twilio's list of messages shows that it was sent")
            }
            Self::MessageOwnedByAnother(_) => {
                Some("its message was taken for that of another notification which says the same")
            }
        }
    }
}

/// What became of a claim.
#[derive(Debug)]
pub enum ClaimOutcome {
    /// It is ours until the lease ends.
    Claimed,
    /// The item had changed, and this is its state.
    Changed(ClaimState),
    /// The item was as expected, but other conditions did not hold: for each condition in the order of the call,
    /// whether it failed.
    Refused(Vec<Option<FailedCondition>>),
}

impl Notifications {
    /// Claims a notification for an attempt, in one transaction with the conditions about its recipient.
    pub async fn claim(
        &self,
        subject: &Subject,
        precondition: &Precondition,
        lease: &Lease,
        conditions: Vec<TransactWriteItem>,
        now: Timestamp,
    ) -> Result<ClaimOutcome, StoreError> {
        let operation = "claiming in the Notifications table";
        let lease_until = now.saturating_add(CLAIM_LEASE).map_err(|error| StoreError::new(operation, error))?;
        let mut update = UpdateExpression::of_subject(subject, NotificationState::Claimed, now);
        update.set("lease", text(&lease.id));
        update.set("lease_until", text(lease_until));
        update.set("claimed_at", text(now));
        update.set("route", number(lease.route));
        update.set("attempt", number(lease.attempts));
        update.remove.extend(["message_sid", "code", "reason", "not_before", OPEN, "open_until"]);
        if let Some(reason) = precondition.reason_of_unknown_attempt() {
            let outcome = NotificationOutcome::Unknown { reason: reason.to_owned() };
            update.append_attempt(outcome.attempt(lease.channel, now));
        }
        let update =
            self.update_action(operation, subject, update, precondition.condition(), precondition.values(now))?;
        let actions = std::iter::once(update).chain(conditions).collect();
        match transact(&self.client, operation, actions).await? {
            TransactionOutcome::Written => Ok(ClaimOutcome::Claimed),
            TransactionOutcome::Refused(mut failed) => match failed.remove(0) {
                Some(changed) => after_refusal(changed, subject, lease, now),
                None => Ok(ClaimOutcome::Refused(failed)),
            },
        }
    }

    /// Writes the outcome of a claim, if its lease is still ours. The fields of the subject are not written again: the
    /// claim wrote them.
    pub async fn settle_claim(
        &self,
        subject: &Subject,
        lease: &Lease,
        outcome: &NotificationOutcome,
        with: Vec<TransactWriteItem>,
        now: Timestamp,
    ) -> Result<OutcomeWrite, StoreError> {
        let mut update = UpdateExpression::of_state(outcome.state(), now);
        update.absorb(outcome.update(&subject.account_sid, lease.validity, now));
        update.append_attempt(outcome.attempt(lease.channel, now));
        update.remove.extend(["lease", "lease_until"]);
        let held = Item::from([(":held".to_owned(), text(&lease.id))]);
        self.write(subject, update, "lease = :held", held, with).await
    }
}

/// The outcome of a claim that the item refused. If the answer to our own claim was lost, the SDK's retry is refused by
/// what the first request wrote: then the claim is ours.
pub(super) fn after_refusal(
    changed: FailedCondition,
    subject: &Subject,
    lease: &Lease,
    now: Timestamp,
) -> Result<ClaimOutcome, StoreError> {
    if changed.item.is_empty() {
        return Ok(ClaimOutcome::Changed(ClaimState::New));
    }
    let found = StoredNotification::read(changed.item)?;
    if found.state == NotificationState::Claimed && found.lease.as_ref() == Some(&lease.id) {
        return Ok(ClaimOutcome::Claimed);
    }
    Ok(ClaimOutcome::Changed(ClaimState::of(Some(found), &subject.digest, now)))
}
