//! Injected faults, scenarios and opt-outs, as a receiver of webhooks sees them.

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
use reqwest::{Client, Response};
use sandbox::{Config, ORDER_UPDATE_SID, SandboxServer, serve_on_free_port};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twilio_webhook::{form::Form, signature::sign};

use crate::until::until;

const AVA: &str = "whatsapp:+14155550123";
const BEN: &str = "whatsapp:+14155550124";

#[derive(Debug, Clone, PartialEq)]
struct PostedWebhook {
    path: String,
    token: String,
    signed: bool,
    form: Form,
}

impl PostedWebhook {
    fn get(&self, name: &str) -> &str {
        self.form.get(name).unwrap_or_default()
    }
}

const TYPE: [(&str, &str); 1] = [("Content-Type", "text/xml")];
/// Two replies, the second with a file.
const TWIML: &str = "<Response><Message>one</Message><Message><Body>two</Body>\
                     <Media>https://example.com/a.png</Media></Message></Response>";

/// Records all webhooks, and answers `/broken` with 500 and `/twiml` with two replies.
#[derive(Debug, Clone)]
struct Receiver {
    received: Arc<Mutex<Vec<PostedWebhook>>>,
    config: Config,
    url: String,
}

async fn receive(
    State(receiver): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let form = Form::parse(&body);
    let signature = sign(&receiver.config.auth_token, &format!("{}{uri}", receiver.url), &form);
    let signed = signature == header("x-twilio-signature");
    let webhook =
        PostedWebhook { path: uri.path().to_owned(), token: header("i-twilio-idempotency-token"), signed, form };
    receiver.received.lock().unwrap().push(webhook);
    match uri.path() {
        "/broken" => (StatusCode::INTERNAL_SERVER_ERROR, TYPE, ""),
        _ if !signed => (StatusCode::FORBIDDEN, TYPE, ""),
        "/twiml" => (StatusCode::OK, TYPE, TWIML),
        _ => (StatusCode::OK, TYPE, ""),
    }
}

struct FaultTest {
    http: Client,
    server: SandboxServer,
    receiver: Receiver,
}

impl FaultTest {
    async fn start(seed: u64) -> Self {
        let receiving = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", receiving.local_addr().unwrap());
        let config = Config { seed, ..Config::documented(format!("{url}/inbound")) };
        let receiver = Receiver { received: Arc::default(), config: config.clone(), url };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async { axum::serve(receiving, router).await });
        let server = serve_on_free_port(|_| config).await.unwrap();
        Self { http: Client::new(), server, receiver }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}/sandbox/{path}", self.server.url)).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap_or_default()
    }

    async fn plan(&self, fault: Value) {
        self.post("faults", json!({"fault": fault})).await;
    }

    async fn request_message(&self, to: &str, callback: &str) -> Response {
        let url = format!("{}/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json", self.server.url);
        let request = self.http.post(url).basic_auth("SK00000000000000000000000000000001", Some("sandbox-secret"));
        let callback = format!("{}{callback}", self.receiver.url);
        let sender = ("From", "whatsapp:+14155238886");
        let form = [("To", to), sender, ("ContentSid", ORDER_UPDATE_SID), ("StatusCallback", callback.as_str())];
        request.form(&form).send().await.unwrap()
    }

    /// Creates a message, and gives its SID; none where it was refused.
    async fn create(&self, to: &str) -> Option<String> {
        self.request_message(to, "/status").await.json::<Value>().await.unwrap()["sid"].as_str().map(str::to_owned)
    }

    /// The received webhooks, once there are this many.
    async fn received(&self, number: usize) -> Vec<PostedWebhook> {
        let all = || self.receiver.received.lock().unwrap().clone();
        until(async || (all().len() >= number).then_some(())).await;
        all()
    }

    /// Waits until the timeline has an entry that passes the check.
    async fn until_entry(&self, wanted: impl Fn(&Value) -> bool) {
        until(async || self.timeline().await.iter().any(&wanted).then_some(())).await;
    }

    /// The statuses of the received webhooks, once there are this many.
    async fn statuses(&self, number: usize) -> Vec<String> {
        self.received(number).await.iter().map(|received| received.get("MessageStatus").to_owned()).collect()
    }

    async fn timeline(&self) -> Vec<Value> {
        let state = self.http.get(format!("{}/sandbox/state", self.server.url)).send().await.unwrap();
        state.json::<Value>().await.unwrap()["timeline"].as_array().unwrap().clone()
    }

    /// Waits until a message was read or has failed.
    async fn until_ended(&self, sid: &str) {
        let ended = async || {
            let state = self.http.get(format!("{}/sandbox/state", self.server.url)).send().await.unwrap();
            let state: Value = state.json().await.unwrap();
            let message = state["messages"].as_array().unwrap().iter().find(|message| message["sid"] == sid).cloned();
            message.is_some_and(|message| message["status"] == "read" || message["status"] == "failed")
        };
        until(async || ended().await.then_some(())).await;
    }
}

