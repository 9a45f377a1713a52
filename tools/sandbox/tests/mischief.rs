//! Misbehaviour as the system under test meets it: a sandbox, and a receiver of its webhooks.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

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
use common::until;
use reqwest::{Client, Response};
use sandbox::{Config, ORDER_UPDATE_SID, Sandbox, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twilio_webhook::{form::Form, signature::sign};

mod common;

const AVA: &str = "whatsapp:+14155550123";
const BEN: &str = "whatsapp:+14155550124";

/// A webhook that came.
#[derive(Debug, Clone, PartialEq)]
struct Came {
    path: String,
    token: String,
    signed: bool,
    form: Form,
}

impl Came {
    fn get(&self, name: &str) -> &str {
        self.form.get(name).unwrap_or_default()
    }
}

const TYPE: [(&str, &str); 1] = [("Content-Type", "text/xml")];
/// Two messages back, the second with a file.
const TWIML: &str = "<Response><Message>one</Message><Message><Body>two</Body>\
                     <Media>https://example.com/a.png</Media></Message></Response>";

/// Who is told: notes all, and answers `/broken` with 500, and `/twiml` with two messages.
#[derive(Debug, Clone)]
struct Receiver {
    came: Arc<Mutex<Vec<Came>>>,
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
    let came = Came { path: uri.path().to_owned(), token: header("i-twilio-idempotency-token"), signed, form };
    receiver.came.lock().unwrap().push(came);
    match uri.path() {
        "/broken" => (StatusCode::INTERNAL_SERVER_ERROR, TYPE, ""),
        _ if !signed => (StatusCode::FORBIDDEN, TYPE, ""),
        "/twiml" => (StatusCode::OK, TYPE, TWIML),
        _ => (StatusCode::OK, TYPE, ""),
    }
}

struct Play {
    http: Client,
    url: String,
    receiver: Receiver,
}

impl Play {
    async fn begin(seed: u64) -> Self {
        let listen = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (listener, receiving) = (listen().await, listen().await);
        let url = format!("http://{}", receiving.local_addr().unwrap());
        let config = Config { seed, ..Config::documented(format!("{url}/inbound")) };
        let receiver = Receiver { came: Arc::default(), config: config.clone(), url };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async { axum::serve(receiving, router).await });
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(Sandbox::new(config), listener));
        Self { http: Client::new(), url, receiver }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}/sandbox/{path}", self.url)).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap_or_default()
    }

    async fn plan(&self, fault: Value) {
        self.post("faults", json!({"fault": fault})).await;
    }

    async fn ask(&self, to: &str, callback: &str) -> Response {
        let url = format!("{}/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json", self.url);
        let request = self.http.post(url).basic_auth("SK00000000000000000000000000000001", Some("sandbox-secret"));
        let callback = format!("{}{callback}", self.receiver.url);
        let sender = ("From", "whatsapp:+14155238886");
        let form = [("To", to), sender, ("ContentSid", ORDER_UPDATE_SID), ("StatusCallback", callback.as_str())];
        request.form(&form).send().await.unwrap()
    }

    /// Asks for a message, and gives its SID; none where it was refused.
    async fn create(&self, to: &str) -> Option<String> {
        self.ask(to, "/status").await.json::<Value>().await.unwrap()["sid"].as_str().map(str::to_owned)
    }

    /// What came, when so much has.
    async fn came(&self, number: usize) -> Vec<Came> {
        let all = || self.receiver.came.lock().unwrap().clone();
        until(async || (all().len() >= number).then_some(())).await;
        all()
    }

    /// Waits until the timeline says something.
    async fn says(&self, wanted: impl Fn(&Value) -> bool) {
        until(async || self.timeline().await.iter().any(&wanted).then_some(())).await;
    }

    /// The statuses that were told, when there are so many.
    async fn told(&self, number: usize) -> Vec<String> {
        self.came(number).await.iter().map(|came| came.get("MessageStatus").to_owned()).collect()
    }

    /// What the timeline says, as the kind and what it is about.
    async fn timeline(&self) -> Vec<Value> {
        let state = self.http.get(format!("{}/sandbox/state", self.url)).send().await.unwrap();
        state.json::<Value>().await.unwrap()["timeline"].as_array().unwrap().clone()
    }

    /// Waits until a message was read or has failed.
    async fn end_of(&self, sid: &str) {
        let ended = async || {
            let state = self.http.get(format!("{}/sandbox/state", self.url)).send().await.unwrap();
            let state: Value = state.json().await.unwrap();
            let message = state["messages"].as_array().unwrap().iter().find(|message| message["sid"] == sid).cloned();
            message.is_some_and(|message| message["status"] == "read" || message["status"] == "failed")
        };
        until(async || ended().await.then_some(())).await;
    }
}

