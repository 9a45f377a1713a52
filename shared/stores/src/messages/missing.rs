//! Finds events that are not recorded.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use twilio_types::sid::MessageSid;

use super::{MessageEvent, Messages, StoredMessage};
use crate::{
    attribute::{text, text_in},
    dynamodb::{Item, StoreError, batch_get},
};

impl Messages {
    /// The events that are not recorded. The read is not consistent, so an event of the last second may be among them:
    /// recording it again is refused.
    pub async fn missing(
        &self,
        events: impl IntoIterator<Item = (MessageSid, MessageEvent)>,
    ) -> Result<HashSet<(MessageSid, MessageEvent)>, StoreError> {
        let mut missing: HashSet<_> = events.into_iter().collect();
        for recorded in self.recorded(&missing).await? {
            missing.remove(&recorded);
        }
        Ok(missing)
    }

    async fn recorded(
        &self,
        wanted: &HashSet<(MessageSid, MessageEvent)>,
    ) -> Result<Vec<(MessageSid, MessageEvent)>, StoreError> {
        let operation = "looking up messages in the Messages table";
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(wanted.iter().map(|(sid, event)| key(sid, *event)).collect()))
            .projection_expression("message_sid, event")
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        let found = batch_get(&self.client, operation, [(self.table.clone(), wanted)].into()).await?;
        Ok(found.into_values().flatten().filter_map(|item| read_key(&item)).collect())
    }

    /// One of the recorded statuses of a message, if there is one.
    pub async fn any_status(&self, message_sid: &MessageSid) -> Result<Option<StoredMessage>, StoreError> {
        let answer = self
            .statuses_of(message_sid)
            .limit(1)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("finding a message's status", error))?;
        answer.items.unwrap_or_default().pop().map(Self::read).transpose()
    }
}

fn key(message_sid: &MessageSid, event: MessageEvent) -> Item {
    Item::from([("message_sid".to_owned(), text(message_sid)), ("event".to_owned(), text(event))])
}

fn read_key(item: &Item) -> Option<(MessageSid, MessageEvent)> {
    Some((text_in(item, "message_sid")?.parse().ok()?, text_in(item, "event")?.parse().ok()?))
}
