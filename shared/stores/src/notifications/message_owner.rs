//! Which notification a message belongs to, if the answer to its request did not say it: the items `message#AC#SM`. They
//! make sure that one message is not taken for that of two notifications with the same content. Twilio's list cannot tell the
//! two apart; if a late callback then names the other one, that one needs a message too.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::{
    limits::{NOTIFICATION_RETENTION, expiry},
    notification::NotificationId,
};
use jiff::Timestamp;
use twilio_types::sid::{AccountSid, MessageSid};

use super::{Notifications, StoredNotification, Subject};
use crate::{
    attribute::{number, text, text_in},
    dynamodb::{FailedCondition, StoreError, TransactionOutcome, transact},
    format,
};

const OPERATION: &str = "assigning a message in the Notifications table";

/// What became of assigning a message to a notification.
#[derive(Debug)]
pub enum MessageAssignment {
    Assigned,
    /// The message is another notification's.
    OwnedByAnother,
    /// The notification has changed since it was read: this is its stored item, if one is stored.
    Changed(Option<Box<StoredNotification>>),
}

impl Notifications {
    /// Writes a notification whose last attempt got a message by a callback or by Twilio's list, unless another notification
    /// owns the message.
    pub async fn assign_message(
        &self,
        seen: i64,
        after: &StoredNotification,
        message_sid: &MessageSid,
        now: Timestamp,
    ) -> Result<MessageAssignment, StoreError> {
        let subject = &after.subject;
        let owner = self.own_message_action(&subject.account_sid, &subject.id, message_sid, now)?;
        let actions = vec![self.put_action(Some(seen), after, now)?, owner];
        let refusals = match transact(&self.client, OPERATION, actions).await? {
            TransactionOutcome::Written => return Ok(MessageAssignment::Assigned),
            TransactionOutcome::Refused(refusals) => refusals,
        };
        match refusals.into_iter().next().flatten() {
            None => Ok(MessageAssignment::OwnedByAnother),
            Some(FailedCondition { item }) if item.is_empty() => Ok(MessageAssignment::Changed(None)),
            Some(FailedCondition { item }) => {
                Ok(MessageAssignment::Changed(Some(Box::new(StoredNotification::read(item)?))))
            }
        }
    }

    /// The action that makes a notification the owner of a message, unless one owns it already. It is never refused.
    pub(super) fn keep_owner_action(
        &self,
        subject: &Subject,
        message_sid: &MessageSid,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("notification", owner_key(&subject.account_sid, message_sid))
            .update_expression("SET #owner = if_not_exists(#owner, :id), expires_at = :expires_at")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":id", text(&subject.id))
            .expression_attribute_values(":expires_at", number(expiry(now, NOTIFICATION_RETENTION)))
            .build()
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The notification that owns a message which is not the last one of any notification.
    pub(super) async fn owner_of(
        &self,
        account_sid: &AccountSid,
        message_sid: &MessageSid,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let get = self.client.get_item().table_name(&self.table);
        let answer = get.key("notification", owner_key(account_sid, message_sid)).send().await;
        let item = answer.map_err(|error| StoreError::of_sdk("finding a message's owner", error))?.item;
        let id = item.as_ref().and_then(|item| text_in(item, "owner")).map(str::to_owned);
        match id.and_then(|id| NotificationId::try_from(id).ok()) {
            Some(id) => self.get(account_sid, &id).await,
            None => Ok(None),
        }
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
            .item("notification", owner_key(account_sid, message_sid))
            .item("owner", text(id))
            .item(format::ATTRIBUTE, format::NOTIFICATION.value())
            .item("expires_at", number(expiry(now, NOTIFICATION_RETENTION)))
            .condition_expression("attribute_not_exists(notification) OR #owner = :id")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":id", text(id))
            .build()
            .map_err(|error| StoreError::new(OPERATION, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// No notification has such a key: theirs begin with the account SID.
fn owner_key(account_sid: &AccountSid, message_sid: &MessageSid) -> AttributeValue {
    text(format_args!("message#{account_sid}#{message_sid}"))
}