/// Twelve messages to two people with many random faults: gives the created SIDs, and the webhooks about each.
async fn bad_day(seed: u64) -> (Vec<Option<String>>, Vec<Vec<String>>) {
    let sandbox = FaultTest::start(seed).await;
    let faults = [
        json!({"chance": 0.3, "fault": {"kind": "refuse", "status": 429, "code": 20429, "retry_after": 1}}),
        json!({"chance": 0.3, "fault": {"kind": "fail", "code": 63024}}),
        json!({"chance": 0.5, "fault": {"kind": "lost"}}),
        json!({"chance": 0.5, "fault": {"kind": "duplicate"}}),
        json!({"chance": 0.5, "fault": {"kind": "reordered"}, "to": AVA}),
    ];
    for mut fault in faults {
        fault["times"] = Value::Null;
        sandbox.post("faults", fault).await;
    }
    let mut sids = Vec::new();
    for to in [AVA, BEN].repeat(6) {
        sids.push(sandbox.create(to).await);
    }
    let timeline = sandbox.timeline().await;
    let has = |sid: &str, kind: &str| {
        timeline.iter().any(|entry| entry["message_sid"] == sid && entry["details"]["kind"] == kind)
    };
    let expected = sids.iter().flatten().map(|sid| match (has(sid, "lost"), has(sid, "fail"), has(sid, "duplicate")) {
        (true, ..) => 0,
        (false, failed, doubled) => (if failed { 1 } else { 3 }) * (if doubled { 2 } else { 1 }),
    });
    let received = sandbox.received(expected.sum()).await;
    let statuses = |sid: &String| {
        let of_it = received.iter().filter(|received| received.get("MessageSid") == sid);
        of_it.map(|received| format!("{} {}", received.get("MessageStatus"), received.token)).collect()
    };
    let statuses = sids.iter().flatten().map(statuses).collect();
    (sids, statuses)
}

#[tokio::test]
async fn same_seed_has_the_same_faults() {
    let (first, again, other) = tokio::join!(bad_day(7), bad_day(7), bad_day(8));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let (sids, statuses) = first;
    assert!(sids.iter().any(Option::is_none) && sids.iter().any(Option::is_some), "{sids:?}");
    assert!(statuses.iter().any(Vec::is_empty) && statuses.iter().any(|statuses| statuses.len() > 3), "{statuses:?}");
}

#[tokio::test]
async fn callbacks_are_duplicated_lost_and_late() {
    let sandbox = FaultTest::start(1).await;
    sandbox.plan(json!({"kind": "duplicate"})).await;
    sandbox.create(AVA).await;
    assert_eq!(sandbox.statuses(6).await, ["sent", "sent", "delivered", "delivered", "read", "read"]);
    let received = sandbox.received(6).await;
    assert_ne!(received[0].token, received[1].token, "duplicates have different tokens");
    sandbox.plan(json!({"kind": "lost", "status": "delivered"})).await;
    sandbox.create(AVA).await;
    assert_eq!(sandbox.statuses(8).await[6..], ["sent", "read"]);
    sandbox.plan(json!({"kind": "late", "milliseconds": 3_600_000})).await;
    let late = sandbox.create(AVA).await.unwrap();
    sandbox.until_ended(&late).await;
    assert_eq!(sandbox.received(8).await.len(), 8);
    sandbox.post("clock", json!({"advance_seconds": 3_600})).await;
    assert_eq!(sandbox.statuses(11).await[8..], ["sent", "delivered", "read"]);
}

#[tokio::test]
async fn callbacks_are_reordered() {
    let sandbox = FaultTest::start(1).await;
    sandbox.plan(json!({"kind": "reordered"})).await;
    sandbox.create(AVA).await;
    let mut statuses = sandbox.statuses(3).await;
    assert_ne!(statuses, ["sent", "delivered", "read"]);
    statuses.sort_unstable();
    assert_eq!(statuses, ["delivered", "read", "sent"]);
}

