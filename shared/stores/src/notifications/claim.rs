//! The claim: the right of one function to send a notification, for as long as a lease lasts.
//!
//! A notification becomes at most one message for each attempt, although SQS may deliver it twice and a function may
//! stop at any moment:
//!
//! 1. `send` reads the notification and its recipient and derives the [`ClaimState`]. Only a claimable one goes on, by a
//!    decision about both.
//! 2. `send` claims it with [`Notifications::claim`]. One transaction of two items writes the notification with a new
//!    attempt and a lease, and the person with the counters of the cap and the rate; each on the condition that its version
//!    is the one that the decision was made by. Of two claims one is refused. A STOP, a withdrawn consent and another
//!    message to the same person change the version too, so the decision is made again.
//! 3. The holder calls Twilio immediately after the claim. A STOP or a withdrawal that was answered before the claim
//!    therefore always wins.
//! 4. The holder writes Twilio's answer ([`domain::progress::Progress::answer`]). If a status callback was faster, the
//!    version has changed, and the answer is applied to what is stored then.
//! 5. If the holder stops before step 4, or Twilio's answer is lost, the notification stays claimed. A lease lasts longer
//!    than the function may run, so after it the state is [`ClaimState::OutcomeUnknown`]: the message may exist. The
//!    callbacks of the attempt say so, since their URL names the notification and the attempt. That no message exists is
//!    only certain when Twilio cannot send it any more ([`super::Lease::resolvable_at`]) and its complete list shows none.

use std::fmt;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::progress::Phase;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::sid::MessageSid;

use super::{NotificationState, Notifications, StoredNotification};
use crate::dynamodb::{Item, StoreError, TransactionOutcome, transact};

/// The random id of a claim: 64 bits, because it is compared with the other claims of one notification only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(String);

impl LeaseId {
    pub fn random() -> Self {
        let mut id = uuid::Uuid::new_v4().simple().to_string();
        id.truncate(16);
        Self(id)
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What may be done with a notification, by its stored item.
#[derive(Debug, Clone)]
pub enum ClaimState {
    /// Nothing is stored.
    New,
    /// It is ready, or its content follows an answer.
    Claimable(Box<StoredNotification>),
    /// Its message was accepted, and another option follows if no delivery is reported in time.
    AwaitingDelivery(Box<StoredNotification>),
    /// It has been accepted or has its outcome.
    Finished(NotificationState),
    /// A function works on it, at most until this time.
    LeasedUntil(Timestamp),
    /// The lease ended without an answer, or an earlier search for the message found none.
    OutcomeUnknown(Box<StoredNotification>),
    /// The id belongs to a notification with other content.
    IdReused,
}

impl ClaimState {
    /// Derives the state from the stored item. `digest` is that of the notification at hand.
    pub fn of(found: Option<StoredNotification>, digest: &str, now: Timestamp) -> Self {
        // DynamoDB deletes late, so an expired item may still be stored.
        let Some(found) = found.filter(|found| found.expires_at >= now.as_second()) else { return Self::New };
        if found.is_recovered() {
            return Self::Finished(found.state());
        }
        if found.subject.digest != digest {
            return Self::IdReused;
        }
        match (found.progress.phase, &found.lease) {
            (Phase::Claimed, Some(lease)) if lease.until > now => Self::LeasedUntil(lease.until),
            (Phase::Claimed | Phase::Unknown, _) => Self::OutcomeUnknown(Box::new(found)),
            (Phase::Ready { .. } | Phase::AwaitingReply, _) => Self::Claimable(Box::new(found)),
            (Phase::Accepted, _) if found.progress.outcome.is_none() && found.due.is_some() => {
                Self::AwaitingDelivery(Box::new(found))
            }
            (Phase::Accepted | Phase::Ended, _) => Self::Finished(found.state()),
        }
    }
}

/// What became of a claim.
pub enum ClaimOutcome {
    /// It is ours until the lease ends.
    Claimed,
    /// The notification had changed: this is its stored item, if one is stored.
    NotificationChanged(Option<Box<StoredNotification>>),
    /// The person had changed: this is the stored item. It is empty if the person was erased.
    PersonChanged(Item),
}

impl fmt::Debug for ClaimOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed => f.write_str("Claimed"),
            Self::NotificationChanged(found) => f.debug_tuple("NotificationChanged").field(found).finish(),
            Self::PersonChanged(_) => f.write_str("PersonChanged(..)"),
        }
    }
}

impl Notifications {
    /// Claims a notification in one transaction with the person that it goes to. `after` has the new attempt and the lease;
    /// `seen` is the version of the notification that was read, and `person` the actions that write the person. If the attempt before
    /// has a message, the notification stays its owner: the index finds only the message of the last attempt.
    pub async fn claim(
        &self,
        seen: Option<i64>,
        after: &StoredNotification,
        person: Vec<TransactWriteItem>,
        now: Timestamp,
    ) -> Result<ClaimOutcome, StoreError> {
        let mut actions = vec![self.put_action(seen, after, now)?];
        actions.extend(person);
        if let Some(earlier) = earlier_message(after) {
            actions.push(self.keep_owner_action(&after.subject, earlier, now)?);
        }
        let refusals = match transact(&self.client, "claiming in the Notifications table", actions).await? {
            TransactionOutcome::Written => return Ok(ClaimOutcome::Claimed),
            TransactionOutcome::Refused(refusals) => refusals,
        };
        let mut refusals = refusals.into_iter();
        if let Some(changed) = refusals.next().flatten() {
            return after_refusal(changed.item, after);
        }
        Ok(ClaimOutcome::PersonChanged(refusals.next().flatten().map(|changed| changed.item).unwrap_or_default()))
    }
}

/// The message of the attempt before the last one.
fn earlier_message(claimed: &StoredNotification) -> Option<&MessageSid> {
    let (_, earlier) = claimed.progress.attempts.split_last()?;
    earlier.last()?.message_sid.as_ref()
}

/// The outcome of a claim that the notification refused. If the answer to our own claim was lost, the SDK's retry is
/// refused by what the first request wrote: then the claim is ours.
pub(super) fn after_refusal(item: Item, claimed: &StoredNotification) -> Result<ClaimOutcome, StoreError> {
    if item.is_empty() {
        return Ok(ClaimOutcome::NotificationChanged(None));
    }
    let found = StoredNotification::read(item)?;
    let is_ours = found.progress.phase == Phase::Claimed
        && found.lease.as_ref().map(|lease| &lease.id) == claimed.lease.as_ref().map(|lease| &lease.id);
    Ok(if is_ours { ClaimOutcome::Claimed } else { ClaimOutcome::NotificationChanged(Some(Box::new(found))) })
}