/// A bad day of two people: gives all that could be seen of it.
async fn bad_day(seed: u64) -> (Vec<Option<String>>, Vec<Vec<String>>) {
    let play = Play::begin(seed).await;
    let faults = [
        json!({"chance": 0.3, "fault": {"kind": "refuse", "status": 429, "code": 20429, "retry_after": 1}}),
        json!({"chance": 0.3, "fault": {"kind": "fail", "code": 63024}}),
        json!({"chance": 0.5, "fault": {"kind": "lost"}}),
        json!({"chance": 0.5, "fault": {"kind": "duplicate"}}),
        json!({"chance": 0.5, "fault": {"kind": "reordered"}, "to": AVA}),
    ];
    for mut fault in faults {
        fault["times"] = Value::Null;
        play.post("faults", fault).await;
    }
    let mut sids = Vec::new();
    for to in [AVA, BEN].repeat(6) {
        sids.push(play.create(to).await);
    }
    let timeline = play.timeline().await;
    let has = |sid: &str, kind: &str| {
        timeline.iter().any(|entry| entry["message_sid"] == sid && entry["details"]["kind"] == kind)
    };
    let expected = sids.iter().flatten().map(|sid| match (has(sid, "lost"), has(sid, "fail"), has(sid, "duplicate")) {
        (true, ..) => 0,
        (false, failed, doubled) => (if failed { 1 } else { 3 }) * (if doubled { 2 } else { 1 }),
    });
    let came = play.came(expected.sum()).await;
    let told = |sid: &String| {
        let of_it = came.iter().filter(|came| came.get("MessageSid") == sid);
        of_it.map(|came| format!("{} {}", came.get("MessageStatus"), came.token)).collect()
    };
    let told = sids.iter().flatten().map(told).collect();
    (sids, told)
}

#[tokio::test]
async fn the_same_seed_has_the_same_bad_day() {
    let (first, again, other) = tokio::join!(bad_day(7), bad_day(7), bad_day(8));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let (sids, told) = first;
    assert!(sids.iter().any(Option::is_none) && sids.iter().any(Option::is_some), "{sids:?}");
    assert!(told.iter().any(Vec::is_empty) && told.iter().any(|told| told.len() > 3), "{told:?}");
}

#[tokio::test]
async fn callbacks_are_doubled_lost_and_late() {
    let play = Play::begin(1).await;
    play.plan(json!({"kind": "duplicate"})).await;
    play.create(AVA).await;
    assert_eq!(play.told(6).await, ["sent", "sent", "delivered", "delivered", "read", "read"]);
    let came = play.came(6).await;
    assert_ne!(came[0].token, came[1].token, "a callback that comes twice is two");
    play.plan(json!({"kind": "lost", "status": "delivered"})).await;
    play.create(AVA).await;
    assert_eq!(play.told(8).await[6..], ["sent", "read"]);
    play.plan(json!({"kind": "late", "milliseconds": 3_600_000})).await;
    let late = play.create(AVA).await.unwrap();
    play.end_of(&late).await;
    assert_eq!(play.came(8).await.len(), 8);
    play.post("clock", json!({"advance_seconds": 3_600})).await;
    assert_eq!(play.told(11).await[8..], ["sent", "delivered", "read"]);
}

#[tokio::test]
async fn callbacks_come_in_another_order() {
    let play = Play::begin(1).await;
    play.plan(json!({"kind": "reordered"})).await;
    play.create(AVA).await;
    let mut told = play.told(3).await;
    assert_ne!(told, ["sent", "delivered", "read"]);
    told.sort_unstable();
    assert_eq!(told, ["delivered", "read", "sent"]);
}

