//! Which of many happenings are recorded, and what is known of a message.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::{Happening, Messages, StoredMessage};
use crate::{
    dynamodb::{Item, StoreError},
    sid::MessageSid,
};

/// Source: Amazon DynamoDB, "`BatchGetItem`".
const MAX_KEYS: usize = 100;

/// DynamoDB leaves keys of a batch unprocessed when it is throttled; past so many rounds it stays so for a while.
const ROUNDS: usize = 8;

impl Messages {
    /// Those of the happenings that are not recorded. What was recorded within the last second may be among them:
    /// recording it again is refused.
    pub async fn missing(
        &self,
        happenings: impl IntoIterator<Item = (MessageSid, Happening)>,
    ) -> Result<HashSet<(MessageSid, Happening)>, StoreError> {
        let mut missing: HashSet<_> = happenings.into_iter().collect();
        let wanted: Vec<_> = missing.iter().cloned().collect();
        for keys in wanted.chunks(MAX_KEYS) {
            for recorded in self.recorded(keys).await? {
                missing.remove(&recorded);
            }
        }
        Ok(missing)
    }

    async fn recorded(&self, wanted: &[(MessageSid, Happening)]) -> Result<Vec<(MessageSid, Happening)>, StoreError> {
        let operation = "looking up messages in the Messages table";
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(wanted.iter().map(|(sid, event)| key(sid, *event)).collect()))
            .projection_expression("message_sid, event")
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        let mut request = Some([(self.table.clone(), wanted)].into());
        let mut recorded = Vec::new();
        for _ in 0..ROUNDS {
            let answer = self.client.batch_get_item().set_request_items(request.take()).send().await;
            let answer = answer.map_err(|error| StoreError::of_sdk(operation, error))?;
            let found = answer.responses.into_iter().flatten().flat_map(|(_, items)| items);
            recorded.extend(found.filter_map(|item| read_key(&item)));
            request = answer.unprocessed_keys.filter(|keys| !keys.is_empty());
            if request.is_none() {
                return Ok(recorded);
            }
        }
        Err(StoreError::contended(operation))
    }

    /// One of the statuses that are recorded of a message, if any is.
    pub async fn any_status(&self, message_sid: &MessageSid) -> Result<Option<StoredMessage>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("message_sid = :sid AND begins_with(event, :status)")
            .expression_attribute_values(":sid", AttributeValue::S(message_sid.to_string()))
            .expression_attribute_values(":status", AttributeValue::S("status#".to_owned()))
            .limit(1)
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("finding a message's status", error))?;
        answer.items.unwrap_or_default().pop().map(Self::read).transpose()
    }
}

fn key(message_sid: &MessageSid, event: Happening) -> Item {
    Item::from([
        ("message_sid".to_owned(), AttributeValue::S(message_sid.to_string())),
        ("event".to_owned(), AttributeValue::S(event.to_string())),
    ])
}

fn read_key(item: &Item) -> Option<(MessageSid, Happening)> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    Some((text("message_sid")?.parse().ok()?, text("event")?.parse().ok()?))
}
