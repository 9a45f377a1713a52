//! The Notifications table: the claim on a notification, its attempts and its outcome.
//!
//! Every write but a status callback's stands on the condition that the item is as it was seen (`updated_at`), or that
//! the claim is still ours (`lease`): two that act on one notification cannot both win.

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update,
    },
};
use domain::{
    callback_url::CallbackOrigin,
    limits::{CLAIM_LEASE, NOTIFICATION_RETENTION, expiry},
    notification::{FallbackChannel, NotificationId},
};
use jiff::{SignedDuration, Timestamp};
use twilio_types::{
    message_status::Stage,
    sid::{AccountSid, MessageSid},
};

use crate::{
    attribute::{number, text},
    dynamodb::{
        ConditionalWrite, FailedCondition, Item, StoreError, TransactionOutcome, conditional, consistent_keys, transact,
    },
};

mod lookup;
mod open;
mod outcome;
mod record;
mod reopen;

pub use open::OverdueNotification;
pub use outcome::{NextAttempt, NotificationOutcome};
pub use record::{Attempt, ClaimState, LeaseId, NotificationState, StoredNotification, Subject};
pub use reopen::FailedMessage;

use outcome::{OPEN, STATE, UpdateExpression, attempt, names};

/// The Notifications table.
#[derive(Debug, Clone)]
pub struct Notifications {
    client: Client,
    table: String,
}

/// What a write takes for granted about the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// There is none, or none any more.
    Absent,
    /// It is as it was when it was written last, at this time.
    Unchanged(Timestamp),
    /// As above, and no status callback has named its message since.
    StillUnbound(Timestamp),
    /// It is as it was, and the message that a status callback named is another notification's.
    MessageOwnedByAnother(Timestamp),
}

impl Precondition {
    /// What a decision upon this standing takes for granted.
    pub fn of(standing: &ClaimState) -> Self {
        match standing {
            ClaimState::Claimable(found) => Self::Unchanged(found.updated_at),
            ClaimState::OutcomeUnknown(found) if found.message_sid.is_some() => {
                Self::MessageOwnedByAnother(found.updated_at)
            }
            ClaimState::OutcomeUnknown(found) => Self::StillUnbound(found.updated_at),
            _ => Self::Absent,
        }
    }

    fn condition(&self) -> &'static str {
        match self {
            Self::Absent => "attribute_not_exists(notification) OR expires_at < :now",
            Self::Unchanged(_) | Self::MessageOwnedByAnother(_) => "updated_at = :seen",
            Self::StillUnbound(_) => "updated_at = :seen AND attribute_not_exists(message_sid)",
        }
    }

    /// What is written down of an attempt whose outcome nobody knew, when the next one begins.
    fn doubt(&self) -> Option<&'static str> {
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

    fn values(&self, now: Timestamp) -> Item {
        let (name, value) = match self {
            Self::Absent => (":now", number(now.as_second())),
            Self::Unchanged(seen) | Self::StillUnbound(seen) | Self::MessageOwnedByAnother(seen) => {
                (":seen", text(seen))
            }
        };
        Item::from([(name.to_owned(), value)])
    }
}

/// A claim that is ours until its lease ends.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Whose it is.
    pub id: LeaseId,
    /// How many attempts came before this one.
    pub attempts: usize,
    /// The way that is tried.
    pub route: usize,
    /// Its channel.
    pub channel: FallbackChannel,
    /// How long Twilio may try at most.
    pub validity: SignedDuration,
}

/// What became of a try to claim a notification.
#[derive(Debug)]
pub enum ClaimOutcome {
    /// It is ours until the lease ends.
    Claimed,
    /// It is not as it was expected to be, but so.
    Changed(ClaimState),
    /// Other conditions of the claim refused it: for each of the actions that came with it, whether it was that one.
    Refused(Vec<Option<FailedCondition>>),
}

/// What became of writing an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeWrite {
    /// It is stored.
    Written,
    /// Something else stands already.
    Overtaken,
}

/// What became of taking a message for a notification's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageAssignment {
    /// It stands.
    Assigned,
    /// The message is another notification's.
    OwnedByAnother,
    /// The notification is not as it was any more.
    Overtaken,
}

