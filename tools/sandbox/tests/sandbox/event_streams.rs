//! Event Streams: sinks, subscriptions, and the events that tell of a template's changes.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use sandbox::{ORDER_UPDATE_SID, WhatsAppRules};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twilio_webhook::signature::{SigningKeys, UnverifiedRequest};

use crate::{
    api::{ApiTest, TOKEN},
    until::until,
};

const APPROVAL_UPDATED: &str = "com.twilio.messaging.template.approval.updated";

#[derive(Default)]
struct Sink {
    url: String,
    /// The statuses of the next answers; 200 after them.
    answers: Mutex<Vec<u16>>,
    /// The bodies of all requests, each with a valid signature.
    received: Mutex<Vec<Value>>,
}

async fn receive(State(sink): State<Arc<Sink>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let request = UnverifiedRequest::new(format!("{}{uri}", sink.url), &headers, body.to_vec());
    request.verify(&SigningKeys::from_auth_tokens([TOKEN])).unwrap();
    assert_eq!(headers["content-type"], "application/json");
    sink.received.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    let mut answers = sink.answers.lock().unwrap();
    let status = if answers.is_empty() { 200 } else { answers.remove(0) };
    StatusCode::from_u16(status).unwrap()
}

impl Sink {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let sink = Arc::new(Self { url: format!("http://{}", listener.local_addr().unwrap()), ..Self::default() });
        let router = Router::new().fallback(receive).with_state(Arc::clone(&sink));
        tokio::spawn(async { axum::serve(listener, router).await });
        sink
    }

    /// Waits for this number of requests, and gives the events of all.
    async fn events(&self, number: usize) -> Vec<Value> {
        let bodies =
            until(async || Some(self.received.lock().unwrap().clone()).filter(|bodies| bodies.len() >= number)).await;
        bodies.iter().flat_map(|body| body.as_array().cloned().unwrap_or_else(|| vec![body.clone()])).collect()
    }
}

/// A sandbox whose events of templates go to a sink.
async fn subscribed() -> (ApiTest, Arc<Sink>) {
    let (sandbox, sink) = (ApiTest::start(WhatsAppRules::lenient()).await, Sink::start().await);
    subscribe(&sandbox, &sink, true).await;
    (sandbox, sink)
}

async fn subscribe(sandbox: &ApiTest, sink: &Sink, batch_events: bool) -> (String, String) {
    let destination = format!("{}/twilio/events?from=sandbox", sink.url);
    let configuration = json!({"destination": destination, "method": "POST", "batch_events": batch_events}).to_string();
    let parameters = [("Description", "Templates"), ("SinkType", "webhook"), ("SinkConfiguration", &configuration)];
    let (status, created) = sandbox.post("/v1/Sinks", &parameters).await;
    assert_eq!((status, &created["status"]), (201, &json!("active")));
    let sink_sid = created["sid"].as_str().unwrap().to_owned();
    let types = json!({"type": APPROVAL_UPDATED, "schema_version": 1}).to_string();
    let parameters = [("Description", "Templates"), ("SinkSid", sink_sid.as_str()), ("Types", &types)];
    let (status, created) = sandbox.post("/v1/Subscriptions", &parameters).await;
    assert_eq!(status, 201, "{created}");
    (sink_sid, created["sid"].as_str().unwrap().to_owned())
}

async fn change(sandbox: &ApiTest, sid: &str, change: Value) -> u16 {
    sandbox.put_json(&format!("/sandbox/templates/{sid}"), &change).await.0
}

/// What each event tells: the kind of the update, and the values before and after.
fn changes_in(events: &[Value]) -> Vec<String> {
    let one = |event: &Value| {
        let template = &event["data"]["template"];
        let [kind, previous, current] = [&event["data"]["type"], &template["previousValue"], &template["currentValue"]]
            .map(|it| it.as_str().unwrap());
        format!("{kind}: {previous} to {current}")
    };
    events.iter().map(one).collect()
}

#[tokio::test]
async fn each_approval_change_is_a_signed_event() {
    let (sandbox, sink) = subscribed().await;
    let given = json!({"status": "paused", "quality": "red", "category": "MARKETING"});
    assert_eq!(change(&sandbox, ORDER_UPDATE_SID, given).await, 204);
    let mut events = sink.events(3).await;
    events.sort_by_key(|event| event["data"]["type"].to_string());
    assert_eq!(
        changes_in(&events),
        [
            "category_update: utility to marketing",
            "quality_update: unknown to red",
            "status_update: approved to paused"
        ]
    );
    let event = &events[2];
    assert_eq!((&event["type"], &event["specversion"]), (&json!(APPROVAL_UPDATED), &json!("1.0")));
    assert_eq!(event["data"]["accountSid"], "AC00000000000000000000000000000001");
    assert_eq!(event["data"]["template"]["sid"], ORDER_UPDATE_SID);
    let shown = sandbox.get("/v1/ContentAndApprovals").await.1["contents"][0]["approval_requests"].clone();
    assert_eq!((&shown["status"], &shown["category"]), (&json!("paused"), &json!("MARKETING")));
    // The first pause ends after three hours.
    sandbox.post_json("/sandbox/clock", &json!({"advance_seconds": 3 * 60 * 60})).await;
    assert_eq!(changes_in(&sink.events(4).await)[3], "status_update: paused to approved");
}

