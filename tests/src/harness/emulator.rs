//! What a test asks of the emulator, and AWS does not offer (`tools/stack/strict`).

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::Client;
use serde::Serialize;
use serde_json::{Value, json};
use stack::{
    Stack,
    signed::{UnsignedRequest, signed},
};

/// The action that adds and ends refusals.
const REFUSE: &str = "LocalRefuse";
/// The tag of a queue with another quota of messages in flight than AWS's 120,000.
const QUOTA_TAG: &str = "emulator:in-flight-quota";

/// Sends one of the emulator's own actions, as the administrator, and returns the response.
pub(super) async fn act(stack: &Stack, action: &str, request: &Value) -> Result<Value> {
    let body = request.to_string();
    let unsigned = UnsignedRequest { service: "dynamodb", method: "POST", url: &stack.aws_endpoint, body: &body };
    let request = signed(&reqwest::Client::new(), &stack.administrator.credentials(), unsigned, stack.clock.now())?;
    let answer = request.header("x-amz-target", format!("DynamoDB_20120810.{action}")).send().await?;
    let (status, body) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "the emulator answered {status} to {action}: {body}");
    serde_json::from_str(&body).with_context(|| format!("the emulator's response to {action} is no JSON"))
}

/// Why the emulator refuses a request to `DynamoDB`. The names are those of the cancellation reasons of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RefusalReason {
    /// A transaction in progress holds an item of the request.
    TransactionConflict,
    /// A table or an index is too slow for its requests.
    ProvisionedThroughputExceeded,
    /// A `BatchGetItem` returns its last key as unprocessed.
    UnprocessedKeys,
}

/// The requests to `DynamoDB` that the emulator refuses, also those of the deployed functions.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RefusedRequests<'a> {
    /// Why they are refused.
    pub reason: RefusalReason,
    /// How many requests are refused.
    pub requests: u32,
    /// A text in the requests, such as the id of the test's notification: other tests use the same tables.
    pub contains: &'a str,
    /// The operation, such as `UpdateItem`; without one every operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'a str>,
    /// The table; without one every table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_name: Option<&'a str>,
    /// An index: the queries of it, and the writes that change it, are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_name: Option<&'a str>,
}

impl<'a> RefusedRequests<'a> {
    /// The next requests that contain a text.
    pub const fn containing(contains: &'a str, reason: RefusalReason, requests: u32) -> Self {
        Self { reason, requests, contains, operation: None, table_name: None, index_name: None }
    }

    /// Refuses these requests from now on. Returns the refusal's number.
    pub async fn begin(&self, stack: &Stack) -> Result<u64> {
        number_in(&act(stack, REFUSE, &serde_json::to_value(self)?).await?, "Number")
    }
}

/// Ends a refusal. Returns how many of its requests were not seen.
pub async fn end_refusal(stack: &Stack, number: u64) -> Result<u64> {
    number_in(&act(stack, REFUSE, &json!({"Number": number})).await?, "Left")
}

fn number_in(answer: &Value, name: &str) -> Result<u64> {
    let number = answer.get(name).and_then(Value::as_u64);
    number.with_context(|| format!("the emulator's response has no number {name}: {answer}"))
}

/// Sets how many messages of a queue can be in flight.
pub async fn set_in_flight_quota(sqs: &Client, queue_url: &str, messages: u32) -> Result<()> {
    sqs.tag_queue().queue_url(queue_url).tags(QUOTA_TAG, messages.to_string()).send().await?;
    Ok(())
}
