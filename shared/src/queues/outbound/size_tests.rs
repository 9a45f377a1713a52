//! Large notifications are moved to their lane in several requests. SQS is an HTTP server here that refuses a request over
//! 1 MiB, as SQS does (Amazon SQS, "Message quotas").

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{super::MESSAGE_BYTES, *};

/// `refused` is the number of a request that SQS refuses whatever it holds.
async fn queues(refused: Option<usize>) -> LaneQueues {
    let requests = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handler = move |body: String| {
        let number = requests.fetch_add(1, SeqCst);
        ready(answer(&body, refused == Some(number)))
    };
    let app = Router::new().fallback(handler).layer(DefaultBodyLimit::disable());
    tokio::spawn(async { axum::serve(listener, app).await });
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&url)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
    let urls = LaneUrls { standard: format!("{url}/outbound"), urgent: None, marketing: None };
    LaneQueues::new(Client::from_conf(config.build()), urls)
}

fn answer(body: &str, is_refused: bool) -> Response {
    let request: Value = serde_json::from_str(body).unwrap();
    let entries = request["Entries"].as_array().unwrap();
    let bytes: usize = entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().len()).sum();
    if is_refused || bytes > MESSAGE_BYTES {
        let error = json!({"__type": "com.amazonaws.sqs#BatchRequestTooLong", "message": "too long"});
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    }
    let accepted = |entry: &Value| json!({"Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": "1"});
    Json(json!({"Successful": entries.iter().map(accepted).collect::<Vec<_>>(), "Failed": []})).into_response()
}

/// Ten of the largest notifications: about twice what SQS accepts in a request.
fn largest_notifications() -> Vec<QueueEntry> {
    let reference = NotificationReference {
        account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
        id: "order-1".to_owned().try_into().unwrap(),
        hops: 0,
    };
    let entry = QueueEntry::of_reference(&reference, Duration::ZERO);
    let body = MessageBody::json("x".repeat(domain::limits::MAX_NOTIFICATION_BYTES));
    vec![QueueEntry { body, ..entry }; 10]
}

#[tokio::test]
async fn ten_of_the_largest_notifications_are_accepted() {
    let outcomes = queues(None).await.enqueue(Lane::Standard, &largest_notifications()).await.unwrap();
    assert_eq!(outcomes, [EnqueueOutcome::Accepted; 10]);
}

#[tokio::test]
async fn failed_request_refuses_its_entries_and_no_others() {
    let outcomes = queues(Some(1)).await.enqueue(Lane::Standard, &largest_notifications()).await.unwrap();
    assert_eq!(outcomes[..5], [EnqueueOutcome::Accepted; 5]);
    assert_eq!(outcomes[5..], [EnqueueOutcome::Refused; 5]);
    assert!(queues(Some(0)).await.enqueue(Lane::Standard, &largest_notifications()).await.is_err());
}
