//! What the stores share: their error, conditional writes, transactions and batch reads, and the retries of transaction
//! conflicts.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    error::Error,
    fmt,
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        delete_item::{DeleteItemError, builders::DeleteItemFluentBuilder},
        put_item::{PutItemError, builders::PutItemFluentBuilder},
        transact_write_items::TransactWriteItemsError,
        update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    },
    types::{
        AttributeValue, CancellationReason, KeysAndAttributes, ReturnValuesOnConditionCheckFailure::AllOld,
        TransactWriteItem, error::ConditionalCheckFailedException,
    },
};
use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

use crate::fault::AwsFault;

pub type Item = HashMap<String, AttributeValue>;

/// A request to a table failed. A refused condition is not an error but an outcome.
#[derive(thiserror::Error)]
#[error("{operation} failed")]
pub struct StoreError {
    operation: &'static str,
    /// Another transaction held an item of the request.
    conflict: bool,
    fault: AwsFault,
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Debug for StoreError {
    /// The `Debug` of the SDK's errors shows items, so the sources are shown by their messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sources = Vec::new();
        let mut next = Error::source(self);
        while let Some(error) = next {
            sources.push(error.to_string());
            next = error.source();
        }
        f.debug_struct("StoreError")
            .field("operation", &self.operation)
            .field("fault", &self.fault)
            .field("sources", &sources)
            .finish_non_exhaustive()
    }
}

impl StoreError {
    /// An error in a request or in stored data. `operation` names the verb and the table.
    pub(crate) fn new(operation: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { operation, conflict: false, fault: AwsFault::Invalid, source: Box::new(source) }
    }

    /// An error of the SDK.
    pub(crate) fn of_sdk<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let conflict = error.code() == Some("TransactionConflictException");
        let error = Self { operation, conflict: false, fault: AwsFault::of(&error), source: Box::new(error) };
        if conflict { error.into_conflict() } else { error }
    }

    /// The same error, because another transaction held the item: the same request may succeed later.
    fn into_conflict(self) -> Self {
        Self { conflict: true, fault: AwsFault::Unavailable, ..self }
    }

    /// An operation that gave up, because other writers changed the item before each of its attempts.
    pub fn contended(operation: &'static str) -> Self {
        let source = "other writers changed the item before every attempt".into();
        Self { operation, conflict: true, fault: AwsFault::Unavailable, source }
    }

    pub fn fault(&self) -> AwsFault {
        self.fault
    }

    fn is_conflict(&self) -> bool {
        self.conflict
    }
}

/// What became of a transaction.
#[derive(Debug)]
pub enum TransactionOutcome {
    Written,
    /// Nothing was written. For each action in its order: its condition, if that did not hold.
    Refused(Vec<Option<FailedCondition>>),
}

/// The condition of an action that did not hold.
pub struct FailedCondition {
    /// The stored item; empty if none is stored, or if the action did not ask for it.
    pub item: Item,
}

impl fmt::Debug for FailedCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedCondition").field("attributes", &self.item.len()).finish_non_exhaustive()
    }
}

/// A transaction holds its items for milliseconds. The pauses before the six retries are 20, 40, 80, 160, 200 and 200
/// ms, each lengthened by a random part of itself, since backon adds its jitter: 0.7 to 1.4 s in all. The requests come
/// on top; a webhook function has 10 s.
fn conflict_backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(200))
        .with_max_times(6)
}

/// Repeats a write while another transaction holds its item. The SDK does not retry these.
///
/// Source: Amazon DynamoDB, "Transactions: conflict handling".
async fn retry_conflicts<T, F>(write: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    write.retry(conflict_backoff()).when(StoreError::is_conflict).await
}

/// What became of a write of one item under a condition.
pub(crate) enum ConditionalWrite {
    /// The attributes that the request asked for by `ReturnValues`; none by default.
    Written(Item),
    /// The condition does not hold for the stored item, which is empty if none is stored.
    Refused(Item),
}