impl Notifications {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Opens the connection, so that the first notification does not wait for its handshake. The error is for the log: the first
    /// real call retries, and says what is wrong.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let key = Item::from([("notification".to_owned(), text("warm"))]);
        let answer = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await;
        answer.map(drop).map_err(|error| StoreError::of_sdk("opening the connection to DynamoDB", error))
    }

    /// Claims a notification, in one transaction with the conditions that stand for its recipient. The number of
    /// attempts before this one goes into the item, so that only this attempt's callbacks bind their message.
    pub async fn claim(
        &self,
        subject: &Subject,
        expected: &Precondition,
        lease: &Lease,
        conditions: Vec<TransactWriteItem>,
        now: Timestamp,
    ) -> Result<ClaimOutcome, StoreError> {
        let operation = "claiming in the Notifications table";
        let lease_until = now.saturating_add(CLAIM_LEASE).map_err(|error| StoreError::new(operation, error))?;
        let mut change = subject_change(subject, NotificationState::Claimed, now);
        change.set("lease", text(&lease.id));
        change.set("lease_until", text(lease_until));
        change.set("claimed_at", text(now));
        change.set("route", number(lease.route));
        change.set("attempt", number(lease.attempts));
        change.remove.extend(["message_sid", "code", "reason", "not_before", OPEN, "open_until"]);
        if let Some(reason) = expected.doubt() {
            let reason = reason.to_owned();
            change.attempt(attempt(now, lease.channel, &NotificationOutcome::Unknown { reason }));
        }
        let update = self.update(operation, subject, change, expected.condition(), expected.values(now))?;
        let actions = std::iter::once(update).chain(conditions).collect();
        match transact(&self.client, operation, actions).await? {
            TransactionOutcome::Written => Ok(ClaimOutcome::Claimed),
            TransactionOutcome::Refused(mut refusals) => match refusals.remove(0) {
                Some(refusal) => claim_of(refusal, subject, lease, now),
                None => Ok(ClaimOutcome::Refused(refusals)),
            },
        }
    }

    /// Writes the outcome of a claim that is ours. What the claim has written of the notification is not written again.
    pub async fn settle_claim(
        &self,
        subject: &Subject,
        lease: &Lease,
        outcome: &NotificationOutcome,
        with: Vec<TransactWriteItem>,
        now: Timestamp,
    ) -> Result<OutcomeWrite, StoreError> {
        let mut change = state_change(outcome.state(), now);
        let outcome_change = outcome.change(&subject.account_sid, lease.validity, now);
        change.absorb(outcome_change);
        change.attempt(attempt(now, lease.channel, outcome));
        change.remove.extend(["lease", "lease_until"]);
        let lease = Item::from([(":held".to_owned(), text(&lease.id))]);
        self.write(subject, change, "lease = :held", lease, with).await
    }

    /// Writes what was decided about a notification that nobody holds: an end, or a wait.
    pub async fn write_outcome(
        &self,
        subject: &Subject,
        expected: &Precondition,
        outcome: &NotificationOutcome,
        now: Timestamp,
    ) -> Result<OutcomeWrite, StoreError> {
        let mut change = subject_change(subject, outcome.state(), now);
        change.absorb(outcome.change(&subject.account_sid, SignedDuration::ZERO, now));
        change.remove.extend(["lease", "lease_until"]);
        self.write(subject, change, expected.condition(), expected.values(now), Vec::new()).await
    }

    /// Notes that a notification which was in doubt is this message, unless another one is: two notifications that say
    /// the same to one person must not both be taken for one message.
    pub async fn assign_message(
        &self,
        subject: &Subject,
        found: &StoredNotification,
        channel: FallbackChannel,
        message_sid: &MessageSid,
        now: Timestamp,
    ) -> Result<MessageAssignment, StoreError> {
        let operation = "settling in the Notifications table";
        let outcome = NotificationOutcome::Accepted(message_sid.clone());
        let mut change = subject_change(subject, NotificationState::Accepted, now);
        change.absorb(outcome.change(&subject.account_sid, SignedDuration::ZERO, now));
        change.attempt(attempt(now, channel, &outcome));
        change.remove.extend(["lease", "lease_until"]);
        let seen = Item::from([(":seen".to_owned(), text(found.updated_at))]);
        let update = self.update(operation, subject, change, "updated_at = :seen", seen)?;
        let owner = self.owner(&subject.account_sid, &subject.id, message_sid, now)?;
        Ok(match transact(&self.client, operation, vec![update, owner]).await? {
            TransactionOutcome::Written => MessageAssignment::Assigned,
            TransactionOutcome::Refused(refusals) if refusals.first().is_some_and(Option::is_some) => {
                MessageAssignment::Overtaken
            }
            TransactionOutcome::Refused(_) => MessageAssignment::OwnedByAnother,
        })
    }

    /// An action that makes a message one notification's, and refuses where it is another's.
    fn owner(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        message_sid: &MessageSid,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            // No notification's key begins so: theirs begin with an account.
            .item("notification", text(format_args!("message#{account_sid}#{message_sid}")))
            .item("owner", text(id))
            .item("expires_at", number(expiry(now, NOTIFICATION_RETENTION)))
            .condition_expression("attribute_not_exists(notification) OR #owner = :id")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":id", text(id))
            .build()
            .map_err(|error| StoreError::new("owning a message in the Notifications table", error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn update(
        &self,
        operation: &'static str,
        subject: &Subject,
        change: UpdateExpression,
        condition: &str,
        condition_values: Item,
    ) -> Result<TransactWriteItem, StoreError> {
        let expression = change.expression();
        let values = change.values.into_iter().chain(condition_values).collect();
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(&subject.account_sid, &subject.id)))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Alone where nothing else is to be written, which costs half of what a transaction does.
    async fn write(
        &self,
        subject: &Subject,
        change: UpdateExpression,
        condition: &str,
        condition_values: Item,
        with: Vec<TransactWriteItem>,
    ) -> Result<OutcomeWrite, StoreError> {
        let operation = "settling in the Notifications table";
        if !with.is_empty() {
            let update = self.update(operation, subject, change, condition, condition_values)?;
            let actions = std::iter::once(update).chain(with).collect();
            return Ok(match transact(&self.client, operation, actions).await? {
                TransactionOutcome::Written => OutcomeWrite::Written,
                TransactionOutcome::Refused(_) => OutcomeWrite::Overtaken,
            });
        }
        let expression = change.expression();
        let values: Item = change.values.into_iter().chain(condition_values).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&subject.account_sid, &subject.id)))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(values));
        Ok(match conditional(operation, update).await? {
            ConditionalWrite::Written(_) => OutcomeWrite::Written,
            ConditionalWrite::Refused(_) => OutcomeWrite::Overtaken,
        })
    }

    /// An action that notes which message a notification's attempt became, where that is not known yet: from a status
    /// callback, which may come before the answer to the call that created the message, or instead of it. A status that
    /// is the last to be expected ends the wait for one.
    pub fn bind_message_action(
        &self,
        account_sid: &AccountSid,
        origin: &CallbackOrigin,
        message_sid: &MessageSid,
        stage: Stage,
    ) -> Result<TransactWriteItem, StoreError> {
        let ended = if stage == Stage::Underway { "" } else { " REMOVE #open, open_until" };
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, &origin.notification_id)))
            .update_expression(format!("SET message_sid = if_not_exists(message_sid, :message_sid){ended}"))
            .expression_attribute_values(":message_sid", text(message_sid));
        if stage != Stage::Underway {
            update = update.expression_attribute_names("#open", "open");
        }
        let condition = match origin.attempt {
            None => "message_sid = :message_sid",
            Some(0) => "attribute_exists(notification) AND (attribute_not_exists(attempt) OR attempt = :attempt)",
            Some(_) => "attempt = :attempt",
        };
        if let Some(attempt) = origin.attempt {
            update = update.expression_attribute_values(":attempt", number(attempt));
        }
        let update = update
            .condition_expression(condition)
            .build()
            .map_err(|error| StoreError::new("binding a message in the Notifications table", error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// A notification as it stands, if it is there.
    pub async fn get(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("reading from the Notifications table", error))?;
        answer.item.map(StoredNotification::read).transpose()
    }

    /// What a batch read of these notifications asks of this table, by the table's name.
    pub fn batch_keys<'a>(
        &self,
        notifications: impl Iterator<Item = (&'a AccountSid, &'a NotificationId)>,
    ) -> Result<(String, KeysAndAttributes), StoreError> {
        let keys = notifications.map(|(account_sid, id)| key(account_sid, id));
        Ok((self.table.clone(), consistent_keys("reading from the Notifications table", keys)?))
    }
}

