//! Notifications that Twilio took and of whose message no end is known: in the index `by_open` until one is.

use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::AttributeValue};
use domain::notification::NotificationId;
use jiff::Timestamp;
use twilio_types::sid::{AccountSid, MessageSid};

use super::{Notifications, key};
use crate::dynamodb::{Item, StoreError, sortable};

/// Hash `open`, the account, and range `open_until`, the time by which an end should be known.
const BY_OPEN: &str = "by_open";

/// A notification whose message should have come to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverdueNotification {
    /// Its id.
    pub id: NotificationId,
    /// Its message.
    pub message_sid: MessageSid,
}

impl Notifications {
    /// The account's notifications that are open past their time, the longest first, at most `limit`.
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
            .expression_attribute_values(":account", AttributeValue::S(account_sid.to_string()))
            .expression_attribute_values(":now", sortable(now))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("listing overdue notifications", error))?;
        Ok(answer.items().iter().filter_map(|item| read(account_sid, item)).collect())
    }

    /// An end is known, or will never be: the notification is not looked at again.
    pub async fn close(&self, account_sid: &AccountSid, id: &NotificationId) -> Result<(), StoreError> {
        self.set_open(account_sid, id, "REMOVE #open, open_until", None).await
    }

    /// No end is known yet: the notification is looked at again after a time.
    pub async fn postpone(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        self.set_open(account_sid, id, "SET open_until = :until", Some(until)).await
    }

    async fn set_open(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
        update: &str,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let values = until.map(|until| [(":until".to_owned(), sortable(until))].into());
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account_sid, id)))
            .update_expression(update)
            .condition_expression("attribute_exists(#open)")
            .expression_attribute_names("#open", "open")
            .set_expression_attribute_values(values)
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            // Closed meanwhile.
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::of_sdk("closing in the Notifications table", error)),
        }
    }
}

/// As the index has it: the keys and the message.
fn read(account_sid: &AccountSid, item: &Item) -> Option<OverdueNotification> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    let id = text("notification")?.strip_prefix(account_sid.as_str())?.strip_prefix('#')?;
    Some(OverdueNotification { id: id.to_owned().try_into().ok()?, message_sid: text("message_sid")?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_of_the_index_is_read() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
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