impl fmt::Debug for ConditionalWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(_) => f.write_str("Written(..)"),
            Self::Refused(_) => f.write_str("Refused(..)"),
        }
    }
}

/// A request that writes one item under a condition.
pub(crate) trait ConditionalRequest: Clone {
    type Failure: Error + ProvideErrorMetadata + Send + Sync + 'static;

    /// Sends the request. If the condition does not hold, the error brings the stored item.
    async fn attempt(self) -> Result<Item, SdkError<Self::Failure, HttpResponse>>;

    fn refusal(failure: &Self::Failure) -> Option<&ConditionalCheckFailedException>;
}

impl ConditionalRequest for PutItemFluentBuilder {
    type Failure = PutItemError;

    async fn attempt(self) -> Result<Item, SdkError<PutItemError, HttpResponse>> {
        let answer = self.return_values_on_condition_check_failure(AllOld).send().await?;
        Ok(answer.attributes.unwrap_or_default())
    }

    fn refusal(failure: &PutItemError) -> Option<&ConditionalCheckFailedException> {
        if let PutItemError::ConditionalCheckFailedException(refused) = failure { Some(refused) } else { None }
    }
}

impl ConditionalRequest for UpdateItemFluentBuilder {
    type Failure = UpdateItemError;

    async fn attempt(self) -> Result<Item, SdkError<UpdateItemError, HttpResponse>> {
        let answer = self.return_values_on_condition_check_failure(AllOld).send().await?;
        Ok(answer.attributes.unwrap_or_default())
    }

    fn refusal(failure: &UpdateItemError) -> Option<&ConditionalCheckFailedException> {
        if let UpdateItemError::ConditionalCheckFailedException(refused) = failure { Some(refused) } else { None }
    }
}

impl ConditionalRequest for DeleteItemFluentBuilder {
    type Failure = DeleteItemError;

    async fn attempt(self) -> Result<Item, SdkError<DeleteItemError, HttpResponse>> {
        let answer = self.return_values_on_condition_check_failure(AllOld).send().await?;
        Ok(answer.attributes.unwrap_or_default())
    }

    fn refusal(failure: &DeleteItemError) -> Option<&ConditionalCheckFailedException> {
        if let DeleteItemError::ConditionalCheckFailedException(refused) = failure { Some(refused) } else { None }
    }
}

/// Writes one item under the condition of the request.
pub(crate) async fn conditional<R: ConditionalRequest>(
    operation: &'static str,
    request: R,
) -> Result<ConditionalWrite, StoreError> {
    retry_conflicts(|| async {
        // On the heap, because the future of a request has several kilobytes.
        let error = match Box::pin(request.clone().attempt()).await {
            Ok(item) => return Ok(ConditionalWrite::Written(item)),
            Err(error) => error,
        };
        match error.as_service_error().and_then(R::refusal) {
            Some(refused) => Ok(ConditionalWrite::Refused(refused.item().cloned().unwrap_or_default())),
            None => Err(StoreError::of_sdk(operation, error)),
        }
    })
    .await
}

/// Writes all actions or none, in one request. An action that needs the item that refused it asks for `ALL_OLD`.
pub async fn transact(
    client: &Client,
    operation: &'static str,
    actions: Vec<TransactWriteItem>,
) -> Result<TransactionOutcome, StoreError> {
    retry_conflicts(|| async {
        let result = client.transact_write_items().set_transact_items(Some(actions.clone())).send().await;
        let Err(error) = result else { return Ok(TransactionOutcome::Written) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let reasons = canceled.cancellation_reasons();
                if reasons.iter().any(is_refusal) {
                    return Ok(TransactionOutcome::Refused(reasons.iter().map(refusal).collect()));
                }
                let conflict = reasons.iter().any(|reason| reason.code() == Some("TransactionConflict"));
                let error = StoreError::of_sdk(operation, error);
                Err(if conflict { error.into_conflict() } else { error })
            }
            _ => Err(StoreError::of_sdk(operation, error)),
        }
    })
    .await
}

