//! Which message a notification became, if Twilio's answer to the create call did not say it: a status callback names
//! it, or a search in Twilio's list of messages finds it.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use domain::{
    callback_url::CallbackOrigin,
    limits::{NOTIFICATION_RETENTION, expiry},
    notification::{FallbackChannel, NotificationId},
};
use jiff::{SignedDuration, Timestamp};
use twilio_types::{
    message_status::Stage,
    sid::{AccountSid, MessageSid},
};

use super::{
    NotificationOutcome, NotificationState, Notifications, StoredNotification, Subject, key,
    update_expression::UpdateExpression,
};
use crate::{
    attribute::{number, text},
    dynamodb::{Item, StoreError, TransactionOutcome, transact},
};

/// What became of assigning a message to a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageAssignment {
    Assigned,
    /// The message is another notification's.
    OwnedByAnother,
    /// The notification has changed since it was read.
    Overtaken,
}

impl Notifications {
    /// Assigns a message to a notification whose outcome was unknown, and makes the notification accepted. An item
    /// `message#AC#SM` makes sure that one message is not assigned to two notifications with the same content.
    pub async fn assign_message(
        &self,
        subject: &Subject,
        found: &StoredNotification,
        channel: FallbackChannel,
        message_sid: &MessageSid,
        now: Timestamp,
    ) -> Result<MessageAssignment, StoreError> {
        let operation = "assigning a message in the Notifications table";
        let outcome = NotificationOutcome::Accepted(message_sid.clone());
        let mut update = UpdateExpression::of_subject(subject, NotificationState::Accepted, now);
        update.absorb(outcome.update(&subject.account_sid, SignedDuration::ZERO, now));
        update.append_attempt(outcome.attempt(channel, now));
        update.remove.extend(["lease", "lease_until"]);
        let seen = Item::from([(":seen".to_owned(), text(found.updated_at))]);
        let update = self.update_action(operation, subject, update, "updated_at = :seen", seen)?;
        let owner = self.own_message_action(&subject.account_sid, &subject.id, message_sid, now)?;
        Ok(match transact(&self.client, operation, vec![update, owner]).await? {
            TransactionOutcome::Written => MessageAssignment::Assigned,
            TransactionOutcome::Refused(failed) if failed.first().is_some_and(Option::is_some) => {
                MessageAssignment::Overtaken
            }
            TransactionOutcome::Refused(_) => MessageAssignment::OwnedByAnother,
        })
    }

    fn own_message_action(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        message_sid: &MessageSid,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            // No notification has such a key: theirs begin with the account SID.
            .item("notification", text(format_args!("message#{account_sid}#{message_sid}")))
            .item("owner", text(id))
            .item("expires_at", number(expiry(now, NOTIFICATION_RETENTION)))
            .condition_expression("attribute_not_exists(notification) OR #owner = :id")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":id", text(id))
            .build()
            .map_err(|error| StoreError::new("assigning a message in the Notifications table", error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The action of a transaction that stores the message of an attempt, unless it is already stored. The status
    /// callback may come before Twilio's answer to the create call, or instead of it. A final status also closes the
    /// notification ([`Notifications::close`]).
    pub fn bind_message_action(
        &self,
        account_sid: &AccountSid,
        origin: &CallbackOrigin,
        message_sid: &MessageSid,
        stage: Stage,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut expression = "SET message_sid = if_not_exists(message_sid, :message_sid)".to_owned();
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, &origin.notification_id)))
            .expression_attribute_values(":message_sid", text(message_sid));
        if stage != Stage::Underway {
            expression.push_str(" REMOVE #open, open_until");
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
            .update_expression(expression)
            .condition_expression(condition)
            .build()
            .map_err(|error| StoreError::new("binding a message in the Notifications table", error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
