//! A notification that Twilio took and then reported as failed is tried again, or by another way.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::notification::{FallbackChannel, NotificationId};
use jiff::Timestamp;
use twilio_types::sid::{AccountSid, MessageSid};

use super::{
    NextAttempt, NotificationOutcome, NotificationState, Notifications, StoredNotification, key,
    outcome::{STATE, UpdateExpression, attempt, names},
};
use crate::{
    attribute::text,
    dynamodb::{ConditionalWrite, StoreError, conditional},
};

/// A message that failed after Twilio had taken it.
#[derive(Debug, Clone)]
pub struct FailedMessage<'a> {
    /// The account.
    pub account_sid: &'a AccountSid,
    /// The notification it was sent for.
    pub id: &'a NotificationId,
    /// The message.
    pub message_sid: &'a MessageSid,
    /// Its channel.
    pub channel: FallbackChannel,
}

impl Notifications {
    /// Opens the notification of a failed message for another try, once: only where that message is what became of
    /// it. Gives it as it stands then, also when it was opened for this failure before, since what follows may not have
    /// been done.
    pub async fn reopen(
        &self,
        failure: &FailedMessage<'_>,
        next: &NextAttempt,
        now: Timestamp,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let operation = "reopening in the Notifications table";
        let outcome = NotificationOutcome::Waiting(next.clone());
        let mut change = UpdateExpression::default();
        change.set(STATE, text(NotificationState::Waiting.as_str()));
        change.set("updated_at", text(now));
        change.absorb(outcome.change(failure.account_sid, jiff::SignedDuration::ZERO, now));
        let mut tried = attempt(now, failure.channel, &outcome);
        tried.insert("message_sid".to_owned(), text(failure.message_sid));
        change.attempt(tried);
        let expression = change.expression();
        let conditions = [
            (":failed", failure.message_sid.as_str()),
            (":accepted", NotificationState::Accepted.as_str()),
            (":awaiting", NotificationState::AwaitingReply.as_str()),
        ];
        change.values.extend(conditions.map(|(name, value)| (name.to_owned(), text(value))));
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(failure.account_sid, failure.id)))
            .update_expression(expression)
            .condition_expression("message_sid = :failed AND #state IN (:accepted, :awaiting)")
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(change.values))
            .return_values(ReturnValue::AllNew);
        match conditional(operation, update).await? {
            ConditionalWrite::Written(item) => StoredNotification::read(item).map(Some),
            ConditionalWrite::Refused(item) if item.is_empty() => Ok(None),
            ConditionalWrite::Refused(item) => {
                let found = StoredNotification::read(item)?;
                let was_for_this = found.state == NotificationState::Waiting
                    && found.attempts.last().is_some_and(|last| last.message_sid.as_ref() == Some(failure.message_sid));
                Ok(was_for_this.then_some(found))
            }
        }
    }

    /// Notes under a key of its own that an id was used again for something else: what the id stands for stays as it
    /// is, and the sender is told all the same.
    pub async fn record_id_reuse(
        &self,
        subject: &super::Subject,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let digest = subject.digest.get(..16).unwrap_or_default();
        let outcome = NotificationOutcome::Rejected { reason: reason.to_owned(), code: None };
        let mut change = super::subject_change(subject, NotificationState::Rejected, now);
        change.absorb(outcome.change(&subject.account_sid, jiff::SignedDuration::ZERO, now));
        change.set("reuse", AttributeValue::Bool(true));
        let key = text(format_args!("reuse#{}#{}#{digest}", subject.account_sid, subject.id));
        self.client
            .update_item()
            .table_name(&self.table)
            .key("notification", key)
            .update_expression(change.expression())
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(change.values))
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("noting a reused id in the Notifications table", error))?;
        Ok(())
    }
}
