//! Attempts after the first: a notification whose message failed after Twilio accepted it, and an id that is used
//! again.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::notification::{FallbackChannel, NotificationId};
use jiff::{SignedDuration, Timestamp};
use twilio_types::sid::{AccountSid, MessageSid};

use super::{
    NextAttempt, NotificationOutcome, NotificationState, Notifications, StoredNotification, Subject, key,
    update_expression::{STATE, UpdateExpression, names},
};
use crate::{
    attribute::text,
    dynamodb::{ConditionalWrite, StoreError, conditional},
};

/// A message that failed after Twilio accepted it.
#[derive(Debug, Clone)]
pub struct FailedMessage<'a> {
    pub account_sid: &'a AccountSid,
    /// The notification that it was sent for.
    pub id: &'a NotificationId,
    pub message_sid: &'a MessageSid,
    pub channel: FallbackChannel,
}

impl Notifications {
    /// Makes the notification of a failed message claimable again, if that message is still its latest one. A second
    /// call for the same failure gives the notification too, because the caller may have stopped before it queued the
    /// notification.
    pub async fn reopen(
        &self,
        failure: &FailedMessage<'_>,
        next: &NextAttempt,
        now: Timestamp,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let operation = "reopening in the Notifications table";
        let outcome = NotificationOutcome::Waiting(next.clone());
        let mut update = UpdateExpression::default();
        update.set(STATE, text(NotificationState::Waiting.as_str()));
        update.set("updated_at", text(now));
        update.absorb(outcome.update(failure.account_sid, SignedDuration::ZERO, now));
        let mut attempt = outcome.attempt(failure.channel, now);
        attempt.insert("message_sid".to_owned(), text(failure.message_sid));
        update.append_attempt(attempt);
        let expression = update.expression();
        let conditions = [
            (":failed", failure.message_sid.as_str()),
            (":accepted", NotificationState::Accepted.as_str()),
            (":awaiting", NotificationState::AwaitingReply.as_str()),
        ];
        update.values.extend(conditions.map(|(name, value)| (name.to_owned(), text(value))));
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(failure.account_sid, failure.id)))
            .update_expression(expression)
            .condition_expression("message_sid = :failed AND #state IN (:accepted, :awaiting)")
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(update.values))
            .return_values(ReturnValue::AllNew);
        match conditional(operation, request).await? {
            ConditionalWrite::Written(item) => StoredNotification::read(item).map(Some),
            ConditionalWrite::Refused(item) if item.is_empty() => Ok(None),
            ConditionalWrite::Refused(item) => {
                let found = StoredNotification::read(item)?;
                let was_reopened = found.state == NotificationState::Waiting
                    && found.attempts.last().is_some_and(|last| last.message_sid.as_ref() == Some(failure.message_sid));
                Ok(was_reopened.then_some(found))
            }
        }
    }

    /// Records that an id was used for a second notification, under a separate key: the item of the first notification
    /// does not change, and the stream publishes an event about the second.
    pub async fn record_id_reuse(&self, subject: &Subject, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let digest = subject.digest.get(..16).unwrap_or_default();
        let outcome = NotificationOutcome::Rejected { reason: reason.to_owned(), code: None };
        let mut update = UpdateExpression::of_subject(subject, NotificationState::Rejected, now);
        update.absorb(outcome.update(&subject.account_sid, SignedDuration::ZERO, now));
        update.set("reuse", AttributeValue::Bool(true));
        let key = text(format_args!("reuse#{}#{}#{digest}", subject.account_sid, subject.id));
        self.client
            .update_item()
            .table_name(&self.table)
            .key("notification", key)
            .update_expression(update.expression())
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(update.values))
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("recording a reused id in the Notifications table", error))?;
        Ok(())
    }
}
