//! Finds a notification by its id or its message.

use domain::notification::NotificationId;
use twilio_types::sid::{AccountSid, MessageSid};

use super::{Notifications, StoredNotification};
use crate::{attribute::text, dynamodb::StoreError};

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
        let found = self.of_message(account_sid, &message_sid).await?;
        Ok(found.filter(|found| found.subject.account_sid == *account_sid))
    }

    /// The notification that a message belongs to, whichever of its attempts became the message.
    pub async fn of_message(
        &self,
        account_sid: &AccountSid,
        message_sid: &MessageSid,
    ) -> Result<Option<StoredNotification>, StoreError> {
        match self.by_message_sid(message_sid).await? {
            Some(found) => Ok(Some(found)),
            None => self.owner_of(account_sid, message_sid).await,
        }
    }

    /// The notification whose latest message this is, if there is one. The index is updated about a second after the
    /// table.
    pub async fn by_message_sid(&self, message_sid: &MessageSid) -> Result<Option<StoredNotification>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_MESSAGE_SID)
            .key_condition_expression("message_sid = :sid")
            .expression_attribute_values(":sid", text(message_sid))
            .limit(1)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk(OPERATION, error))?;
        let Some(mut key) = found.items.unwrap_or_default().pop() else { return Ok(None) };
        // The items of the index also hold the key of the index.
        key.retain(|name, _| name == "notification");
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await;
        get.map_err(|error| StoreError::of_sdk(OPERATION, error))?.item.map(StoredNotification::read).transpose()
    }
}