/// The most keys that one request may name, over all tables. Source: Amazon DynamoDB API Reference, "`BatchGetItem`".
const MAX_BATCH_GET_KEYS: usize = 100;

/// Reads any number of items of several tables, by the tables' names, in as few requests as DynamoDB allows.
pub async fn batch_get(
    client: &Client,
    operation: &'static str,
    wanted: BTreeMap<String, KeysAndAttributes>,
) -> Result<HashMap<String, Vec<Item>>, StoreError> {
    let mut found: HashMap<String, Vec<Item>> = HashMap::new();
    for request in batch_get_requests(wanted) {
        for (table, items) in batch_get_once(client, operation, request).await? {
            found.entry(table).or_default().extend(items);
        }
    }
    Ok(found)
}

/// Divides a read into requests that DynamoDB accepts: it refuses too many keys over all tables, no keys, and a key that
/// is named twice.
fn batch_get_requests(wanted: BTreeMap<String, KeysAndAttributes>) -> Vec<HashMap<String, KeysAndAttributes>> {
    let mut requests = Vec::new();
    let mut request = HashMap::new();
    let mut keys_in_request = 0;
    for (table, mut settings) in wanted {
        for key in distinct(std::mem::take(&mut settings.keys)) {
            if keys_in_request == MAX_BATCH_GET_KEYS {
                requests.push(std::mem::take(&mut request));
                keys_in_request = 0;
            }
            request.entry(table.clone()).or_insert_with(|| settings.clone()).keys.push(key);
            keys_in_request += 1;
        }
    }
    requests.extend((keys_in_request > 0).then_some(request));
    requests
}

/// Each key once.
fn distinct(keys: Vec<Item>) -> impl Iterator<Item = Item> {
    let mut seen = BTreeSet::new();
    // An attribute's value can be neither hashed nor sorted; its `Debug` form shows the type and the whole value.
    let identity = |key: &Item| -> BTreeMap<String, String> {
        key.iter().map(|(name, value)| (name.clone(), format!("{value:?}"))).collect()
    };
    keys.into_iter().filter(move |key| seen.insert(identity(key)))
}

/// Sends one request, and again for the keys that DynamoDB leaves unprocessed, with a pause.
///
/// Source: Amazon DynamoDB API Reference, "`BatchGetItem`".
async fn batch_get_once(
    client: &Client,
    operation: &'static str,
    mut request: HashMap<String, KeysAndAttributes>,
) -> Result<Vec<(String, Vec<Item>)>, StoreError> {
    let mut found = Vec::new();
    let mut pauses = conflict_backoff().build();
    while !request.is_empty() {
        let answer = client.batch_get_item().set_request_items(Some(request)).send().await;
        let answer = answer.map_err(|error| StoreError::of_sdk(operation, error))?;
        found.extend(answer.responses.unwrap_or_default());
        request = answer.unprocessed_keys.unwrap_or_default();
        if !request.is_empty() {
            let pause = pauses.next().ok_or_else(|| StoreError::contended(operation))?;
            tokio::time::sleep(pause).await;
        }
    }
    Ok(found)
}

/// What a batch read asks of a table: the items of these keys, read consistently.
pub(crate) fn consistent_keys(
    operation: &'static str,
    keys: impl IntoIterator<Item = Item>,
) -> Result<KeysAndAttributes, StoreError> {
    KeysAndAttributes::builder()
        .set_keys(Some(keys.into_iter().collect()))
        .consistent_read(true)
        .build()
        .map_err(|error| StoreError::new(operation, error))
}

fn is_refusal(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

fn refusal(reason: &CancellationReason) -> Option<FailedCondition> {
    is_refusal(reason).then(|| FailedCondition { item: reason.item().cloned().unwrap_or_default() })
}

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod tests;
