use std::{
    collections::VecDeque,
    future::ready,
    sync::{Arc, Mutex},
};

use aws_sdk_eventbridge::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// What EventBridge answers to a request: the codes of the entries, or a failure of the whole request.
#[derive(Clone)]
enum Answer {
    Entries(Vec<Option<&'static str>>),
    Failure(u16, &'static str),
}

/// EventBridge with these answers, and after them one that accepts everything. It remembers the requests.
#[derive(Clone, Default)]
struct EventBridge {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl EventBridge {
    async fn start(answers: impl IntoIterator<Item = Answer>) -> (Self, EventBus) {
        let server = Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let handler = {
            let server = server.clone();
            move |body: String| ready(server.answer(&body))
        };
        tokio::spawn(async { axum::serve(listener, Router::new().fallback(handler)).await });
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(url)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
        (server, EventBus::new(Client::from_conf(config.build()), "shop".to_owned()))
    }

    fn answer(&self, body: &str) -> Response {
        let request: Value = serde_json::from_str(body).unwrap();
        let size = request["Entries"].as_array().unwrap().len();
        self.requests.lock().unwrap().push(request);
        match self.answers.lock().unwrap().pop_front().unwrap_or_else(|| Answer::Entries(vec![None; size])) {
            Answer::Failure(status, code) => {
                (StatusCode::from_u16(status).unwrap(), json!({"__type": code}).to_string()).into_response()
            }
            Answer::Entries(codes) => {
                let entry =
                    |code: Option<&str>| code.map_or(json!({"EventId": "1"}), |code| json!({"ErrorCode": code}));
                let failed = codes.iter().flatten().count();
                let entries: Vec<_> = codes.iter().copied().map(entry).collect();
                json!({"FailedEntryCount": failed, "Entries": entries}).to_string().into_response()
            }
        }
    }

    /// The ids of the events of each request.
    fn requests(&self) -> Vec<Vec<String>> {
        let id = |entry: &Value| {
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            detail["event_id"].as_str().unwrap().to_owned()
        };
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| request["Entries"].as_array().unwrap().iter().map(id).collect()).collect()
    }
}

fn json_of(id: &str, bytes: usize) -> String {
    json!({"event_id": id, "body": "x".repeat(bytes)}).to_string()
}

fn event(json: &str) -> BusEvent<'_> {
    BusEvent { schema: "twilio.inbound.v1", occurred_at: "2026-11-20T09:00:00.5Z".parse().unwrap(), json }
}

async fn publish(bus: &EventBus, ids: &[&str]) -> Publication<EventBusError> {
    let jsons: Vec<_> = ids.iter().map(|id| json_of(id, 1)).collect();
    bus.publish(&jsons.iter().map(|json| event(json)).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn entry_names_the_bus_the_source_and_the_schema() {
    let (server, bus) = EventBridge::start([]).await;
    let publication = publish(&bus, &["a"]).await;
    assert_eq!((publication.decided, publication.refused.len()), (1, 0));
    let entry = server.requests.lock().unwrap()[0]["Entries"][0].clone();
    let expected = json!({
        "EventBusName": "shop", "Source": "whatsapp-on-lambda", "DetailType": "twilio.inbound.v1", "Time": 1_795_165_200,
        "Detail": json_of("a", 1),
    });
    assert_eq!(entry, expected);
}

#[tokio::test]
async fn only_the_entries_that_failed_are_put_again() {
    let failed = [Some("ThrottlingException"), None, Some("InternalFailure")];
    let answers = [Answer::Entries(failed.to_vec()), Answer::Entries(vec![None, Some("ThrottlingException")])];
    let (server, bus) = EventBridge::start(answers).await;
    let publication = publish(&bus, &["a", "b", "c"]).await;
    assert!(publication.error.is_none());
    assert_eq!(publication.decided, 3);
    assert_eq!(server.requests(), [vec!["a", "b", "c"], vec!["a", "c"], vec!["c"]]);
}

#[tokio::test]
async fn entry_that_keeps_failing_stops_the_rest() {
    let failing = Answer::Entries(vec![Some("ThrottlingException")]);
    let answers = [Answer::Entries(vec![None, Some("ThrottlingException"), None]), failing.clone(), failing];
    let (_server, bus) = EventBridge::start(answers).await;
    let publication = publish(&bus, &["a", "b", "c"]).await;
    assert_eq!(publication.decided, 1, "the first was accepted; the third is on the bus and comes again");
    assert_eq!(publication.error.unwrap().fault(), AwsFault::Unavailable);
}

#[tokio::test]
async fn missing_permission_needs_an_operator() {
    let denied = Answer::Entries(vec![Some("AccessDeniedException")]);
    let (_server, bus) = EventBridge::start([denied.clone(), denied.clone(), denied]).await;
    assert_eq!(publish(&bus, &["a"]).await.error.unwrap().fault(), AwsFault::Denied);
    let (_server, bus) = EventBridge::start([Answer::Failure(400, "AccessDeniedException")]).await;
    assert_eq!(publish(&bus, &["a"]).await.error.unwrap().fault(), AwsFault::Denied);
}

#[tokio::test]
async fn refused_entry_is_passed_over() {
    let codes = vec![None, Some("MalformedDetail"), None];
    let (server, bus) = EventBridge::start([Answer::Entries(codes)]).await;
    let publication = publish(&bus, &["a", "b", "c"]).await;
    assert_eq!((publication.decided, publication.error.is_none()), (3, true));
    assert_eq!(publication.refused[&1], "EventBridge refused it with the code MalformedDetail");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn request_that_is_refused_as_a_whole_is_put_entry_by_entry() {
    for (status, code) in [(400, "ValidationException"), (413, "")] {
        let refusal = Answer::Failure(status, code);
        let accepted = Answer::Entries(vec![None]);
        let (server, bus) = EventBridge::start([refusal.clone(), accepted, refusal]).await;
        let publication = publish(&bus, &["a", "b"]).await;
        assert_eq!((publication.decided, publication.error.is_none()), (2, true), "{status}");
        assert_eq!(publication.refused.keys().collect::<Vec<_>>(), [&1], "{status}");
        assert_eq!(server.requests(), [vec!["a", "b"], vec!["a"], vec!["b"]], "{status}");
    }
}

#[tokio::test]
async fn unavailable_bus_decides_nothing() {
    let (server, bus) = EventBridge::start([Answer::Failure(500, "InternalException")]).await;
    let publication = publish(&bus, &["a", "b"]).await;
    assert_eq!((publication.decided, publication.error.is_some()), (0, true));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn entry_of_a_megabyte_is_never_sent() {
    let (server, bus) = EventBridge::start([]).await;
    let jsons = [json_of("a", 1), json_of("b", ENTRY_BYTES), json_of("c", 1)];
    let publication = bus.publish(&jsons.iter().map(|json| event(json)).collect::<Vec<_>>()).await;
    assert_eq!((publication.decided, publication.error.is_none()), (3, true));
    assert!(publication.refused[&1].ends_with("bytes, and EventBridge accepts less than 1 MB"));
    assert_eq!(server.requests(), [["a"], ["c"]]);
}

#[test]
fn request_is_within_the_limits_of_eventbridge() {
    let sizes = |bytes: &[usize]| {
        let jsons: Vec<_> = bytes.iter().map(|bytes| "x".repeat(*bytes)).collect();
        let events: Vec<_> = jsons.iter().map(|json| event(json)).collect();
        divide(&events).iter().map(|request| request.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&[1; 23]), [10, 10, 3]);
    assert_eq!(sizes(&[400_000; 5]), [2, 2, 1]);
    assert_eq!(sizes(&[1, 1_030_000, 1]), [1, 1, 1], "it may be accepted alone");
    assert_eq!(sizes(&[]), [0_usize; 0]);
}
