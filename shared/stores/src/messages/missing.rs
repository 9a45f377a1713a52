//! Finds events that are not recorded.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{MessageEvent, MessageSubject, Messages};
use crate::{
    attribute::{text, text_in},
    dynamodb::{Item, StoreError, batch_get},
};

impl Messages {
    /// Those of these events that are recorded, by the texts of both keys. The read is not consistent, so an event of the
    /// last second may be missing: recording it again is refused.
    pub async fn recorded(
        &self,
        wanted: &HashSet<(MessageSubject, MessageEvent)>,
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let operation = "looking up messages in the Messages table";
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(wanted.iter().map(|(subject, event)| key(subject, event)).collect()))
            .projection_expression("subject, event")
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        let found = batch_get(&self.client, operation, [(self.table.clone(), wanted)].into()).await?;
        Ok(found.into_values().flatten().filter_map(|item| read_key(&item)).collect())
    }
}

fn key(subject: &MessageSubject, event: &MessageEvent) -> Item {
    Item::from([("subject".to_owned(), text(subject)), ("event".to_owned(), text(event))])
}

fn read_key(item: &Item) -> Option<(String, String)> {
    Some((text_in(item, "subject")?.to_owned(), text_in(item, "event")?.to_owned()))
}
