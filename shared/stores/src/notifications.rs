//! The Notifications table: one item for each notification, with its claim, its attempts and its outcome.
//!
//! | key `notification` | what the item holds | written by | expires |
//! |---|---|---|---|
//! | `AC#<id>` | the request, its state, lease, attempts and outcome | `send`; `publish` reopens it after a failure; `status` and `reconcile` bind its message | 30 days after its last claim or outcome |
//! | `message#AC#SM` | the id of the notification (`owner`) that a message was assigned to | `send`, when it resolves an unknown outcome | after 30 days |
//! | `reuse#AC#<id>#<digest>` | a rejected notification whose id belongs to another one | `send` | after 30 days |
//!
//! Index `by_message_sid` finds a notification by its latest message. Index `by_open` (hash `open`, the account; range
//! `open_until`) holds the notifications that Twilio accepted and whose final status is not known.
//!
//! *Invariant:* every write has a condition, so that of two writers of one notification only one succeeds: that the
//! item is as the writer read it (`updated_at`), that the writer's lease still holds (`lease`), or that the attempt or
//! message is still the current one. `claim.rs` describes the protocol.

use aws_sdk_dynamodb::{
    Client,
    types::{KeysAndAttributes, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update},
};
use domain::notification::NotificationId;
use jiff::{SignedDuration, Timestamp};
use twilio_types::sid::AccountSid;

use crate::{
    attribute::text,
    dynamodb::{ConditionalWrite, Item, StoreError, TransactionOutcome, conditional, consistent_keys, transact},
};

mod claim;
mod lookup;
mod message_binding;
mod open;
mod outcome;
mod record;
mod reopen;
mod update_expression;

pub use claim::{ClaimOutcome, ClaimState, Lease, LeaseId, Precondition};
pub use message_binding::MessageAssignment;
pub use open::OverdueNotification;
pub use outcome::{NextAttempt, NotificationOutcome, OutcomeWrite};
pub use record::{Attempt, NotificationState, StoredNotification, Subject};
pub use reopen::FailedMessage;

use update_expression::{UpdateExpression, names};

#[derive(Debug, Clone)]
pub struct Notifications {
    client: Client,
    table: String,
}

impl Notifications {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Opens the connection at the cold start, so that the first notification does not wait for its handshake. The
    /// error is only for the log: the first real call retries, and reports what is wrong.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let key = Item::from([("notification".to_owned(), text("warm"))]);
        let answer = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await;
        answer.map(drop).map_err(|error| StoreError::of_sdk("opening the connection to DynamoDB", error))
    }

    /// Reads a notification consistently.
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

    /// The name of this table and the keys of these notifications, for a [`crate::dynamodb::batch_get`].
    pub fn batch_keys<'a>(
        &self,
        notifications: impl Iterator<Item = (&'a AccountSid, &'a NotificationId)>,
    ) -> Result<(String, KeysAndAttributes), StoreError> {
        let keys = notifications.map(|(account_sid, id)| key(account_sid, id));
        Ok((self.table.clone(), consistent_keys("reading from the Notifications table", keys)?))
    }

    /// Writes the outcome of a decision about a notification without a lease: an end, or a wait.
    pub async fn write_outcome(
        &self,
        subject: &Subject,
        precondition: &Precondition,
        outcome: &NotificationOutcome,
        now: Timestamp,
    ) -> Result<OutcomeWrite, StoreError> {
        let mut update = UpdateExpression::of_subject(subject, outcome.state(), now);
        update.absorb(outcome.update(&subject.account_sid, SignedDuration::ZERO, now));
        update.remove.extend(["lease", "lease_until"]);
        self.write(subject, update, precondition.condition(), precondition.values(now), Vec::new()).await
    }

    /// A transaction costs twice as much as a single write, so it is used only if other actions belong to the write.
    async fn write(
        &self,
        subject: &Subject,
        update: UpdateExpression,
        condition: &str,
        condition_values: Item,
        with: Vec<TransactWriteItem>,
    ) -> Result<OutcomeWrite, StoreError> {
        let operation = "writing an outcome to the Notifications table";
        if !with.is_empty() {
            let update = self.update_action(operation, subject, update, condition, condition_values)?;
            let actions = std::iter::once(update).chain(with).collect();
            return Ok(match transact(&self.client, operation, actions).await? {
                TransactionOutcome::Written => OutcomeWrite::Written,
                TransactionOutcome::Refused(_) => OutcomeWrite::Overtaken,
            });
        }
        let expression = update.expression();
        let values = update.values.into_iter().chain(condition_values).collect();
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&subject.account_sid, &subject.id)))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(values));
        Ok(match conditional(operation, request).await? {
            ConditionalWrite::Written(_) => OutcomeWrite::Written,
            ConditionalWrite::Refused(_) => OutcomeWrite::Overtaken,
        })
    }

    fn update_action(
        &self,
        operation: &'static str,
        subject: &Subject,
        update: UpdateExpression,
        condition: &str,
        condition_values: Item,
    ) -> Result<TransactWriteItem, StoreError> {
        let expression = update.expression();
        let values = update.values.into_iter().chain(condition_values).collect();
        let action = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(&subject.account_sid, &subject.id)))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().update(action).build())
    }
}

fn key(account_sid: &AccountSid, id: &NotificationId) -> Item {
    Item::from([("notification".to_owned(), text(format_args!("{account_sid}#{id}")))])
}

#[cfg(test)]
mod tests;