fn claim_of(
    refusal: FailedCondition,
    subject: &Subject,
    lease: &Lease,
    now: Timestamp,
) -> Result<ClaimOutcome, StoreError> {
    if refusal.item.is_empty() {
        return Ok(ClaimOutcome::Changed(ClaimState::New));
    }
    let found = StoredNotification::read(refusal.item)?;
    // Our own claim, whose answer was lost on its way to us.
    if found.state == NotificationState::Claimed && found.lease.as_ref() == Some(&lease.id) {
        return Ok(ClaimOutcome::Claimed);
    }
    Ok(ClaimOutcome::Changed(ClaimState::of(Some(found), &subject.digest, now)))
}

pub(super) fn key(account_sid: &AccountSid, id: &NotificationId) -> Item {
    Item::from([("notification".to_owned(), text(format_args!("{account_sid}#{id}")))])
}

fn state_change(state: NotificationState, now: Timestamp) -> UpdateExpression {
    let mut change = UpdateExpression::default();
    change.set(STATE, text(state.as_str()));
    change.set("expires_at", number(expiry(now, NOTIFICATION_RETENTION)));
    change.set("updated_at", text(now));
    change
}

fn subject_change(subject: &Subject, state: NotificationState, now: Timestamp) -> UpdateExpression {
    let metadata = subject.metadata.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let mut change = state_change(state, now);
    change.set("account_sid", text(&subject.account_sid));
    change.set("id", text(&subject.id));
    change.set("recipient", subject.recipient.as_ref().map_or(AttributeValue::Null(true), |to| text(to.as_str())));
    change.set("category", subject.category.map_or(AttributeValue::Null(true), |category| text(category.as_str())));
    change.set("metadata", AttributeValue::M(metadata));
    change.set("digest", text(&subject.digest));
    change.set_or_remove("notification_json", subject.request.as_deref().map(text));
    change
}

#[cfg(test)]
mod tests;
