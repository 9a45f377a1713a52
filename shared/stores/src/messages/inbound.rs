//! One message of a person.

use twilio_types::sid::{AccountSid, MessageSid};

use super::{MessageEvent, MessageSubject, Messages, StoredMessage};
use crate::{
    attribute::text,
    dynamodb::{Item, StoreError},
};

impl Messages {
    /// The message that a person sent to this account, read consistently; none if none is stored.
    pub async fn inbound(
        &self,
        account_sid: &AccountSid,
        message_sid: &MessageSid,
    ) -> Result<Option<StoredMessage>, StoreError> {
        let subject = MessageSubject::Message(account_sid.clone(), message_sid.clone());
        let key = Item::from([
            ("subject".to_owned(), text(subject)),
            ("event".to_owned(), text(String::from(MessageEvent::Inbound))),
        ]);
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        let answer = get.send().await;
        let answer = answer.map_err(|error| StoreError::of_sdk("reading a message from the Messages table", error))?;
        answer.item.map(Self::read).transpose()
    }
}
