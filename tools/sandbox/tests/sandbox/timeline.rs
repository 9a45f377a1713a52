//! The timeline: requests with their responses, what belongs together, and sending again.

use std::{net::Ipv4Addr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use reqwest::Client;
use sandbox::{
    Config, EntryCause, ORDER_UPDATE_SID, SandboxServer, TimelineEvent, TimelineOutcome, serve_on_free_port,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twilio_webhook::{form::Form, signature::sign};

use crate::until::until;

const AVA: &str = "whatsapp:+14155550123";
const REFUSAL: &str = "X-Twilio-Signature does not match";
const REQUEST_ID: &str = "JKJaXmPLvHcESHA=";
const TWIML: &str = "<Response><Message>Thanks</Message></Response>";

/// A sandbox whose webhooks go to a receiver. It answers a wrong signature with 403, `/broken` with 500, and otherwise with a
/// reply, as a function behind API Gateway.
struct TimelineTest {
    http: Client,
    server: SandboxServer,
    receiver: String,
}

fn receive(config: &Config, url: &str, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response {
    let signature = sign(&config.auth_token, &format!("{url}{uri}"), &Form::parse(body));
    let id = ("Apigw-Requestid", REQUEST_ID);
    if uri.path() == "/broken" {
        (StatusCode::INTERNAL_SERVER_ERROR, [id], "internal error").into_response()
    } else if headers.get("x-twilio-signature").is_none_or(|sent| sent != signature.as_str()) {
        (StatusCode::FORBIDDEN, [id], REFUSAL).into_response()
    } else {
        ([id, ("Content-Type", "text/xml")], TWIML).into_response()
    }
}

impl TimelineTest {
    async fn start() -> Self {
        Self::with_inbound_path("/inbound").await
    }

    async fn with_inbound_path(path: &str) -> Self {
        let receiving = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", receiving.local_addr().unwrap());
        let config = Config::documented(format!("{url}{path}"));
        let known = Arc::new((config.clone(), url.clone()));
        let router = Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: Bytes| {
            receive(&known.0, &known.1, &uri, &headers, &body)
        });
        tokio::spawn(async { axum::serve(receiving, router).await });
        let server = serve_on_free_port(|_| config).await.unwrap();
        Self { http: Client::new(), server, receiver: url }
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}/sandbox/{path}", self.server.url)).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.http.post(format!("{}/sandbox/{path}", self.server.url)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Plans a fault, and lets Ava write. Gives the SID of her message.
    async fn write_with(&self, fault: Value) -> String {
        self.post("faults", json!({"fault": fault})).await;
        self.write().await
    }

    async fn write(&self) -> String {
        let (_, sent) = self.post("inbound", json!({"from": AVA, "body": "hi"})).await;
        sent["message_sid"].as_str().unwrap().to_owned()
    }

    /// Sends Ava a template for a notification, or for none, and gives the SID.
    async fn create(&self, callback: &str) -> String {
        let url = format!("{}/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json", self.server.url);
        let request = self.http.post(url).basic_auth("SK00000000000000000000000000000001", Some("sandbox-secret"));
        let callback = format!("{}{callback}", self.receiver);
        let sender = ("From", "whatsapp:+14155238886");
        let form = [("To", AVA), sender, ("ContentSid", ORDER_UPDATE_SID), ("StatusCallback", callback.as_str())];
        let created: Value = request.form(&form).send().await.unwrap().json().await.unwrap();
        created["sid"].as_str().unwrap().to_owned()
    }

    async fn entries(&self) -> Vec<Value> {
        self.get("timeline?limit=500").await["entries"].as_array().unwrap().clone()
    }

    async fn entries_of(&self, kind: &str) -> Vec<Value> {
        self.entries().await.into_iter().filter(|entry| entry["kind"] == kind).collect()
    }

    /// The entries of a kind, once there are this many.
    async fn until_entries(&self, kind: &str, number: usize) -> Vec<Value> {
        until(async || Some(self.entries_of(kind).await).filter(|entries| entries.len() >= number)).await
    }

    async fn message(&self, sid: &str) -> Value {
        let messages = self.get("messages").await;
        messages.as_array().unwrap().iter().find(|message| message["sid"] == sid).unwrap().clone()
    }

    async fn again(&self, entry: &Value) -> (u16, Value) {
        self.post(&format!("timeline/{}/again", entry["number"]), Value::Null).await
    }
}

/// The value of a header of a request or a response.
fn header<'a>(message: &'a Value, name: &str) -> &'a Value {
    let headers = message["headers"].as_array().unwrap();
    let found = headers.iter().find(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
    &found.unwrap_or_else(|| panic!("{name}: {message}"))[1]
}

#[tokio::test]
async fn refused_webhook_has_its_exchange_and_the_reason() {
    let test = TimelineTest::start().await;
    let sid = test.write_with(json!({"kind": "wrong_signature"})).await;
    let entry = &test.entries_of("webhook").await[0];
    assert_eq!((&entry["reason"], &entry["problem"], &entry["delivery"]), (&json!(REFUSAL), &json!(true), &json!(1)));
    assert_eq!((&entry["cause"], &entry["message_sid"]), (&json!(format!("webhook:{sid}")), &json!(sid)));
    let exchange = &entry["exchange"];
    let (request, response) = (&exchange["request"], &exchange["response"]);
    assert_eq!((&request["method"], &request["url"]), (&json!("POST"), &json!(format!("{}/inbound", test.receiver))));
    assert!(request["body"].as_str().unwrap().contains("Body=hi"), "{request}");
    assert_eq!(header(request, "X-Twilio-Signature").as_str().unwrap().len(), 28);
    assert_eq!((&response["status"], &response["body"]), (&json!(403), &json!(REFUSAL)));
    assert_eq!(header(response, "apigw-requestid"), REQUEST_ID);
    assert_eq!((&exchange["began_at"], &exchange["attempts"][0]["status"]), (&entry["at"], &json!(403)));
    let fault = &test.entries_of("fault").await[0];
    assert_eq!((&fault["cause"], &fault["exchange"]), (&entry["cause"], &Value::Null));
}

#[tokio::test]
async fn webhook_sent_again_has_the_same_token_and_a_valid_signature() {
    let test = TimelineTest::start().await;
    let sid = test.write_with(json!({"kind": "wrong_signature"})).await;
    assert_eq!(test.message(&sid).await["sandbox"]["answer"], json!({"status": 403, "lost": false, "deliveries": 1}));
    let first = test.entries_of("webhook").await.remove(0);
    let (status, answer) = test.again(&first).await;
    assert_eq!((status, &answer["status"], &answer["reply"]), (200, &json!(200), &json!("Thanks")));
    assert_eq!((&answer["message_sid"], &answer["twiml"]), (&json!(sid), &json!(TWIML)));
    let second = test.entries_of("webhook").await.remove(1);
    assert_eq!(
        (&second["delivery"], &second["cause"], &second["problem"]),
        (&json!(2), &first["cause"], &json!(false))
    );
    let sent = |name: &str| [&first, &second].map(|entry| header(&entry["exchange"]["request"], name).clone());
    let [token, other] = sent("I-Twilio-Idempotency-Token");
    assert!(token == other && !token.as_str().unwrap().is_empty());
    assert_ne!(sent("X-Twilio-Signature")[0], sent("X-Twilio-Signature")[1]);
    assert_eq!(test.message(&sid).await["sandbox"]["answer"], json!({"status": 200, "lost": false, "deliveries": 2}));
    let replies = test.get("messages").await;
    let reply = replies.as_array().unwrap().iter().find(|message| message["direction"] == "outbound-reply").unwrap();
    assert_eq!(reply["sandbox"]["answers"], json!(sid));
}

#[tokio::test]
async fn lost_webhook_is_sent_later() {
    let test = TimelineTest::start().await;
    let sid = test.write_with(json!({"kind": "lost"})).await;
    let lost = test.entries_of("webhook").await.remove(0);
    let exchange = &lost["exchange"];
    assert_eq!((&exchange["response"], &exchange["attempts"]), (&Value::Null, &json!([])));
    assert_eq!(test.message(&sid).await["sandbox"]["answer"], json!({"status": null, "lost": true, "deliveries": 1}));
    assert_eq!(test.again(&lost).await.1["status"], 200);
    assert_eq!(test.message(&sid).await["sandbox"]["answer"], json!({"status": 200, "lost": false, "deliveries": 2}));
}

#[tokio::test]
async fn attempts_of_an_unanswered_webhook_are_recorded() {
    let test = TimelineTest::start().await;
    let url = format!("{}/v1/Services/MG00000000000000000000000000000001", test.server.url);
    let request = test.http.post(url).basic_auth("SK00000000000000000000000000000001", Some("sandbox-secret"));
    let nowhere = [("InboundRequestUrl", "http://127.0.0.1:9/inbound#rc=2&ct=1000&rp=ct")];
    assert!(request.form(&nowhere).send().await.unwrap().status().is_success());
    test.write().await;
    let entry = test.entries_of("webhook").await.remove(0);
    let attempts = entry["exchange"]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 3, "{entry}");
    assert!(attempts.iter().all(|attempt| attempt["error"].as_str().unwrap().starts_with("no connection: ")));
    assert_eq!((&entry["exchange"]["response"], &entry["reason"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn calls_and_callbacks_of_a_notification_have_its_cause() {
    let test = TimelineTest::start().await;
    test.post("faults", json!({"fault": {"kind": "fail", "code": 63024}})).await;
    let sid = test.create("/status?notification=order%201#rc=2").await;
    let callback = test.until_entries("callback", 1).await.remove(0);
    let call = test.entries_of("api_call").await.remove(0);
    let fault = test.entries_of("fault").await.remove(0);
    assert_eq!(fault["summary"], "Planned fault: fails with 63024");
    for entry in [&call, &fault] {
        assert_eq!((&entry["cause"], &entry["message_sid"]), (&json!("notification:order 1"), &json!(sid)), "{entry}");
    }
    assert_eq!(callback["cause"], format!("callback:{sid}:failed"));
    for entry in [&call, &fault, &callback] {
        assert_eq!((&entry["notification_id"], &entry["person"]), (&json!("order 1"), &json!(AVA)), "{entry}");
    }
    let request = &call["exchange"]["request"];
    assert_eq!(header(request, "Authorization"), "Basic SK00000000000000000000000000000001:***");
    assert!(request["body"].as_str().unwrap().contains(ORDER_UPDATE_SID), "{request}");
    let response = &call["exchange"]["response"];
    assert!(response["body"].as_str().unwrap().contains(&sid), "{response}");
    assert!(header(response, "Twilio-Request-Id").as_str().unwrap().starts_with("RQ"));
    let shown = call.to_string();
    assert!(!shown.contains("sandbox-secret") && !shown.contains("c2FuZGJveC1zZWNyZXQ"), "{shown}");
}

#[tokio::test]
async fn message_without_a_notification_is_a_cause() {
    let test = TimelineTest::start().await;
    test.post("faults", json!({"fault": {"kind": "silent"}})).await;
    let sid = test.create("/status").await;
    let entries = test.entries().await;
    let causes: Vec<_> = entries.iter().map(|entry| entry["cause"].as_str().unwrap()).collect();
    assert_eq!(causes, [format!("message:{sid}"), format!("message:{sid}")]);
}

#[tokio::test]
async fn call_and_callback_are_sent_again() {
    let test = TimelineTest::start().await;
    test.create("/status?notification=order-1").await;
    let callback = test.until_entries("callback", 3).await.remove(0);
    let call = test.entries_of("api_call").await.remove(0);
    let (status, answer) = test.again(&call).await;
    assert_eq!((status, &answer["status"]), (200, &json!(201)), "{answer}");
    let calls = test.entries_of("api_call").await;
    let [first, second] = [&calls[0], &calls[1]].map(|call| &call["exchange"]["request"]["body"]);
    assert_eq!(first, second);
    assert_ne!(calls[0]["message_sid"], calls[1]["message_sid"], "a second message was created");
    assert_eq!(test.again(&callback).await.1["status"], 200);
    let of_first = |entry: &Value| entry["cause"] == callback["cause"];
    let deliveries: Vec<_> =
        test.entries().await.into_iter().filter(of_first).map(|entry| entry["delivery"].clone()).collect();
    assert_eq!(deliveries, [1, 2]);
}

#[tokio::test]
async fn entry_without_a_request_is_not_sent_again() {
    let test = TimelineTest::start().await;
    test.post("clock", json!({"advance_seconds": 1})).await;
    let clock = test.entries().await.remove(0);
    assert_eq!((&clock["cause"], &clock["problem"]), (&json!("entry:1"), &json!(false)));
    assert_eq!(test.again(&clock).await.0, 409);
    assert_eq!(test.again(&json!({"number": 99})).await.0, 404);
}

#[tokio::test]
async fn reason_from_the_log_replaces_that_of_the_answer() {
    let test = TimelineTest::with_inbound_path("/broken").await;
    test.write().await;
    let entry = test.entries_of("webhook").await.remove(0);
    assert_eq!(entry["reason"], "internal error");
    let mut stream = test.http.get(format!("{}/sandbox/stream", test.server.url)).send().await.unwrap();
    let mut read = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(!test.server.sandbox.explain("another", "no reason"));
    assert!(test.server.sandbox.explain(REQUEST_ID, "the Messages table does not exist"));
    while !read.contains("event: entry") || !read.ends_with("\n\n") {
        read.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    }
    let (_, changed) = read.split_once("event: entry\ndata: ").unwrap();
    let changed: Value = serde_json::from_str(changed.trim()).unwrap();
    assert_eq!(
        (&changed["number"], &changed["reason"]),
        (&entry["number"], &json!("the Messages table does not exist"))
    );
    assert_eq!(test.entries_of("webhook").await, [changed]);
}

#[tokio::test]
async fn older_entries_are_read_page_by_page() {
    let test = TimelineTest::start().await;
    for number in 1..=5 {
        let event = json!({"kind": "item", "outcome": "good", "summary": format!("item {number}")});
        assert_eq!(test.post("timeline", event).await.0, 204);
    }
    let page = async |query: &str| {
        let page = test.get(&format!("timeline?{query}")).await;
        let numbers: Vec<_> = page["entries"].as_array().unwrap().iter().map(|entry| entry["number"].clone()).collect();
        (json!(numbers), page["older"].clone(), page["forgotten"].clone())
    };
    assert_eq!(page("limit=2").await, (json!([4, 5]), json!(true), json!(0)));
    assert_eq!(page("before=4&limit=2").await, (json!([2, 3]), json!(true), json!(0)));
    assert_eq!(page("before=2").await, (json!([1]), json!(false), json!(0)));
    for query in ["limit=0", "limit=501"] {
        let answer = test.http.get(format!("{}/sandbox/timeline?{query}", test.server.url)).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{query}");
    }
}

#[tokio::test]
async fn event_of_the_system_has_its_own_time_and_cause() {
    let test = TimelineTest::start().await;
    let event = json!({
        "kind": "item", "outcome": "good", "summary": "stored", "at": "2026-11-20T09:00:00Z",
        "cause": "webhook:SM1", "details": {"table": "Messages"},
    });
    assert_eq!(test.post("timeline", event).await.0, 204);
    let entry = test.entries().await.remove(0);
    assert_eq!((&entry["at"], &entry["cause"]), (&json!("2026-11-20T09:00:00Z"), &json!("webhook:SM1")));
}

#[tokio::test]
async fn snapshot_keeps_what_its_entries_do_not_show() {
    let test = TimelineTest::start().await;
    let sid = test.write().await;
    let opted_out = json!({"event_type": "contact_opted_out", "channel": "whatsapp", "scope": "marketing"});
    let opted_out = TimelineEvent {
        person: Some(AVA.to_owned()),
        message_sid: Some(sid.clone()),
        details: opted_out,
        cause: Some(EntryCause::webhook(&sid)),
        ..TimelineEvent::new("event", TimelineOutcome::Refused, "contact_opted_out")
    };
    test.server.sandbox.record(opted_out);
    for _ in 0..500 {
        test.server.sandbox.record(TimelineEvent::new("item", TimelineOutcome::Good, "something else"));
    }
    let state = test.get("state").await;
    assert!(state["timeline"].as_array().unwrap().iter().all(|entry| entry["kind"] == "item"));
    assert_eq!((&state["timeline_older"], &state["timeline_forgotten"]), (&json!(true), &json!(0)));
    let answer = &state["messages"][0]["sandbox"]["answer"];
    assert_eq!(answer, &json!({"status": 200, "lost": false, "deliveries": 1}));
    let opted_out = &state["people"][0]["opted_out"];
    assert_eq!((&opted_out["by"], &opted_out["text"]), (&json!("system"), &json!("opted out of marketing")));
    assert_eq!(opted_out["message_sid"], json!(sid));
    assert_eq!(state["people"][1]["opted_out"], Value::Null);
}