#[tokio::test]
async fn a_webhook_that_is_tried_again_has_the_same_token() {
    let play = Play::begin(1).await;
    play.plan(json!({"kind": "retried"})).await;
    play.post("inbound", json!({"from": AVA, "body": "hi"})).await;
    let came = play.came(2).await;
    assert_eq!(came[0], came[1]);
    assert!(!came[0].token.is_empty() && came[0].signed);
}

#[tokio::test]
async fn a_wrong_signature_is_refused_and_so_is_one_of_another_token() {
    let play = Play::begin(1).await;
    play.plan(json!({"kind": "wrong_signature"})).await;
    let verdict = async |number: usize| {
        let taken = play.post("inbound", json!({"from": AVA, "body": "hi"})).await;
        let entries = play.timeline().await;
        let entries: Vec<_> = entries.iter().filter(|entry| entry["kind"] == "webhook").collect();
        (
            play.came(number).await[number - 1].signed,
            taken["status"].clone(),
            entries[number - 1]["details"]["signature"].clone(),
        )
    };
    assert_eq!(verdict(1).await, (false, json!(403), json!("refused")));
    assert_eq!(verdict(2).await, (true, json!(200), json!("accepted")));
    let changed = play.post("auth-token", json!({})).await;
    assert_eq!(changed["auth_token"].as_str().unwrap().len(), 32);
    assert_eq!(verdict(3).await, (false, json!(403), json!("refused")));
}

#[tokio::test]
async fn a_persons_message_is_overtaken_by_the_next() {
    let play = Play::begin(1).await;
    play.plan(json!({"kind": "reordered"})).await;
    let first = play.post("inbound", json!({"from": AVA, "body": "first"}));
    let second = async {
        // The fault is of whichever message comes first.
        play.says(|entry| entry["kind"] == "fault").await;
        play.post("inbound", json!({"from": AVA, "body": "second"})).await
    };
    tokio::join!(first, second);
    let bodies: Vec<_> = play.came(2).await.iter().map(|came| came.get("Body").to_owned()).collect();
    assert_eq!(bodies, ["second", "first"]);
}

#[tokio::test]
async fn a_webhook_is_tried_as_often_as_its_url_asks_for() {
    let play = Play::begin(1).await;
    play.plan(json!({"kind": "report", "statuses": ["sent"]})).await;
    play.ask(AVA, "/broken#rp=5xx&rc=2").await;
    assert_eq!(play.told(3).await, ["sent", "sent", "sent"]);
    let came = play.came(3).await;
    assert!(came.iter().all(|one| one.signed && one.path == "/broken" && one.token == came[0].token));
}

#[tokio::test]
async fn a_refusal_says_when_to_try_again() {
    let play = Play::begin(1).await;
    play.plan(json!({"kind": "refuse", "status": 429, "code": 20429, "retry_after": 3})).await;
    let refused = play.ask(AVA, "/status").await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"3".parse().unwrap()));
    assert_eq!(play.ask(AVA, "/status").await.status(), 201);
}

