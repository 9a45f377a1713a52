//! A restore of the tables that is under way: the items `restore#<scope>` of the `RateLimits` table, which itself is never
//! restored. As long as one exists, `wa resume` does not end the pause that it began with. Only `wa restore` writes them, and they
//! never expire.

use aws_sdk_dynamodb::Client;
use domain::pause::PauseScope;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    attribute::text,
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
    format,
};

#[derive(Debug, Clone)]
pub struct RestoreStore {
    client: Client,
    table: String,
}

/// A restore that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The time to which the tables are restored.
    pub to: Timestamp,
    pub begun_at: Timestamp,
    /// The ARN of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What became of beginning a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreBeginning {
    Begun,
    /// This one has not ended. Nothing was written.
    AlreadyBegun(Restore),
}

const OPERATION: &str = "reading or writing a restore in the RateLimits table";

impl RestoreStore {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The restore of what this scope covers, if one is under way.
    pub async fn get(&self, scope: &PauseScope) -> Result<Option<Restore>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(scope))).consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::of_sdk(OPERATION, error))?;
        answer.item.map(read).transpose()
    }

    /// Begins a restore, unless one of the same scope is under way.
    pub async fn begin(&self, scope: &PauseScope, restore: &Restore) -> Result<RestoreBeginning, StoreError> {
        let mut item: Item = serde_dynamo::to_item(restore).map_err(|error| StoreError::new(OPERATION, error))?;
        item.extend(key(scope));
        format::RESTORE.mark(&mut item);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        match conditional(OPERATION, put.condition_expression("attribute_not_exists(sender)")).await? {
            ConditionalWrite::Written(_) => Ok(RestoreBeginning::Begun),
            ConditionalWrite::Refused(item) => read(item).map(RestoreBeginning::AlreadyBegun),
        }
    }

    /// Ends the restore of a scope.
    pub async fn end(&self, scope: &PauseScope) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key(scope)));
        delete.send().await.map(drop).map_err(|error| StoreError::of_sdk(OPERATION, error))
    }
}

fn key(scope: &PauseScope) -> Item {
    Item::from([("sender".to_owned(), text(format_args!("restore#{scope}")))])
}

fn read(item: Item) -> Result<Restore, StoreError> {
    format::RESTORE.check(OPERATION, &item)?;
    serde_dynamo::from_item(item).map_err(|error| StoreError::new(OPERATION, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restore_is_read_back_from_its_item() {
        let restore = Restore {
            to: "2026-11-20T09:00:00.5Z".parse().unwrap(),
            begun_at: "2026-11-20T10:00:00Z".parse().unwrap(),
            by: Some("arn:aws:iam::123456789012:user/ava".to_owned()),
        };
        let mut item: Item = serde_dynamo::to_item(&restore).unwrap();
        item.extend(key(&PauseScope::All));
        assert_eq!(item.get("sender"), Some(&text("restore#all")));
        assert_eq!(read(item).unwrap(), restore);
    }
}
