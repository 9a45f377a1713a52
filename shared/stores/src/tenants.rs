//! The Tenants table: the versions of the tenants document. Keys: `document` (always `tenants`) and `version`.
//!
//! - `v000012`: a version, with its text, who applied it and when. It is never changed and never expires.
//! - `current`: the number of the version that counts. Functions read this small item every half minute, and a version only
//!   when the number has changed.
//!
//! One transaction writes both, on the condition that the number is still the one that the new version was compared with. So
//! no version is half written, and two operators never overwrite each other's. Written by `wa tenants apply`; read by the
//! functions.

use std::fmt;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Put, TransactWriteItem},
};
use domain::tenants::DocumentVersion;
use jiff::Timestamp;

use crate::{
    attribute::{number, text, text_in},
    dynamodb::{Item, StoreError, TransactionOutcome, transact},
};

#[derive(Debug, Clone)]
pub struct TenantsTable {
    client: Client,
    table: String,
}

/// A version of the document, without its text.
#[derive(Clone, PartialEq, Eq)]
pub struct VersionRecord {
    pub number: DocumentVersion,
    pub applied_at: Option<Timestamp>,
    /// The ARN of the operator.
    pub applied_by: Option<String>,
}

/// A version of the document with its text.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredVersion {
    pub record: VersionRecord,
    pub text: String,
}

impl fmt::Debug for VersionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionRecord")
            .field("number", &self.number)
            .field("applied_at", &self.applied_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StoredVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredVersion").field("record", &self.record).finish_non_exhaustive()
    }
}

/// What became of a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyOutcome {
    Applied(DocumentVersion),
    /// Another version was applied meanwhile.
    Changed,
}

/// The value of the key attribute `document`.
const DOCUMENT: &str = "tenants";

/// The sort key of the item that names the version that counts.
const CURRENT: &str = "current";

const NUMBER: &str = "number";
const TEXT: &str = "text";

const READING: &str = "reading the Tenants table";
const APPLYING: &str = "writing a version to the Tenants table";

impl TenantsTable {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The number of the version that counts; none if no document was ever applied, or if the item is lost.
    pub async fn current(&self) -> Result<Option<DocumentVersion>, StoreError> {
        let item = self.get(CURRENT.to_owned()).await?;
        item.as_ref().map(number_in).transpose()
    }

    /// A version with its text; none if it is not stored.
    pub async fn version(&self, number: DocumentVersion) -> Result<Option<StoredVersion>, StoreError> {
        self.get(sort_key(number)).await?.as_ref().map(read_version).transpose()
    }

