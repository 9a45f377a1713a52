//! How `DynamoDB` refuses a request that is right, because of other requests.

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many requests. The AWS SDK retries it.
    Throttled,
    /// A transaction in progress holds an item of the request. The AWS SDK does not retry it.
    Conflict,
}

impl Refusal {
    /// The response to a request with this body. Source: Amazon DynamoDB, "Error handling with DynamoDB", and its API
    /// reference, `TransactWriteItems`.
    pub fn response(self, request: &[u8]) -> (StatusCode, HeaderMap, Bytes) {
        let body = match self {
            Self::Throttled => error("ThrottlingException", "Rate exceeded"),
            Self::Conflict => conflict(&serde_json::from_slice(request).unwrap_or_default()),
        };
        (StatusCode::BAD_REQUEST, HeaderMap::new(), body.to_string().into())
    }
}

fn error(code: &str, message: &str) -> Value {
    json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message})
}

/// The refusal of a single write, or the cancellation of a transaction because of its first item.
fn conflict(request: &Value) -> Value {
    let Some(members) = request.get("TransactItems").and_then(Value::as_array) else {
        return error("TransactionConflictException", "Transaction is ongoing for the item");
    };
    let mut codes = vec!["None"; members.len()];
    if let Some(first) = codes.first_mut() {
        *first = "TransactionConflict";
    }
    let reasons: Vec<_> = codes.iter().map(|code| json!({"Code": code})).collect();
    let message = "Transaction cancelled, please refer cancellation reasons for specific reasons";
    let mut cancelled = error("TransactionCanceledException", &format!("{message} [{}]", codes.join(", ")));
    if let Some(cancelled) = cancelled.as_object_mut() {
        cancelled.insert("CancellationReasons".to_owned(), reasons.into());
    }
    cancelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflict_of_a_transaction_names_a_reason_for_each_item() {
        let (status, _, body) = Refusal::Conflict.response(br#"{"TransactItems": [{"Put": {}}, {"Update": {}}]}"#);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["__type"], "com.amazonaws.dynamodb.v20120810#TransactionCanceledException");
        assert_eq!(body["CancellationReasons"], json!([{"Code": "TransactionConflict"}, {"Code": "None"}]));
    }

    #[test]
    fn conflict_of_a_single_write_is_its_own_error() {
        let (_, _, body) = Refusal::Conflict.response(br#"{"TableName": "Messages"}"#);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["__type"], "com.amazonaws.dynamodb.v20120810#TransactionConflictException");
    }
}