#[tokio::test]
async fn review_of_a_template_is_announced_step_by_step() {
    let (sandbox, sink) = subscribed().await;
    let content =
        json!({"friendly_name": "hello", "language": "en", "types": {"twilio/text": {"body": "Hello there"}}});
    let sid = sandbox.post_json("/v1/Content", &content).await.1["sid"].as_str().unwrap().to_owned();
    assert_eq!(change(&sandbox, &sid, json!({"status": "paused"})).await, 422, "it was not submitted");
    let submission = json!({"name": "hello", "category": "UTILITY"});
    let path = format!("/v1/Content/{sid}/ApprovalRequests/whatsapp");
    assert_eq!(sandbox.post_json(&path, &submission).await.1["status"], "received");
    for (seconds, number) in [(5, 1), (55, 2)] {
        sandbox.post_json("/sandbox/clock", &json!({"advance_seconds": seconds})).await;
        sink.events(number).await;
    }
    let events = sink.events(2).await;
    assert_eq!(changes_in(&events), ["status_update: received to pending", "status_update: pending to approved"]);
    assert_eq!(change(&sandbox, "HX1", json!({"status": "paused"})).await, 404);
}

#[tokio::test]
async fn event_is_delivered_again_until_the_sink_takes_it() {
    let (sandbox, sink) = subscribed().await;
    sink.answers.lock().unwrap().extend([500, 429]);
    change(&sandbox, ORDER_UPDATE_SID, json!({"status": "disabled"})).await;
    let events = sink.events(3).await;
    assert!(events.iter().all(|event| event["id"] == events[0]["id"]), "the id is that of the event");
    let alerts = until(async || {
        let alerts = sandbox.get("/v1/Alerts").await.1["alerts"].clone();
        (alerts.as_array().unwrap().len() == 2).then_some(alerts)
    })
    .await;
    let mut codes = [0, 1].map(|index| alerts[index]["error_code"].as_str().unwrap().to_owned());
    codes.sort();
    assert_eq!(codes, ["91302", "91306"], "a server error, and a sink that asks for fewer events");
}

#[tokio::test]
async fn event_that_a_sink_refuses_is_lost() {
    let (sandbox, sink) = subscribed().await;
    sink.answers.lock().unwrap().push(403);
    for (number, quality) in ["yellow", "green", "red"].into_iter().enumerate() {
        change(&sandbox, ORDER_UPDATE_SID, json!({"quality": quality})).await;
        sink.events(number + 1).await;
        until(async || {
            let alerts = sandbox.get("/v1/Alerts").await.1["alerts"].clone();
            (alerts[0]["error_code"] == "91305").then_some(())
        })
        .await;
        // Longer than the first intervals, and shorter than the time for which an event is tried.
        sandbox.post_json("/sandbox/clock", &json!({"advance_seconds": 60})).await;
    }
    let expected = ["unknown to yellow", "yellow to green", "green to red"].map(|it| format!("quality_update: {it}"));
    assert_eq!(changes_in(&sink.events(3).await), expected);
}

#[tokio::test]
async fn events_are_lost_or_repeated_on_purpose() {
    let (sandbox, sink) = subscribed().await;
    for (delivery, quality) in [("lost", "yellow"), ("repeated", "red")] {
        sandbox.put_json("/sandbox/template-events", &json!({"delivery": delivery})).await;
        change(&sandbox, ORDER_UPDATE_SID, json!({"quality": quality})).await;
    }
    let events = sink.events(2).await;
    assert_eq!(changes_in(&events), ["quality_update: yellow to red"; 2]);
    assert_eq!(events[0]["id"], events[1]["id"]);
}

#[tokio::test]
async fn unbatched_event_is_an_array_or_an_object() {
    let (sandbox, sink) = (ApiTest::start(WhatsAppRules::lenient()).await, Sink::start().await);
    subscribe(&sandbox, &sink, false).await;
    change(&sandbox, ORDER_UPDATE_SID, json!({"quality": "green"})).await;
    sink.events(1).await;
    sandbox.put_json("/sandbox/choices", &json!({"unbatched_event": "object"})).await;
    change(&sandbox, ORDER_UPDATE_SID, json!({"quality": "red"})).await;
    sink.events(2).await;
    let shapes: Vec<_> = sink.received.lock().unwrap().iter().map(Value::is_array).collect();
    assert_eq!(shapes, [true, false]);
}