#[tokio::test]
async fn retried_webhook_has_the_same_idempotency_token() {
    let sandbox = FaultTest::start(1).await;
    sandbox.plan(json!({"kind": "retried"})).await;
    sandbox.post("inbound", json!({"from": AVA, "body": "hi"})).await;
    let received = sandbox.received(2).await;
    assert_eq!(received[0], received[1]);
    assert!(!received[0].token.is_empty() && received[0].signed);
}

#[tokio::test]
async fn wrong_signature_is_recorded_as_refused() {
    let sandbox = FaultTest::start(1).await;
    sandbox.plan(json!({"kind": "wrong_signature"})).await;
    let verdict = async |number: usize| {
        let sent = sandbox.post("inbound", json!({"from": AVA, "body": "hi"})).await;
        let entries = sandbox.timeline().await;
        let entries: Vec<_> = entries.iter().filter(|entry| entry["kind"] == "webhook").collect();
        (
            sandbox.received(number).await[number - 1].signed,
            sent["status"].clone(),
            entries[number - 1]["details"]["signature"].clone(),
        )
    };
    assert_eq!(verdict(1).await, (false, json!(403), json!("refused")));
    assert_eq!(verdict(2).await, (true, json!(200), json!("accepted")));
    let changed = sandbox.post("auth-token", json!({})).await;
    assert_eq!(changed["auth_token"].as_str().unwrap().len(), 32);
    assert_eq!(verdict(3).await, (false, json!(403), json!("refused")));
}

#[tokio::test]
async fn message_is_overtaken_by_the_persons_next_one() {
    let sandbox = FaultTest::start(1).await;
    sandbox.plan(json!({"kind": "reordered"})).await;
    let first = sandbox.post("inbound", json!({"from": AVA, "body": "first"}));
    let second = async {
        // The fault affects the message that is stored first.
        sandbox.until_entry(|entry| entry["kind"] == "fault").await;
        sandbox.post("inbound", json!({"from": AVA, "body": "second"})).await
    };
    tokio::join!(first, second);
    let bodies: Vec<_> = sandbox.received(2).await.iter().map(|received| received.get("Body").to_owned()).collect();
    assert_eq!(bodies, ["second", "first"]);
}

#[tokio::test]
async fn webhook_is_retried_as_its_url_asks() {
    let sandbox = FaultTest::start(1).await;
    sandbox.plan(json!({"kind": "report", "statuses": ["sent"]})).await;
    sandbox.request_message(AVA, "/broken#rp=5xx&rc=2").await;
    assert_eq!(sandbox.statuses(3).await, ["sent", "sent", "sent"]);
    let received = sandbox.received(3).await;
    assert!(received.iter().all(|one| one.signed && one.path == "/broken" && one.token == received[0].token));
}

#[tokio::test]
async fn refused_call_has_retry_after() {
    let sandbox = FaultTest::start(1).await;
    sandbox.plan(json!({"kind": "refuse", "status": 429, "code": 20429, "retry_after": 3})).await;
    let refused = sandbox.request_message(AVA, "/status").await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"3".parse().unwrap()));
    assert_eq!(sandbox.request_message(AVA, "/status").await.status(), 201);
}

#[tokio::test]
async fn scenario_is_played_step_by_step() {
    let scenario: Value = serde_json::from_str(include_str!("../../scenarios/rate-limited.json")).unwrap();
    // The scenario is for another seed, which only adds a timeline entry.
    let sandbox = FaultTest::start(1).await;
    let steps = sandbox.post("scenario", scenario).await["steps"].as_u64().unwrap();
    assert_eq!(sandbox.received(1).await[0].get("Body"), "Good morning");
    for status in [429, 429, 429] {
        assert_eq!(sandbox.request_message(AVA, "/status").await.status(), status);
    }
    sandbox.until_entry(|entry| entry["details"]["step"] == steps).await;
    let played = sandbox.timeline().await;
    let played = played.iter().filter(|entry| entry["kind"] == "scenario");
    let numbers: Vec<_> = played.filter_map(|entry| entry["details"]["step"].as_u64()).collect();
    assert_eq!(numbers, (1..=steps).collect::<Vec<_>>());
}