#[tokio::test]
async fn a_scenario_is_played_step_by_step() {
    let scenario: Value = serde_json::from_str(include_str!("../scenarios/rate-limited.json")).unwrap();
    // It was written for another seed, which is said and stops nothing.
    let play = Play::begin(1).await;
    let steps = play.post("scenario", scenario).await["steps"].as_u64().unwrap();
    assert_eq!(play.came(1).await[0].get("Body"), "Good morning");
    for status in [429, 429, 429] {
        assert_eq!(play.ask(AVA, "/status").await.status(), status);
    }
    let played = play.timeline().await;
    let played = played.iter().filter(|entry| entry["kind"] == "scenario");
    let numbers: Vec<_> = played.filter_map(|entry| entry["details"]["step"].as_u64()).collect();
    assert_eq!(numbers, (1..=steps).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_scenario_waits_for_the_system_and_ends_where_it_does_not_come() {
    let play = Play::begin(1).await;
    let wait = |seconds: u32| json!({"wait": {"status": "delivered", "to": AVA, "within_seconds": seconds}});
    let inbound = json!({"inbound": {"from": AVA, "body": "at last"}});
    play.post("scenario", json!({"steps": [wait(20), inbound]})).await;
    play.create(AVA).await;
    let came = play.came(4).await;
    assert!(came.iter().any(|came| came.get("Body") == "at last"));
    play.post("scenario", json!({"steps": [wait(0), inbound]})).await;
    play.says(|entry| entry["kind"] == "scenario" && entry["outcome"] == "bad").await;
    let wrong = json!({"steps": [{"wait": {"status": "read"}}]});
    let refused = play.http.post(format!("{}/sandbox/scenario", play.url)).json(&wrong).send().await.unwrap();
    assert_eq!(refused.status(), 422);
    assert!(refused.text().await.unwrap().contains("step 1: wait: missing field `to`"));
}

#[tokio::test]
async fn who_writes_stop_gets_twilios_answer_and_nothing_more_until_start() {
    let play = Play::begin(1).await;
    play.post("scenario", json!({"steps": [{"rules": {"advanced_opt_out": true}}]})).await;
    let write = async |body: &str, number: usize| {
        play.post("inbound", json!({"from": AVA, "body": body})).await;
        play.came(number).await[number - 1].get("OptOutType").to_owned()
    };
    let opted_out = async || {
        let state = play.http.get(format!("{}/sandbox/state", play.url)).send().await.unwrap();
        let state: Value = state.json().await.unwrap();
        let last = state["messages"].as_array().unwrap().last().unwrap().clone();
        (state["people"][0]["opted_out"] == true, last["direction"].clone(), last["body"].as_str().unwrap().to_owned())
    };
    play.says(|entry| entry["summary"] == "The scenario is over").await;
    assert_eq!(write("Stop", 1).await, "STOP");
    let (out, direction, told) = opted_out().await;
    assert!(out && direction == "outbound-reply" && told.contains("unsubscribed"), "{told}");
    let refused = play.ask(AVA, "/status").await;
    assert_eq!((refused.status().as_u16(), &refused.json::<Value>().await.unwrap()["code"]), (400, &json!(21610)));
    assert_eq!(play.ask(BEN, "/status").await.status(), 201);
    play.came(4).await;
    assert_eq!(write("start", 5).await, "START");
    assert!(!opted_out().await.0);
    assert_eq!(play.ask(AVA, "/status").await.status(), 201);
}

#[tokio::test]
async fn a_call_that_is_never_answered_is_noted_when_its_caller_has_gone() {
    let play = Play::begin(1).await;
    play.plan(json!({"kind": "accept_then_hang"})).await;
    tokio::select! {
        answer = play.ask(AVA, "/status") => panic!("answered with {}", answer.status()),
        told = play.told(3) => assert_eq!(told, ["sent", "delivered", "read"]),
    }
    play.says(|entry| entry["kind"] == "api_call" && entry["outcome"] == "bad" && entry["person"] == AVA).await;
}

#[tokio::test]
async fn the_fallback_is_asked_where_the_webhook_fails_and_its_twiml_counts() {
    let play = Play::begin(1).await;
    let url = format!("{}/v1/Services/MG00000000000000000000000000000001", play.url);
    let (broken, twiml) = (format!("{}/broken", play.receiver.url), format!("{}/twiml", play.receiver.url));
    let request = play.http.post(url).basic_auth("SK00000000000000000000000000000001", Some("sandbox-secret"));
    let request = request.form(&[("InboundRequestUrl", &broken), ("FallbackUrl", &twiml)]);
    assert!(request.send().await.unwrap().status().is_success());
    let taken = play.post("inbound", json!({"from": AVA, "body": "hi"})).await;
    assert_eq!((&taken["status"], &taken["reply"]), (&json!(200), &json!("one")));
    let came = play.came(2).await;
    assert_eq!((came[0].path.as_str(), came[1].path.as_str()), ("/broken", "/twiml"));
    assert_eq!((came[1].get("ErrorCode"), came[1].get("ErrorUrl"), came[1].signed), ("11200", broken.as_str(), true));
    let state = play.http.get(format!("{}/sandbox/state", play.url)).send().await.unwrap();
    let state: Value = state.json().await.unwrap();
    let replies: Vec<_> = state["messages"].as_array().unwrap().iter().skip(1).collect();
    assert_eq!(replies.iter().map(|reply| reply["body"].as_str().unwrap()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(replies[1]["sandbox"]["media"][0]["url"], "https://example.com/a.png");
}
