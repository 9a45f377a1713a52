//! What is paused: the item `pauses` of the `RateLimits` table, whose key attribute is `sender`. It never expires.
//!
//! Each pause is an attribute, a map, named by the pause's scope, and `paused` counts them. One update writes or removes
//! one pause, so two operators never overwrite each other's. Written by `wa pause` and `wa resume`, and by `publish` for an
//! automatic pause; read by `send` with each batch and by `release` at each run, and therefore bounded.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes, ReturnValue},
};
use domain::pause::{Pause, PauseScope, Pauses};

use crate::{
    attribute::{number, text},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional, consistent_keys},
};

#[derive(Debug, Clone)]
pub struct PauseStore {
    client: Client,
    table: String,
}

/// What became of a request to pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseOutcome {
    Paused,
    /// The same scope was paused before, by this pause.
    AlreadyPaused(Pause),
    /// As many scopes as possible are paused.
    Full,
}

/// The most pauses at a time. `send` reads all of them with each batch.
pub const MAX_PAUSES: usize = 100;

/// The most characters of a reason.
pub const MAX_REASON_CHARS: usize = 200;

/// The value of the key attribute `sender`.
const KEY: &str = "pauses";

/// The attribute that counts the pauses.
const COUNT: &str = "paused";

const READING: &str = "reading the pauses in the RateLimits table";

impl PauseStore {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// What a batch read asks for: the item of the pauses.
    pub fn batch_key(&self) -> Result<(String, KeysAndAttributes), StoreError> {
        Ok((self.table.clone(), consistent_keys(READING, [key()])?))
    }

    /// The pauses in the item that a batch read found, if it found one. An item that cannot be read is an error and not
    /// "nothing is paused", because the pause that cannot be read may be the one that protects people.
    pub fn read_item(item: Option<Item>) -> Result<Pauses, StoreError> {
        item.unwrap_or_default().into_values().filter(AttributeValue::is_m).map(read).collect()
    }

    pub async fn get(&self) -> Result<Pauses, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key())).consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk(READING, error))?;
        Self::read_item(answer.item)
    }

    /// Writes a pause, unless the same scope is paused already.
    pub async fn pause(&self, pause: &Pause) -> Result<PauseOutcome, StoreError> {
        let operation = "pausing in the RateLimits table";
        let value = serde_dynamo::to_attribute_value(pause).map_err(|error| StoreError::new(operation, error))?;
        let scope = pause.scope.to_string();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key()))
            .update_expression("SET #scope = :pause ADD #count :one")
            .condition_expression("attribute_not_exists(#scope) AND (attribute_not_exists(#count) OR #count < :max)")
            .expression_attribute_names("#scope", &scope)
            .expression_attribute_names("#count", COUNT)
            .expression_attribute_values(":pause", value)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":max", number(MAX_PAUSES));
        match conditional(operation, update).await? {
            ConditionalWrite::Written(_) => Ok(PauseOutcome::Paused),
            ConditionalWrite::Refused(mut item) => match item.remove(&scope) {
                Some(stored) => Ok(PauseOutcome::AlreadyPaused(read(stored)?)),
                None => Ok(PauseOutcome::Full),
            },
        }
    }

    /// Removes the pause of this scope, and returns it; none if the scope is not paused.
    pub async fn resume(&self, scope: &PauseScope) -> Result<Option<Pause>, StoreError> {
        let operation = "resuming in the RateLimits table";
        let scope = scope.to_string();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key()))
            .update_expression("REMOVE #scope ADD #count :less")
            .condition_expression("attribute_exists(#scope)")
            .expression_attribute_names("#scope", &scope)
            .expression_attribute_names("#count", COUNT)
            .expression_attribute_values(":less", number(-1))
            .return_values(ReturnValue::AllOld);
        match conditional(operation, update).await? {
            ConditionalWrite::Written(mut item) => item.remove(&scope).map(read).transpose(),
            ConditionalWrite::Refused(_) => Ok(None),
        }
    }
}

fn key() -> Item {
    Item::from([("sender".to_owned(), text(KEY))])
}

fn read(value: AttributeValue) -> Result<Pause, StoreError> {
    serde_dynamo::from_attribute_value(value).map_err(|error| StoreError::new(READING, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(scope: &str) -> Pause {
        Pause {
            scope: scope.parse().unwrap(),
            since: "2026-11-20T09:00:00.123456789Z".parse().unwrap(),
            by: Some("arn:aws:iam::123456789012:user/ava".to_owned()),
            reason: None,
            is_automatic: false,
        }
    }

    fn item(pauses: &[Pause]) -> Item {
        let stored = pauses.iter().map(|pause| {
            (pause.scope.to_string(), serde_dynamo::to_attribute_value::<_, AttributeValue>(pause).unwrap())
        });
        key().into_iter().chain([(COUNT.to_owned(), number(pauses.len()))]).chain(stored).collect()
    }

    #[test]
    fn pauses_are_read_back_from_their_item() {
        let pauses = [pause("all"), pause("sender#whatsapp:+14155238886"), pause("category#marketing")];
        let read = PauseStore::read_item(Some(item(&pauses))).unwrap();
        assert_eq!(read, pauses.into_iter().collect());
        assert_eq!(PauseStore::read_item(Some(item(&[]))).unwrap(), Pauses::default());
        assert_eq!(PauseStore::read_item(None).unwrap(), Pauses::default());
    }

    #[test]
    fn pause_that_cannot_be_read_is_an_error() {
        let mut unreadable = item(&[pause("all")]);
        unreadable
            .insert("country#BR".to_owned(), AttributeValue::M(Item::from([("scope".to_owned(), text("country#BR"))])));
        assert!(PauseStore::read_item(Some(unreadable)).is_err());
    }
}