    async fn get(&self, version: String) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(version))).consistent_read(true);
        Ok(get.send().await.map_err(|error| StoreError::of_sdk(READING, error))?.item)
    }

    /// The newest versions with their texts, the newest first: those of them that are complete.
    pub async fn newest(&self, count: i32) -> Result<Vec<StoredVersion>, StoreError> {
        let query = self.versions().limit(count);
        let found = query.send().await.map_err(|error| StoreError::of_sdk(READING, error))?;
        Ok(found.items.unwrap_or_default().iter().filter_map(|item| read_version(item).ok()).collect())
    }

    /// Whether a document was ever applied.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        let found = self.versions().limit(1).projection_expression("#version").send().await;
        Ok(found.map_err(|error| StoreError::of_sdk(READING, error))?.items.unwrap_or_default().is_empty())
    }

    /// All versions without their texts, the newest first.
    pub async fn history(&self) -> Result<Vec<VersionRecord>, StoreError> {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let query = self
                .versions()
                .projection_expression("#number, applied_at, applied_by")
                .expression_attribute_names("#number", NUMBER)
                .set_exclusive_start_key(start);
            let page = query.send().await.map_err(|error| StoreError::of_sdk(READING, error))?;
            for item in page.items.unwrap_or_default() {
                found.push(read_record(&item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    fn versions(&self) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#document = :document AND begins_with(#version, :prefix)")
            .expression_attribute_names("#document", "document")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":document", text(DOCUMENT))
            .expression_attribute_values(":prefix", text(VERSION_PREFIX))
            .scan_index_forward(false)
            .consistent_read(true)
    }

    /// Makes a text the version that counts, if `seen` is still the one that counts.
    pub async fn apply(
        &self,
        seen: Option<DocumentVersion>,
        text: &str,
        by: Option<&str>,
        now: Timestamp,
    ) -> Result<ApplyOutcome, StoreError> {
        let newest = self.newest_number().await?;
        let number = newest.max(seen).unwrap_or_default().saturating_add(1);
        let actions = vec![self.put_version(number, text, by, now)?, self.put_current(number, seen)?];
        match transact(&self.client, APPLYING, actions).await? {
            TransactionOutcome::Written => Ok(ApplyOutcome::Applied(number)),
            TransactionOutcome::Refused(_) => Ok(ApplyOutcome::Changed),
        }
    }

    /// The number of the newest version: also when the item that names the current one is lost, no number is used twice.
    async fn newest_number(&self) -> Result<Option<DocumentVersion>, StoreError> {
        let query =
            self.versions().limit(1).projection_expression("#number").expression_attribute_names("#number", NUMBER);
        let found = query.send().await.map_err(|error| StoreError::of_sdk(READING, error))?;
        found.items.unwrap_or_default().first().map(number_in).transpose()
    }

    fn put_version(
        &self,
        version: DocumentVersion,
        document: &str,
        by: Option<&str>,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item = key(sort_key(version));
        item.extend([
            (NUMBER.to_owned(), number(version)),
            (TEXT.to_owned(), text(document)),
            ("applied_at".to_owned(), text(now)),
        ]);
        item.extend(by.map(|by| ("applied_by".to_owned(), text(by))));
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        action(
            put.condition_expression("attribute_not_exists(#version)")
                .expression_attribute_names("#version", "version"),
        )
    }

    fn put_current(
        &self,
        version: DocumentVersion,
        seen: Option<DocumentVersion>,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item = key(CURRENT.to_owned());
        item.insert(NUMBER.to_owned(), number(version));
        let put =
            Put::builder().table_name(&self.table).set_item(Some(item)).expression_attribute_names("#number", NUMBER);
        action(match seen {
            Some(seen) => {
                put.condition_expression("#number = :seen").expression_attribute_values(":seen", number(seen))
            }
            None => put.condition_expression("attribute_not_exists(#number)"),
        })
    }
}

fn action(put: aws_sdk_dynamodb::types::builders::PutBuilder) -> Result<TransactWriteItem, StoreError> {
    let put = put.build().map_err(|error| StoreError::new(APPLYING, error))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

const VERSION_PREFIX: &str = "v";

/// Six digits, so that the order of the texts is the order of the numbers.
fn sort_key(number: DocumentVersion) -> String {
    format!("{VERSION_PREFIX}{number:06}")
}

fn key(version: String) -> Item {
    Item::from([("document".to_owned(), text(DOCUMENT)), ("version".to_owned(), AttributeValue::S(version))])
}

/// An item of the table is not as this version writes it.
#[derive(Debug, thiserror::Error)]
#[error("an item of the Tenants table has no {0}")]
struct IncompleteItem(&'static str);

fn number_in(item: &Item) -> Result<DocumentVersion, StoreError> {
    let number = item.get(NUMBER).and_then(|number| number.as_n().ok()?.parse().ok());
    number.ok_or_else(|| StoreError::new(READING, IncompleteItem(NUMBER)))
}

fn read_record(item: &Item) -> Result<VersionRecord, StoreError> {
    Ok(VersionRecord {
        number: number_in(item)?,
        applied_at: text_in(item, "applied_at").and_then(|at| at.parse().ok()),
        applied_by: text_in(item, "applied_by").map(str::to_owned),
    })
}

fn read_version(item: &Item) -> Result<StoredVersion, StoreError> {
    let record = read_record(item)?;
    let text = text_in(item, TEXT).ok_or_else(|| StoreError::new(READING, IncompleteItem(TEXT)))?;
    Ok(StoredVersion { record, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_their_numbers() {
        let keys = [1, 9, 10, 999, 1_000, 999_999].map(sort_key);
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(keys[2], "v000010");
        assert!(CURRENT < VERSION_PREFIX, "a query of versions does not find it");
    }

    #[test]
    fn incomplete_item_is_an_error_that_names_the_attribute() {
        let mut item = key(sort_key(1));
        assert!(number_in(&item).is_err());
        item.insert(NUMBER.to_owned(), number(1));
        let error = std::error::Error::source(&read_version(&item).unwrap_err()).unwrap().to_string();
        assert_eq!(error, "an item of the Tenants table has no text");
        item.insert(TEXT.to_owned(), text("{}"));
        assert_eq!(read_version(&item).unwrap().text, "{}");
    }
}
