//! When a person last wrote, and the notifications that wait for an answer: the facets `window` and `window#...`.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem, Update};
use domain::{
    contact_key::ContactKey,
    limits::{CONTACT_RETENTION, expiry},
    notification::NotificationId,
};
use jiff::Timestamp;
use twilio_types::{address::Address, sid::MessagingServiceSid};

use super::{Contacts, facts::WINDOW, key};
use crate::{
    attribute::{number, text, time},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

const OPENING: &str = "opening a service window in the Contacts table";

impl Contacts {
    /// Opens the service window of a sender, because the person wrote to it. The stored time never moves back. Gives
    /// the notifications that wait for an answer of the person.
    pub async fn open_window(
        &self,
        contact: &ContactKey,
        sender: &Address,
        messaging_service_sid: Option<&MessagingServiceSid>,
        at: Timestamp,
    ) -> Result<Vec<NotificationId>, StoreError> {
        let times = "last_inbound_at = :at, expires_at = :expires_at";
        self.move_window(contact, &format!("{WINDOW}#{sender}"), format!("SET {times}"), Item::new(), at).await?;
        let mut set = format!("SET {times}, sender = :sender");
        let mut values = Item::from([(":sender".to_owned(), text(sender))]);
        match messaging_service_sid {
            Some(sid) => {
                set.push_str(", messaging_service_sid = :service");
                values.insert(":service".to_owned(), text(sid));
            }
            None => set.push_str(" REMOVE messaging_service_sid"),
        }
        let window = self.move_window(contact, WINDOW, set, values, at).await?;
        let awaiting = window.get("awaiting").and_then(|ids| ids.as_ss().ok()).into_iter().flatten();
        Ok(awaiting.filter_map(|id| NotificationId::try_from(id.clone()).ok()).collect())
    }

    /// Gives the item after the write, or the stored one if it is newer.
    async fn move_window(
        &self,
        contact: &ContactKey,
        facet: &str,
        set: String,
        values: Item,
        at: Timestamp,
    ) -> Result<Item, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(contact, facet)))
            .update_expression(set)
            .condition_expression("attribute_not_exists(last_inbound_at) OR last_inbound_at < :at")
            .set_expression_attribute_values(Some(values))
            .expression_attribute_values(":at", time(at))
            .expression_attribute_values(":expires_at", number(expiry(at, CONTACT_RETENTION)))
            .return_values(ReturnValue::AllNew);
        match conditional(OPENING, update).await? {
            ConditionalWrite::Written(item) | ConditionalWrite::Refused(item) => Ok(item),
        }
    }

    /// The action of a transaction that lets a notification wait for the person's next message.
    pub fn await_reply(
        &self,
        contact: &ContactKey,
        id: &NotificationId,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let operation = "awaiting a reply in the Contacts table";
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(contact, WINDOW)))
            .update_expression("SET expires_at = :expires_at ADD awaiting :ids")
            .expression_attribute_values(":ids", AttributeValue::Ss(vec![id.to_string()]))
            .expression_attribute_values(":expires_at", number(expiry(now, CONTACT_RETENTION)))
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Records that notifications do not wait any more.
    pub async fn stop_awaiting(&self, contact: &ContactKey, ids: &[NotificationId]) -> Result<(), StoreError> {
        let ids = ids.iter().map(ToString::to_string).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(contact, WINDOW)))
            .update_expression("DELETE awaiting :ids")
            .expression_attribute_values(":ids", AttributeValue::Ss(ids));
        let sent = update.send().await;
        sent.map(drop).map_err(|error| StoreError::of_sdk("recording an answer in the Contacts table", error))
    }
}
