//! Finds a notification by its id or its message.

use domain::notification::NotificationId;
use twilio_types::sid::{AccountSid, MessageSid};

use super::{Notifications, StoredNotification};
use crate::{
    attribute::{text, text_in},
    dynamodb::{Item, StoreError},
};

const BY_MESSAGE_SID: &str = "by_message_sid";

const OPERATION: &str = "finding a message in the Notifications table";

impl Notifications {
    /// Finds a notification of an account by its id, or by the SID of one of its messages.
    pub async fn find(
        &self,
        account_sid: &AccountSid,
        id: &NotificationId,
    ) -> Result<Option<StoredNotification>, StoreError> {
        if let Some(found) = self.get(account_sid, id).await? {
            return Ok(Some(found));
        }
        let Ok(message_sid) = id.as_str().parse() else { return Ok(None) };
        self.of_message(account_sid, &message_sid).await
    }

    /// The notification that a message belongs to, whichever of its attempts became the message.
    pub async fn of_message(
        &self,
        account_sid: &AccountSid,
        message_sid: &MessageSid,
    ) -> Result<Option<StoredNotification>, StoreError> {
        match self.by_message_sid(account_sid, message_sid).await? {
            Some(found) => Ok(Some(found)),
            None => self.owner_of(account_sid, message_sid).await,
        }
    }

    /// The notification of the account whose latest message this is, if there is one. The index is updated about a second
    /// after the table.
    ///
    /// The index has the SID alone as its key, and the holder of another account's token can sign a callback with this
    /// SID, so the notifications of other accounts are left out.
    pub async fn by_message_sid(
        &self,
        account_sid: &AccountSid,
        message_sid: &MessageSid,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_MESSAGE_SID)
            .key_condition_expression("message_sid = :sid")
            .expression_attribute_values(":sid", text(message_sid))
            .send()
            .await
            .map_err(|error| StoreError::of_sdk(OPERATION, error))?;
        let Some(mut key) = of_account(account_sid, found.items.unwrap_or_default()) else { return Ok(None) };
        // The items of the index also hold the key of the index.
        key.retain(|name, _| name == "notification");
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await;
        get.map_err(|error| StoreError::of_sdk(OPERATION, error))?.item.map(StoredNotification::read).transpose()
    }
}

/// The first of these items that is a notification of the account.
fn of_account(account_sid: &AccountSid, items: Vec<Item>) -> Option<Item> {
    let prefix = format!("{account_sid}#");
    let is_of_account = |item: &Item| text_in(item, "notification").is_some_and(|key| key.starts_with(&prefix));
    items.into_iter().find(is_of_account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notification_of_another_account_with_this_sid_is_left_out() {
        let item = |account: u32| Item::from([("notification".to_owned(), text(format!("AC{account:032}#order-1")))]);
        let account_sid: AccountSid = format!("AC{:032}", 1).parse().unwrap();
        assert_eq!(of_account(&account_sid, vec![item(2), item(1), item(3)]), Some(item(1)));
        assert_eq!(of_account(&account_sid, vec![item(2)]), None);
    }
}
