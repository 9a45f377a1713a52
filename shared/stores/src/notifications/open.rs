//! Open notifications: Twilio accepted them, and their outcome is not known. They are in the index `by_open` until it is.

use domain::notification::NotificationId;
use jiff::Timestamp;
use twilio_types::sid::{AccountSid, MessageSid};

use super::{Notifications, key};
use crate::{
    attribute::{number, text, text_in, time},
    dynamodb::{Item, StoreError, conditional},
};

/// Hash `open`, the account; range `open_until`, the time by which the outcome should be known.
const BY_OPEN: &str = "by_open";

/// An open notification whose outcome should be known by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverdueNotification {
    pub id: NotificationId,
    pub message_sid: MessageSid,
}

impl Notifications {
    /// The account's overdue notifications, the longest overdue first, at most `limit`.
    pub async fn overdue(
        &self,
        account_sid: &AccountSid,
        now: Timestamp,
        limit: i32,
    ) -> Result<Vec<OverdueNotification>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_OPEN)
            .key_condition_expression("#open = :account AND open_until < :now")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":account", text(account_sid))
            .expression_attribute_values(":now", time(now))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("listing overdue notifications", error))?;
        Ok(answer.items().iter().filter_map(|item| read(account_sid, item)).collect())
    }

    /// Closes a notification: the final status of its message is recorded, or will never be known.
    pub async fn close(&self, account_sid: &AccountSid, id: &NotificationId) -> Result<(), StoreError> {
        self.set_open(account_sid, id, "SET version = version + :one REMOVE #open, open_until", None).await
    }

    /// Leaves a notification open until a later time: its final status is not known yet.
    pub async fn postpone(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        self.set_open(account_sid, id, "SET version = version + :one, open_until = :until", Some(until)).await
    }

    async fn set_open(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        update: &str,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, id)))
            .update_expression(update)
            .condition_expression("attribute_exists(#open)")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":one", number(1));
        let update = match until {
            Some(until) => update.expression_attribute_values(":until", time(until)),
            None => update,
        };
        // A refusal means that the notification was closed meanwhile.
        conditional("closing in the Notifications table", update).await.map(drop)
    }
}

/// Reads an item of the index, which holds only the keys and the message.
fn read(account_sid: &AccountSid, item: &Item) -> Option<OverdueNotification> {
    let id = text_in(item, "notification")?.strip_prefix(account_sid.as_str())?.strip_prefix('#')?;
    Some(OverdueNotification {
        id: id.to_owned().try_into().ok()?,
        message_sid: text_in(item, "message_sid")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_item_is_an_overdue_notification() {
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let mut item = Item::from([
            ("notification".to_owned(), text("AC00000000000000000000000000000001#order#1")),
            ("message_sid".to_owned(), text("SM00000000000000000000000000000001")),
        ]);
        let overdue = read(&account_sid, &item).unwrap();
        assert_eq!(
            (overdue.id.as_str(), overdue.message_sid.as_str()),
            ("order#1", "SM00000000000000000000000000000001")
        );
        item.remove("message_sid");
        assert_eq!(read(&account_sid, &item), None);
    }
}
