//! How a service of AWS fails for a process: with answers, without them, and after it has executed a request.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header::CONTENT_LENGTH},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use serde_json::json;

use super::refusals::Refusal;

/// A service that a process calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsService {
    /// Tables.
    DynamoDb,
    /// Queues.
    Sqs,
    /// Another one.
    Other,
}

impl AwsService {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        match target.split('.').next() {
            Some("DynamoDB_20120810") => Self::DynamoDb,
            Some("AmazonSQS") => Self::Sqs,
            _ => Self::Other,
        }
    }
}

/// What becomes of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The service is too busy.
    Throttled,
    /// Another transaction holds the item, at every attempt.
    Conflict,
    /// The service fails.
    ServerError,
    /// There is no answer.
    Hang,
    /// The connection ends without an answer.
    Reset,
    /// The connection ends within the answer.
    HalfAnswer,
}

impl Fault {
    /// The response to a request with this body, if there is one.
    pub(super) async fn response(self, request: &[u8]) -> Response {
        match self {
            Self::Throttled => Refusal::Throttled.response(request).into_response(),
            Self::Conflict => Refusal::Conflict.response(request).into_response(),
            Self::ServerError => {
                let error = json!({"__type": "InternalServerError", "message": "the service failed"});
                (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
            }
            Self::Hang => std::future::pending().await,
            // The server closes the connection of a handler that panics. Without the panic's message in the output.
            Self::Reset => std::panic::resume_unwind(Box::new("the connection is reset")),
            Self::HalfAnswer => {
                let half = futures::stream::iter([Ok(Bytes::from_static(b"{\"Ite"))]);
                let end = futures::stream::once(async {
                    // Else the server sees the error before it has sent the beginning.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Err(std::io::Error::other("the connection ends"))
                });
                ([(CONTENT_LENGTH, "1000")], Body::from_stream(half.chain(end))).into_response()
            }
        }
    }
}

/// The services that fail, each with its fault, before or after a request is executed.
pub type Outages = Vec<(AwsService, super::wire::Side, Fault)>;
