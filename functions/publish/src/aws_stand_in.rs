//! An HTTP server that is AWS for a test: it knows no person and no notification, accepts every message of a queue and
//! remembers it, and accepts objects of the archive or refuses them all.

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

pub(crate) const EVENTS_QUEUE: &str = "events.fifo";
pub(crate) const UNPUBLISHED_QUEUE: &str = "unpublished";

/// Whether the archive bucket accepts objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archiving {
    Works,
    Fails,
}

/// The requests that put messages on a queue, in the order of their arrival.
type Requests = Arc<Mutex<Vec<Value>>>;

pub(crate) struct AwsStandIn {
    url: String,
    requests: Requests,
}

impl AwsStandIn {
    pub(crate) async fn start(archiving: Archiving) -> Self {
        let requests = Requests::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let handler = {
            let requests = Arc::clone(&requests);
            move |headers: HeaderMap, body: String| ready(answer(archiving, &requests, &headers, &body))
        };
        let server = async { axum::serve(listener, Router::new().fallback(handler)).await };
        tokio::spawn(server);
        Self { url, requests }
    }

    /// The messages that were put on a queue.
    pub(crate) fn messages_on(&self, queue: &str) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        let of_queue = requests.iter().filter(|request| request["QueueUrl"].as_str().unwrap().ends_with(queue));
        let bodies = of_queue.flat_map(|request| request["Entries"].as_array().unwrap());
        bodies.map(|entry| serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap()).collect()
    }

    pub(crate) fn publish_function(&self) -> PublishFunction {
        function_at(&self.url)
    }
}

fn answer(archiving: Archiving, requests: &Requests, headers: &HeaderMap, body: &str) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if target.is_empty() && archiving == Archiving::Fails {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if target != "AmazonSQS.SendMessageBatch" {
        // The person of a message, of whom nothing is stored, or an object of the archive.
        return Json(json!({"Responses": {}, "UnprocessedKeys": {}})).into_response();
    }
    let request: Value = serde_json::from_str(body).unwrap();
    let accepted = |entry: &Value| json!({"Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": "1"});
    let accepted: Vec<_> = request["Entries"].as_array().unwrap().iter().map(accepted).collect();
    requests.lock().unwrap().push(request);
    Json(json!({"Successful": accepted, "Failed": []})).into_response()
}

fn function_at(url: &str) -> PublishFunction {
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test");
    let region = Region::new("us-east-1");
    let dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region.clone())
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(credentials.clone());
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region.clone())
        .endpoint_url(url)
        .credentials_provider(credentials.clone());
    let sqs = aws_sdk_sqs::Client::from_conf(sqs.build());
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .endpoint_url(url)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(credentials);
    let (contacts, notifications) =
        (Contacts::new(dynamodb.clone(), "contacts".to_owned()), Notifications::new(dynamodb.clone(), "n".to_owned()));
    let urls = LaneUrls { standard: format!("{url}/outbound"), urgent: None, marketing: None };
    let queues = LaneQueues::new(sqs.clone(), urls);
    PublishFunction {
        builder: EventBuilder {
            messages: Messages::new(dynamodb.clone(), "messages".to_owned()),
            notifications: notifications.clone(),
            senders: KnownSenders::new(dynamodb.clone(), "rates".to_owned()),
            replies: ReplyHandler {
                contacts: contacts.clone(),
                notifications: notifications.clone(),
                queues: queues.clone(),
            },
            reports: ReportHandler {
                notifications,
                routes: RouteWatch::new(&dynamodb, "rates", None),
                rate_limits: RateLimits::new(dynamodb, "rates".to_owned()),
                queues,
                policy: domain::policy::Policy::default(),
                messaging_service_sid: None,
            },
            opt_outs: OptOutRecorder { contacts, scope: domain::suppression::OptOutScope::default() },
        },
        queue: EventsQueue::new(sqs.clone(), format!("{url}/{EVENTS_QUEUE}")),
        unpublished: UnpublishedQueue::new(sqs, format!("{url}/{UNPUBLISHED_QUEUE}")),
        archive: Archive::new(aws_sdk_s3::Client::from_conf(s3.build()), "archive".to_owned()),
    }
}
