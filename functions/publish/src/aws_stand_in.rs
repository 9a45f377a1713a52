//! An HTTP server that is AWS for a test: it knows no person and no notification, accepts every message of a queue and
//! remembers it, and accepts objects of the archive or refuses them all. Its event bus works, is too slow or does not answer.

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
pub(crate) const MEDIA_QUEUE: &str = "media";

/// Whether the archive bucket accepts objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archiving {
    Works,
    Fails,
}

/// Whether the event bus accepts events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BusState {
    Works,
    /// It accepts the first event of each request.
    Throttles,
    /// It answers every request with a failure.
    Fails,
    /// It refuses the event with this id at every retry.
    Refuses(&'static str),
}

/// The requests that put messages on a queue, in the order of their arrival.
type Requests = Arc<Mutex<Vec<Value>>>;

pub(crate) struct AwsStandIn {
    url: String,
    requests: Requests,
    bus: Arc<Mutex<EventBusStandIn>>,
}

/// The event bus and what it has accepted.
struct EventBusStandIn {
    state: BusState,
    accepted: Vec<Value>,
}

impl EventBusStandIn {
    fn put(&mut self, body: &str) -> Response {
        if self.state == BusState::Fails {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let request: Value = serde_json::from_str(body).unwrap();
        let mut results = Vec::new();
        for (index, entry) in request["Entries"].as_array().unwrap().iter().enumerate() {
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            let code = match self.state {
                BusState::Throttles if index > 0 => Some("ThrottlingException"),
                BusState::Refuses(id) if detail["event_id"] == id => Some("MalformedDetail"),
                _ => None,
            };
            results.push(code.map_or(json!({"EventId": "1"}), |code| json!({"ErrorCode": code})));
            if code.is_none() {
                self.accepted.push(detail);
            }
        }
        Json(json!({"FailedEntryCount": 0, "Entries": results})).into_response()
    }
}

impl AwsStandIn {
    pub(crate) async fn start(archiving: Archiving) -> Self {
        let requests = Requests::default();
        let bus = Arc::new(Mutex::new(EventBusStandIn { state: BusState::Works, accepted: Vec::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let handler = {
            let (requests, bus) = (Arc::clone(&requests), Arc::clone(&bus));
            move |headers: HeaderMap, body: String| {
                let is_for_bus = headers.get("x-amz-target").is_some_and(|target| target == "AWSEvents.PutEvents");
                ready(if is_for_bus {
                    bus.lock().unwrap().put(&body)
                } else {
                    answer(archiving, &requests, &headers, &body)
                })
            }
        };
        let server = async { axum::serve(listener, Router::new().fallback(handler)).await };
        tokio::spawn(server);
        Self { url, requests, bus }
    }

    /// The deduplication ids of the messages that were put on the events queue.
    pub(crate) fn deduplication_ids(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let of_events = requests.iter().filter(|request| request["QueueUrl"].as_str().unwrap().ends_with(EVENTS_QUEUE));
        let entries = of_events.flat_map(|request| request["Entries"].as_array().unwrap());
        entries.map(|entry| entry["MessageDeduplicationId"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn set_bus(&self, state: BusState) {
        self.bus.lock().unwrap().state = state;
    }

    /// The events that the bus has accepted.
    pub(crate) fn events_on_bus(&self) -> Vec<Value> {
        self.bus.lock().unwrap().accepted.clone()
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

    /// A function with an event bus.
    pub(crate) fn function_with_bus(&self) -> PublishFunction {
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.url)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
        let bus = EventBus::new(aws_sdk_eventbridge::Client::from_conf(config.build()), "shop".to_owned());
        PublishFunction { bus: Some(bus), ..self.publish_function() }
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
    let (contacts, notifications) = (
        Contacts::new(dynamodb.clone(), "contacts".to_owned(), "k".repeat(64).try_into().unwrap()),
        Notifications::new(dynamodb.clone(), "n".to_owned()),
    );
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
                routes: RouteWatch::new(&dynamodb, "rates"),
                rate_limits: RateLimits::new(dynamodb, "rates".to_owned()),
                queues,
            },
            opt_outs: OptOutRecorder { contacts },
            tenants: TenantCache::of_parameters(domain::account_settings::AccountSettings::default(), None),
            media: MediaForwarder { queue: Some(MediaQueue::new(sqs.clone(), format!("{url}/{MEDIA_QUEUE}"))) },
        },
        queue: EventsQueue::new(sqs.clone(), format!("{url}/{EVENTS_QUEUE}")),
        bus: None,
        queued: QueuedEvents::default(),
        unpublished: UnpublishedQueue::new(sqs, format!("{url}/{UNPUBLISHED_QUEUE}")),
        archive: Archive::new(aws_sdk_s3::Client::from_conf(s3.build()), "archive".to_owned()),
        evidence: None,
    }
}
