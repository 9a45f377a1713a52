//! The snapshot and the stream of changes.

use std::time::Duration;

use reqwest::{Client, Response};
use sandbox::{Config, ORDER_UPDATE_SID, SandboxServer, serve_on_free_port};
use serde_json::{Value, json};

const AVA: &str = "whatsapp:+14155550123";

struct StreamTest {
    http: Client,
    server: SandboxServer,
}

impl StreamTest {
    async fn start() -> Self {
        // Webhooks go to the sandbox itself, which answers them with 404.
        let server = serve_on_free_port(|url| Config::documented(format!("{url}/nowhere"))).await.unwrap();
        Self { http: Client::new(), server }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/sandbox/{path}", self.server.url)
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
        let url = format!("{}/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json", self.server.url);
        let request = self.http.post(url).basic_auth("SK00000000000000000000000000000001", Some("sandbox-secret"));
        let form = [("To", AVA), ("From", "whatsapp:+14155238886"), ("ContentSid", ORDER_UPDATE_SID)];
        request.form(&form).send().await.unwrap().json().await.unwrap()
    }

    async fn watch(&self) -> EventReader {
        let answer = self.http.get(self.at("stream")).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        EventReader { answer, read: String::new() }
    }
}

struct EventReader {
    answer: Response,
    read: String,
}

impl EventReader {
    /// The name and the data of the next event.
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

    /// The data of the next event with this name that passes the check.
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
async fn stream_begins_with_a_snapshot_and_then_has_changes() {
    let sandbox = StreamTest::start().await;
    let mut events = sandbox.watch().await;
    let (first, snapshot) = events.next().await;
    assert_eq!((first.as_str(), &snapshot["people"][2]["name"]), ("snapshot", &json!("Chloe")));
    assert_eq!((&snapshot["config"]["role"], &snapshot["clock"]["ahead_seconds"]), (&json!("twilio"), &json!(0)));
    let sid = sandbox.create().await["sid"].clone();
    let read = events.until("message", |message| message["status"] == "read").await;
    assert_eq!((&read["sid"], &read["sandbox"]["person"]), (&sid, &json!(AVA)));
    sandbox.post("inbound", json!({"from": AVA, "body": "hi"})).await;
    let people = events.until("people", |people| people[0]["window_until"].is_string()).await;
    assert_eq!((&people[0]["name"], &people[1]["window_until"]), (&json!("Ava"), &Value::Null));
    let webhook = events.until("entry", |entry| entry["kind"] == "webhook").await;
    assert_eq!((&webhook["outcome"], &webhook["details"]["form"]["Body"]), (&json!("bad"), &json!("hi")));
    let entries = sandbox.get("state").await["timeline"].clone();
    let call = entries.as_array().unwrap().iter().find(|entry| entry["kind"] == "api_call").unwrap();
    assert_eq!((&call["message_sid"], &call["person"], &call["details"]["status"]), (&sid, &json!(AVA), &json!(201)));
}

#[tokio::test]
async fn planned_and_removed_faults_are_streamed() {
    let sandbox = StreamTest::start().await;
    let mut events = sandbox.watch().await;
    let (status, planned) = sandbox.post("faults", json!({"times": null, "fault": {"kind": "silent"}})).await;
    assert_eq!((status, &planned["id"], &planned["times"]), (201, &json!(1), &Value::Null));
    events.until("faults", |faults| faults[0] == planned).await;
    sandbox.create().await;
    let fault = events.until("entry", |entry| entry["kind"] == "fault").await;
    assert_eq!((&fault["person"], &fault["details"]["kind"]), (&json!(AVA), &json!("silent")));
    assert_eq!([sandbox.delete("faults/1").await, sandbox.delete("faults/1").await], [204, 404]);
    events.until("faults", |faults| faults == &json!([])).await;
    assert_eq!(sandbox.get("faults").await, json!([]));
}

#[tokio::test]
async fn people_and_clock_are_streamed_until_a_reset() {
    let sandbox = StreamTest::start().await;
    let mut events = sandbox.watch().await;
    let (status, dan) = sandbox.post("people", json!({"name": "Dan"})).await;
    assert_eq!((status, &dan["address"]), (201, &json!("whatsapp:+14155550125")));
    events.until("people", |people| people[3] == dan).await;
    sandbox.post("inbound", json!({"from": dan["address"], "body": "hi"})).await;
    assert_eq!(sandbox.post("clock", json!({"advance_seconds": 86_400})).await.1["ahead_seconds"], 86_400);
    events.until("clock", |clock| clock["ahead_seconds"] == 86_400).await;
    assert_eq!(sandbox.get("state").await["people"][3]["window_until"], Value::Null);
    assert_eq!(sandbox.delete("people/whatsapp:+14155550125").await, 204);
    let event = json!({"kind": "item", "outcome": "good", "summary": "a contact", "details": {"table": "Contacts"}});
    assert_eq!(sandbox.post("timeline", event).await.0, 204);
    events.until("entry", |entry| entry["kind"] == "item").await;
    assert_eq!(sandbox.post("reset", json!(null)).await.0, 204);
    let snapshot = events.until("snapshot", |snapshot| snapshot["timeline"] == json!([])).await;
    assert_eq!((&snapshot["clock"]["ahead_seconds"], &snapshot["messages"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn uploaded_file_is_served_under_twilios_path() {
    let sandbox = StreamTest::start().await;
    let upload = async |size: usize| {
        let request = sandbox.http.post(sandbox.at("files")).header("Content-Type", "image/png").body(vec![7; size]);
        request.send().await.unwrap()
    };
    assert_eq!(upload(16 * 1024 * 1024 + 1).await.status(), 413);
    let file: Value = upload(3).await.json().await.unwrap();
    assert_eq!((&file["content_type"], &file["size"]), (&json!("image/png"), &json!(3)));
    let served = sandbox.http.get(file["url"].as_str().unwrap()).send().await.unwrap();
    let policy = served.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox;"), "an uploaded file must not run as a page: {policy}");
    let media = json!([{"url": file["url"], "content_type": "image/png"}]);
    let (_, sent) = sandbox.post("inbound", json!({"from": AVA, "media": media})).await;
    let entries = sandbox.get("state").await["timeline"].clone();
    let url = entries[0]["details"]["form"]["MediaUrl0"].as_str().unwrap();
    assert!(url.contains(&format!("/Messages/{}/Media/ME", sent["message_sid"].as_str().unwrap())), "{url}");
    assert_eq!(sandbox.http.get(url).send().await.unwrap().status(), 401, "{url}");
    let fetch = sandbox
        .http
        .get(url)
        .basic_auth("AC00000000000000000000000000000001", Some("12345678901234567890123456789012"));
    assert_eq!(fetch.send().await.unwrap().bytes().await.unwrap().as_ref(), [7, 7, 7]);
}
