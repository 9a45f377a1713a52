//! What somebody sees who watches the sandbox.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{net::Ipv4Addr, time::Duration};

use reqwest::{Client, Response};
use sandbox::{Config, ORDER_UPDATE_SID, Sandbox, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const AVA: &str = "whatsapp:+14155550123";

struct Play {
    http: Client,
    url: String,
}

impl Play {
    async fn begin() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(Sandbox::new(Config::documented(format!("{url}/nobody"))), listener));
        Self { http: Client::new(), url }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/sandbox/{path}", self.url)
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(self.at(path)).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.http.post(self.at(path)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn delete(&self, path: &str) -> u16 {
        self.http.delete(self.at(path)).send().await.unwrap().status().as_u16()
    }

    async fn create(&self) -> Value {
        let url = format!("{}/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json", self.url);
        let request = self.http.post(url).basic_auth("SK00000000000000000000000000000001", Some("sandbox-secret"));
        let form = [("To", AVA), ("From", "whatsapp:+14155238886"), ("ContentSid", ORDER_UPDATE_SID)];
        request.form(&form).send().await.unwrap().json().await.unwrap()
    }

    async fn watch(&self) -> Watching {
        let answer = self.http.get(self.at("stream")).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Watching { answer, read: String::new() }
    }
}

/// Somebody who watches.
struct Watching {
    answer: Response,
    read: String,
}

impl Watching {
    /// The next thing that is told: its name, and what it is.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (name, data) = (field("event: "), field("data: "));
                self.read = rest.into();
                if let (Some(name), Some(data)) = (name, data) {
                    return (name, serde_json::from_str(&data).unwrap());
                }
            } else {
                let chunk = tokio::time::timeout(Duration::from_secs(20), self.answer.chunk()).await.unwrap().unwrap();
                self.read.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
            }
        }
    }

    /// The next thing of this name that is as it should be.
    async fn until(&mut self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (name, thing) = self.next().await;
            if name == event && wanted(&thing) {
                return thing;
            }
        }
    }
}

#[tokio::test]
async fn who_watches_sees_what_is_and_then_what_changes() {
    let play = Play::begin().await;
    let mut watching = play.watch().await;
    let (first, snapshot) = watching.next().await;
    assert_eq!((first.as_str(), &snapshot["people"][2]["name"]), ("snapshot", &json!("Chloe")));
    assert_eq!((&snapshot["config"]["plays"], &snapshot["clock"]["ahead_seconds"]), (&json!("twilio"), &json!(0)));
    let sid = play.create().await["sid"].clone();
    let read = watching.until("message", |message| message["status"] == "read").await;
    assert_eq!((&read["sid"], &read["sandbox"]["person"]), (&sid, &json!(AVA)));
    play.post("inbound", json!({"from": AVA, "body": "hi"})).await;
    let people = watching.until("people", |people| people[0]["window_until"].is_string()).await;
    assert_eq!((&people[0]["name"], &people[1]["window_until"]), (&json!("Ava"), &Value::Null));
    let webhook = watching.until("entry", |entry| entry["kind"] == "webhook").await;
    assert_eq!((&webhook["outcome"], &webhook["details"]["form"]["Body"]), (&json!("bad"), &json!("hi")));
    let entries = play.get("state").await["timeline"].clone();
    let call = entries.as_array().unwrap().iter().find(|entry| entry["kind"] == "api_call").unwrap();
    assert_eq!((&call["message_sid"], &call["person"], &call["details"]["status"]), (&sid, &json!(AVA), &json!(201)));
}

#[tokio::test]
async fn what_is_planned_and_taken_back_is_seen() {
    let play = Play::begin().await;
    let mut watching = play.watch().await;
    let (status, planned) = play.post("faults", json!({"times": null, "fault": {"kind": "silent"}})).await;
    assert_eq!((status, &planned["id"], &planned["times"]), (201, &json!(1), &Value::Null));
    watching.until("faults", |faults| faults[0] == planned).await;
    play.create().await;
    let fault = watching.until("entry", |entry| entry["kind"] == "fault").await;
    assert_eq!((&fault["person"], &fault["details"]["kind"]), (&json!(AVA), &json!("silent")));
    assert_eq!([play.delete("faults/1").await, play.delete("faults/1").await], [204, 404]);
    watching.until("faults", |faults| faults == &json!([])).await;
    assert_eq!(play.get("faults").await, json!([]));
}

#[tokio::test]
async fn people_come_and_time_passes_until_all_is_forgotten() {
    let play = Play::begin().await;
    let mut watching = play.watch().await;
    let (status, dan) = play.post("people", json!({"name": "Dan"})).await;
    assert_eq!((status, &dan["address"]), (201, &json!("whatsapp:+14155550125")));
    watching.until("people", |people| people[3] == dan).await;
    play.post("inbound", json!({"from": dan["address"], "body": "hi"})).await;
    assert_eq!(play.post("clock", json!({"advance_seconds": 86_400})).await.1["ahead_seconds"], 86_400);
    watching.until("clock", |clock| clock["ahead_seconds"] == 86_400).await;
    assert_eq!(play.get("state").await["people"][3]["window_until"], Value::Null);
    assert_eq!(play.delete("people/whatsapp:+14155550125").await, 204);
    let happening =
        json!({"kind": "item", "outcome": "good", "summary": "a contact", "details": {"table": "Contacts"}});
    assert_eq!(play.post("timeline", happening).await.0, 204);
    watching.until("entry", |entry| entry["kind"] == "item").await;
    assert_eq!(play.post("reset", json!(null)).await.0, 204);
    let anew = watching.until("snapshot", |snapshot| snapshot["timeline"] == json!([])).await;
    assert_eq!((&anew["clock"]["ahead_seconds"], &anew["messages"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn a_file_that_was_uploaded_is_sent_as_twilios_own() {
    let play = Play::begin().await;
    let upload = async |size: usize| {
        let request = play.http.post(play.at("files")).header("Content-Type", "image/png").body(vec![7; size]);
        request.send().await.unwrap()
    };
    assert_eq!(upload(16 * 1024 * 1024 + 1).await.status(), 413);
    let file: Value = upload(3).await.json().await.unwrap();
    assert_eq!((&file["content_type"], &file["size"]), (&json!("image/png"), &json!(3)));
    let served = play.http.get(file["url"].as_str().unwrap()).send().await.unwrap();
    let policy = served.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox;"), "what was uploaded is no page of the sandbox's: {policy}");
    let media = json!([{"url": file["url"], "content_type": "image/png"}]);
    let (_, taken) = play.post("inbound", json!({"from": AVA, "media": media})).await;
    let entries = play.get("state").await["timeline"].clone();
    let url = entries[0]["details"]["form"]["MediaUrl0"].as_str().unwrap();
    assert!(url.contains(&format!("/Messages/{}/Media/ME", taken["message_sid"].as_str().unwrap())), "{url}");
    assert_eq!(play.http.get(url).send().await.unwrap().status(), 401, "{url}");
    let fetch =
        play.http.get(url).basic_auth("AC00000000000000000000000000000001", Some("12345678901234567890123456789012"));
    assert_eq!(fetch.send().await.unwrap().bytes().await.unwrap().as_ref(), [7, 7, 7]);
}
