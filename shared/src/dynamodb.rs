//! What the stores have in common: their error, the transaction, and the patience with conflicts.

use std::{collections::HashMap, error::Error, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, CancellationReason, KeysAndAttributes, TransactWriteItem},
};
use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use jiff::Timestamp;

use crate::aws::Fault;

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// A table did not do what it was asked. A refused condition is no error but an outcome.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct StoreError {
    operation: &'static str,
    conflict: bool,
    fault: Fault,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// An operation that failed, named for the log by table and verb.
    pub(crate) fn new(operation: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { operation, conflict: false, fault: Fault::Unusable, source: Box::new(source) }
    }

    /// As [`StoreError::new`], for an answer of DynamoDB: it knows whether another transaction was in the way.
    pub(crate) fn of_sdk<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let conflict = error.code() == Some("TransactionConflictException");
        Self { operation, conflict, fault: Fault::of(&error), source: Box::new(error) }
    }

    /// An operation that others kept from its end, though each single write succeeded or was refused.
    pub fn contended(operation: &'static str) -> Self {
        let source = "other writers changed the item in every round".into();
        Self { operation, conflict: true, fault: Fault::Unanswered, source }
    }

    /// Who has to act upon it.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    fn is_conflict(&self) -> bool {
        self.conflict
    }
}

/// A time whose order as text is its order: always with milliseconds.
pub(crate) fn sortable(at: Timestamp) -> AttributeValue {
    AttributeValue::S(format!("{at:.3}"))
}

/// What became of a transaction.
#[derive(Debug)]
pub enum Transacted {
    /// All of it was written.
    Written,
    /// None of it was: for each action, whether its condition refused and the item that stood in the way.
    Refused(Vec<Option<Refusal>>),
}

/// A condition that did not hold.
#[derive(Debug)]
pub struct Refusal {
    /// The item as it stands; empty where there is none.
    pub found: Item,
}

/// Two transactions that touch one item meet within milliseconds; the pauses double from 20 ms with full jitter, half a
/// second in all, well inside a webhook function's 10 s.
fn conflict_backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(200))
        .with_max_times(6)
}

/// Runs a write again while another transaction holds its item.
///
/// Source: Amazon DynamoDB, "Transactions: conflict handling". The SDK does not retry these by itself.
pub(crate) async fn past_conflicts<T, F>(write: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    write.retry(conflict_backoff()).when(StoreError::is_conflict).await
}

/// Writes all actions or none, in one request. Each action asks for `ALL_OLD` where it wants to see what refused it.
pub async fn transact(
    client: &Client,
    operation: &'static str,
    actions: Vec<TransactWriteItem>,
) -> Result<Transacted, StoreError> {
    past_conflicts(|| async {
        let result = client.transact_write_items().set_transact_items(Some(actions.clone())).send().await;
        let Err(error) = result else { return Ok(Transacted::Written) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                let reasons = canceled.cancellation_reasons();
                if reasons.iter().any(is_refusal) {
                    return Ok(Transacted::Refused(reasons.iter().map(refusal).collect()));
                }
                let conflict = reasons.iter().any(|reason| reason.code() == Some("TransactionConflict"));
                Err(StoreError { conflict, ..StoreError::of_sdk(operation, error) })
            }
            _ => Err(StoreError::of_sdk(operation, error)),
        }
    })
    .await
}

/// Reads items of several tables at once, by the tables' names: at most 100, in one request unless DynamoDB is pressed.
///
/// Source: Amazon DynamoDB, "BatchGetItem": what it leaves unprocessed is asked for again, with a pause.
pub async fn batch_get(
    client: &Client,
    operation: &'static str,
    wanted: Vec<(String, KeysAndAttributes)>,
) -> Result<HashMap<String, Vec<Item>>, StoreError> {
    let mut wanted: HashMap<_, _> = wanted.into_iter().filter(|(_, keys)| !keys.keys().is_empty()).collect();
    let mut found: HashMap<String, Vec<Item>> = HashMap::new();
    let mut pauses = conflict_backoff().build();
    while !wanted.is_empty() {
        let answer = client.batch_get_item().set_request_items(Some(wanted)).send().await;
        let answer = answer.map_err(|error| StoreError::of_sdk(operation, error))?;
        for (table, items) in answer.responses.unwrap_or_default() {
            found.entry(table).or_default().extend(items);
        }
        wanted = answer.unprocessed_keys.unwrap_or_default();
        if !wanted.is_empty() {
            let pause = pauses.next().ok_or_else(|| StoreError::contended(operation))?;
            tokio::time::sleep(pause).await;
        }
    }
    Ok(found)
}

/// What a batch read asks of a table: these keys, none of them twice, read consistently.
pub(crate) fn consistently(
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

fn refusal(reason: &CancellationReason) -> Option<Refusal> {
    is_refusal(reason).then(|| Refusal { found: reason.item().cloned().unwrap_or_default() })
}