#[tokio::test]
async fn scenario_waits_for_a_status_or_ends() {
    let sandbox = FaultTest::start(1).await;
    let wait = |seconds: u32| json!({"wait": {"status": "delivered", "to": AVA, "within_seconds": seconds}});
    let inbound = json!({"inbound": {"from": AVA, "body": "at last"}});
    sandbox.post("scenario", json!({"steps": [wait(20), inbound]})).await;
    sandbox.create(AVA).await;
    let received = sandbox.received(4).await;
    assert!(received.iter().any(|received| received.get("Body") == "at last"));
    sandbox.post("scenario", json!({"steps": [wait(0), inbound]})).await;
    sandbox.until_entry(|entry| entry["kind"] == "scenario" && entry["outcome"] == "bad").await;
    let wrong = json!({"steps": [{"wait": {"status": "read"}}]});
    let refused =
        sandbox.http.post(format!("{}/sandbox/scenario", sandbox.server.url)).json(&wrong).send().await.unwrap();
    assert_eq!(refused.status(), 422);
    assert!(refused.text().await.unwrap().contains("step 1: wait: missing field `to`"));
}

#[tokio::test]
async fn stop_is_answered_and_refuses_messages_until_start() {
    let sandbox = FaultTest::start(1).await;
    sandbox.post("scenario", json!({"steps": [{"rules": {"advanced_opt_out": true}}]})).await;
    let write = async |body: &str, number: usize| {
        sandbox.post("inbound", json!({"from": AVA, "body": body})).await;
        sandbox.received(number).await[number - 1].get("OptOutType").to_owned()
    };
    let opted_out = async || {
        let state = sandbox.http.get(format!("{}/sandbox/state", sandbox.server.url)).send().await.unwrap();
        let state: Value = state.json().await.unwrap();
        let last = state["messages"].as_array().unwrap().last().unwrap().clone();
        (
            state["people"][0]["opted_out"]["by"] == "twilio",
            last["direction"].clone(),
            last["body"].as_str().unwrap().to_owned(),
        )
    };
    sandbox.until_entry(|entry| entry["summary"] == "The scenario is over").await;
    assert_eq!(write("Stop", 1).await, "STOP");
    let (out, direction, statuses) = opted_out().await;
    assert!(out && direction == "outbound-reply" && statuses.contains("unsubscribed"), "{statuses}");
    let refused = sandbox.request_message(AVA, "/status").await;
    assert_eq!((refused.status().as_u16(), &refused.json::<Value>().await.unwrap()["code"]), (400, &json!(21610)));
    assert_eq!(sandbox.request_message(BEN, "/status").await.status(), 201);
    sandbox.received(4).await;
    assert_eq!(write("start", 5).await, "START");
    assert!(!opted_out().await.0);
    assert_eq!(sandbox.request_message(AVA, "/status").await.status(), 201);
}

#[tokio::test]
async fn unanswered_call_is_recorded_when_its_caller_closes() {
    let sandbox = FaultTest::start(1).await;
    sandbox.plan(json!({"kind": "accept_then_hang"})).await;
    tokio::select! {
        answer = sandbox.request_message(AVA, "/status") => panic!("answered with {}", answer.status()),
        statuses = sandbox.statuses(3) => assert_eq!(statuses, ["sent", "delivered", "read"]),
    }
    sandbox
        .until_entry(|entry| entry["kind"] == "api_call" && entry["outcome"] == "bad" && entry["person"] == AVA)
        .await;
}

#[tokio::test]
async fn fallback_url_is_called_and_its_twiml_is_used() {
    let sandbox = FaultTest::start(1).await;
    let url = format!("{}/v1/Services/MG00000000000000000000000000000001", sandbox.server.url);
    let (broken, twiml) = (format!("{}/broken", sandbox.receiver.url), format!("{}/twiml", sandbox.receiver.url));
    let request = sandbox.http.post(url).basic_auth("SK00000000000000000000000000000001", Some("sandbox-secret"));
    let request = request.form(&[("InboundRequestUrl", &broken), ("FallbackUrl", &twiml)]);
    assert!(request.send().await.unwrap().status().is_success());
    let sent = sandbox.post("inbound", json!({"from": AVA, "body": "hi"})).await;
    assert_eq!((&sent["status"], &sent["reply"]), (&json!(200), &json!("one")));
    let received = sandbox.received(2).await;
    assert_eq!((received[0].path.as_str(), received[1].path.as_str()), ("/broken", "/twiml"));
    assert_eq!(
        (received[1].get("ErrorCode"), received[1].get("ErrorUrl"), received[1].signed),
        ("11200", broken.as_str(), true)
    );
    let state = sandbox.http.get(format!("{}/sandbox/state", sandbox.server.url)).send().await.unwrap();
    let state: Value = state.json().await.unwrap();
    let replies: Vec<_> = state["messages"].as_array().unwrap().iter().skip(1).collect();
    assert_eq!(replies.iter().map(|reply| reply["body"].as_str().unwrap()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(replies[1]["sandbox"]["media"][0]["url"], "https://example.com/a.png");
}
