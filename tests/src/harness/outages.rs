//! How a service of AWS fails for a process: with answers, without them, and after it has executed a request.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header::CONTENT_LENGTH},
    response::{IntoResponse as _, Response},
};
use fastrand::Rng;
use futures::StreamExt as _;
use serde_json::json;

use super::{refusals::Refusal, wire::Side};

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
pub type Outages = Vec<(AwsService, Side, Fault)>;

/// Faults that any request to a table or a queue may meet.
#[derive(Debug)]
pub struct RandomFaults {
    rng: Rng,
    /// How many of a hundred requests meet one.
    of_hundred: u8,
}

impl RandomFaults {
    /// The same seed gives the same faults to the same requests.
    pub fn new(seed: u64, of_hundred: u8) -> Self {
        Self { rng: Rng::with_seed(seed), of_hundred }
    }

    /// The fault of a request, if it meets one at this moment: two of three do before it is executed. A request that gets no answer
    /// lasts as long as its deadline, so those are rare.
    pub(super) fn next(&mut self, operation: &str, side: Side) -> Option<Fault> {
        let hits = self.rng.u32(..300) < u32::from(self.of_hundred) * if side == Side::Before { 2 } else { 1 };
        let fault = match self.rng.u8(..50) {
            0 => Fault::Hang,
            1..15 => Fault::ServerError,
            15..25 => Fault::Reset,
            25..35 => Fault::HalfAnswer,
            // What was executed was not throttled, and did not conflict.
            _ if side == Side::After => Fault::ServerError,
            35..42 if is_write(operation) => Fault::Conflict,
            _ => Fault::Throttled,
        };
        hits.then_some(fault)
    }
}

/// Whether a transaction of another process can conflict with it.
fn is_write(operation: &str) -> bool {
    ["Transact", "Put", "Update", "Delete"].iter().any(|write| operation.starts_with(write))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_faults_are_as_frequent_as_asked_for() {
        let mut faults = RandomFaults::new(1, 9);
        let mut met = |side| (0..10_000).filter(|_| faults.next("GetItem of Contacts", side).is_some()).count();
        let (before, after) = (met(Side::Before), met(Side::After));
        assert!((540..660).contains(&before) && (250..350).contains(&after), "{before} {after}");
    }

    #[test]
    fn read_never_conflicts_and_a_write_does() {
        let mut faults = RandomFaults::new(1, 100);
        let mut met = |operation| (0..1_000).filter_map(|_| faults.next(operation, Side::Before)).collect::<Vec<_>>();
        assert!(!met("GetItem of Contacts").contains(&Fault::Conflict));
        assert!(met("TransactWriteItems of Contacts and Messages").contains(&Fault::Conflict));
    }
}