#[tokio::test]
async fn test_of_a_sink_posts_an_event_to_it() {
    let (sandbox, sink) = (ApiTest::start(WhatsAppRules::lenient()).await, Sink::start().await);
    let (sink_sid, sid) = subscribe(&sandbox, &sink, true).await;
    sandbox.delete(&format!("/v1/Subscriptions/{sid}")).await;
    let (status, tested) = sandbox.post(&format!("/v1/Sinks/{sink_sid}/Test"), &[]).await;
    assert_eq!((status, &tested["result"]), (201, &json!("submitted")));
    let events = sink.events(1).await;
    assert_eq!(events[0]["type"], "com.twilio.eventstreams.test-event");
    assert_eq!(sandbox.post("/v1/Sinks/DG00000000000000000000000000000000/Test", &[]).await.0, 404);
}

#[tokio::test]
async fn event_types_and_schemas_are_listed_as_at_twilio() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let types = sandbox.get("/v1/Types").await.1["types"].clone();
    assert_eq!(types.as_array().unwrap().len(), 2);
    let fetched = sandbox.get(&format!("/v1/Types/{APPROVAL_UPDATED}")).await.1;
    let schema = fetched["schema_id"].as_str().unwrap();
    let of_schema = sandbox.get(&format!("/v1/Types?SchemaId={schema}")).await.1["types"].clone();
    assert_eq!(of_schema, json!([fetched]));
    let path = format!("/v1/Schemas/{schema}");
    assert_eq!(sandbox.get(&path).await.1["latest_version"], 1);
    let versions = sandbox.get(&format!("{path}/Versions")).await.1["schema_versions"].clone();
    assert_eq!(versions, json!([sandbox.get(&format!("{path}/Versions/1")).await.1]));
    for missing in ["/v1/Types/com.twilio.none", "/v1/Schemas/None", &format!("{path}/Versions/2")] {
        assert_eq!(sandbox.get(missing).await.0, 404, "{missing}");
    }
}

#[tokio::test]
async fn sinks_and_subscriptions_are_managed_as_at_twilio() {
    let (sandbox, sink) = (ApiTest::start(WhatsAppRules::lenient()).await, Sink::start().await);
    let (sink_sid, sid) = subscribe(&sandbox, &sink, true).await;
    let (sinks, subscriptions) = (format!("/v1/Sinks/{sink_sid}"), format!("/v1/Subscriptions/{sid}"));
    assert_eq!(sandbox.get("/v1/Sinks").await.1["sinks"][0]["sink_configuration"]["method"], "POST");
    assert_eq!(sandbox.get(&format!("/v1/Subscriptions?SinkSid={sink_sid}")).await.1["subscriptions"][0]["sid"], sid);
    assert_eq!(sandbox.get("/v1/Subscriptions?SinkSid=DG1").await.1["subscriptions"], json!([]));
    let events = format!("{subscriptions}/SubscribedEvents");
    let other = "com.twilio.messaging.message.delivered";
    assert_eq!(sandbox.post(&events, &[("Type", other)]).await.1["schema_version"], 1);
    assert_eq!(sandbox.get(&events).await.1["types"].as_array().unwrap().len(), 2);
    assert_eq!(sandbox.get(&format!("{events}/{other}")).await.1["type"], other);
    assert_eq!(sandbox.delete(&format!("{events}/{APPROVAL_UPDATED}")).await.0, 204);
    assert_eq!(sandbox.delete(&format!("{events}/{APPROVAL_UPDATED}")).await.0, 404);
    let renamed = sandbox.post(&sinks, &[("Description", "Other")]).await.1;
    assert_eq!(renamed["description"], "Other");
    assert_eq!(sandbox.post(&format!("{sinks}/Validate"), &[("TestId", "EZ1")]).await.1["result"], "valid");
    assert_eq!(sandbox.delete(&sinks).await.0, 409, "it has a subscription");
    assert_eq!((sandbox.delete(&subscriptions).await.0, sandbox.delete(&sinks).await.0), (204, 204));
    for (configuration, code) in [("{}", 91000), (r#"{"destination": "x", "method": "POST"}"#, 91000)] {
        let parameters = [("Description", "a"), ("SinkType", "webhook"), ("SinkConfiguration", configuration)];
        assert_eq!(sandbox.post("/v1/Sinks", &parameters).await.1["code"], code, "{configuration}");
    }
    let parameters = [("Description", "a"), ("SinkSid", sink_sid.as_str()), ("Types", r#"{"type": "a"}"#)];
    assert_eq!(sandbox.post("/v1/Subscriptions", &parameters).await.1["code"], 91001);
}
