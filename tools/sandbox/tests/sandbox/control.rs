//! The control interface, with calls of the API.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Response, redirect::Policy};
use sandbox::{Config, ORDER_UPDATE_SID, SandboxServer, VERIFICATION_CODE_SID, serve_on_free_port};
use serde_json::{Value, json};

use crate::until::until;

pub(crate) const SERVICE: (&str, &str) = ("MessagingServiceSid", "MG00000000000000000000000000000001");
pub(crate) const WHATSAPP: (&str, &str) = ("From", "whatsapp:+14155238886");
pub(crate) const SMS: (&str, &str) = ("From", "+14155550100");
pub(crate) const TEMPLATE: (&str, &str) = ("ContentSid", ORDER_UPDATE_SID);
pub(crate) const AVA: (&str, &str) = ("To", "whatsapp:+14155550123");
pub(crate) const AVA_BY_SMS: (&str, &str) = ("To", "+14155550123");
pub(crate) const BODY: (&str, &str) = ("Body", "hi");

/// A sandbox whose webhooks go to itself.
pub(crate) struct ControlTest {
    pub(crate) http: Client,
    pub(crate) server: SandboxServer,
    config: Config,
}

impl ControlTest {
    pub(crate) async fn start() -> Self {
        // Webhooks go to the sandbox itself, which answers them with 404.
        let server = serve_on_free_port(|url| Config::documented(format!("{url}/nowhere"))).await.unwrap();
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { http, server, config: Config::documented(String::new()) }
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> u16 {
        self.http.put(format!("{}/sandbox/{path}", self.server.url)).json(&body).send().await.unwrap().status().as_u16()
    }

    /// Plans a fault for Ava's next messages.
    pub(crate) async fn plan(&self, times: u32, fault: Value) {
        let plan = json!({"to": AVA.1, "times": times, "fault": fault});
        let answer = self.http.post(format!("{}/sandbox/faults", self.server.url)).json(&plan).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    pub(crate) async fn post_control(&self, path: &str, body: Value) -> u16 {
        let answer = self.http.post(format!("{}/sandbox/{path}", self.server.url)).json(&body).send().await.unwrap();
        answer.status().as_u16()
    }

    pub(crate) async fn send_inbound(&self, message: Value) -> Value {
        let request = self.http.post(format!("{}/sandbox/inbound", self.server.url)).json(&message);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Reads from the control interface.
    pub(crate) async fn read(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let request = self.http.get(format!("{}/sandbox/{path}", self.server.url)).query(query);
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(crate) fn api(&self, path: &str) -> String {
        format!("{}/2010-04-01/Accounts/{}/{path}", self.server.url, self.config.account_sid)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        let request = self.http.get(self.api(path)).basic_auth(&self.config.api_key_sid, Some("sandbox-secret"));
        request.send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Response {
        let request = self.http.post(self.api(path)).basic_auth(&self.config.api_key_sid, Some("sandbox-secret"));
        request.form(parameters).send().await.unwrap()
    }

    /// Creates a message whose statuses are reported to the sandbox.
    pub(crate) async fn create(&self, parameters: &[(&str, &str)]) -> Value {
        let callback = format!("{}/status", self.server.url);
        let answer = self.post("Messages.json", &[parameters, &[("StatusCallback", &callback)]].concat()).await;
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    }

    /// The error code of a message that is refused.
    pub(crate) async fn refused(&self, parameters: &[(&str, &str)]) -> Value {
        let answer = self.post("Messages.json", parameters).await;
        assert!(!answer.status().is_success());
        answer.json::<Value>().await.unwrap()["code"].clone()
    }

    pub(crate) async fn webhooks(&self, message: &Value) -> Vec<Value> {
        let sent = self.read("webhooks", &[("message_sid", message["sid"].as_str().unwrap())]).await;
        sent.as_array().unwrap().clone()
    }

    /// Waits for this number of webhooks about a message, and gives their statuses.
    pub(crate) async fn reported(&self, message: &Value, number: usize) -> Vec<Value> {
        let sent = until(async || Some(self.webhooks(message).await).filter(|sent| sent.len() >= number)).await;
        sent.iter().map(|webhook| webhook["status"].clone()).collect()
    }

    /// Waits until a message has a status.
    pub(crate) async fn in_status(&self, message: &Value, status: &str) -> Value {
        let path = format!("Messages/{}.json", message["sid"].as_str().unwrap());
        let fetch = async || self.get(&path).await.json::<Value>().await.unwrap();
        until(async || Some(fetch().await).filter(|message| message["status"] == status)).await
    }
}

#[tokio::test]
async fn template_is_rendered_on_both_channels() {
    let sandbox = ControlTest::start().await;
    let by_whatsapp = sandbox.create(&[AVA, SERVICE, TEMPLATE]).await;
    assert_eq!(by_whatsapp["body"], "Hello Ava, your order 18473 is on its way.");
    let code = [("ContentSid", VERIFICATION_CODE_SID), ("ContentVariables", r#"{"1": "000042"}"#)];
    let by_sms = sandbox.create(&[&[AVA_BY_SMS, SERVICE], code.as_slice()].concat()).await;
    assert_eq!((&by_sms["body"], &by_sms["from"]), (&json!("000042 is your verification code."), &Value::Null));
    assert_eq!(sandbox.reported(&by_whatsapp, 4).await, ["queued", "sent", "delivered", "read"]);
    assert_eq!(sandbox.reported(&by_sms, 3).await, ["queued", "sent", "delivered"]);
    assert_eq!(sandbox.in_status(&by_sms, "delivered").await["from"], SMS.1);
}

#[tokio::test]
async fn sms_needs_no_window_and_an_sms_sender() {
    let sandbox = ControlTest::start().await;
    sandbox.in_status(&sandbox.create(&[AVA_BY_SMS, SMS, BODY]).await, "delivered").await;
    assert_eq!(sandbox.refused(&[AVA, SMS, BODY]).await, 21910);
    assert_eq!(sandbox.refused(&[AVA_BY_SMS, WHATSAPP, BODY]).await, 21910);
    assert_eq!(sandbox.refused(&[AVA_BY_SMS, ("From", "+14155550199"), BODY]).await, 21659);
}

#[tokio::test]
async fn planned_faults_affect_statuses_and_answers() {
    let sandbox = ControlTest::start().await;
    sandbox.plan(1, json!({"kind": "silent"})).await;
    sandbox.plan(1, json!({"kind": "fail_after", "code": 63024, "after": "sent"})).await;
    sandbox.plan(1, json!({"kind": "slow", "milliseconds": 50})).await;
    let silent = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    let half_way = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    let late = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    assert_eq!(sandbox.reported(&half_way, 2).await, ["sent", "undelivered"]);
    assert_eq!(sandbox.in_status(&half_way, "undelivered").await["error_code"], 63024);
    assert_eq!(sandbox.reported(&late, 3).await, ["sent", "delivered", "read"]);
    sandbox.in_status(&silent, "read").await;
    assert_eq!(sandbox.webhooks(&silent).await, Vec::<Value>::new());
}

#[tokio::test]
async fn dropped_webhook_is_recorded_and_its_message_exists() {
    let sandbox = ControlTest::start().await;
    let loss = |fraction: f64| json!({"to_prefix": "whatsapp:+1999", "fraction": fraction, "seed": 42});
    let message = json!({"from": "whatsapp:+19995550123", "body": "hi"});
    assert_eq!(sandbox.put("drops", loss(1.0)).await, 204);
    let sent = sandbox.send_inbound(message.clone()).await;
    assert_eq!(sent["status"], Value::Null);
    let webhook = &sandbox.webhooks(&json!({"sid": sent["message_sid"]})).await[0];
    assert_eq!((&webhook["dropped"], &webhook["answer"]), (&json!(true), &Value::Null));
    let listed: Value = sandbox.get("Messages.json?From=whatsapp%3A%2B19995550123").await.json().await.unwrap();
    assert_eq!(listed["messages"][0]["sid"], sent["message_sid"]);
    assert_eq!(sandbox.put("drops", loss(0.0)).await, 204);
    assert_eq!(sandbox.send_inbound(message).await["status"], 404);
    assert_eq!(sandbox.put("drops", loss(2.0)).await, 422);
}

#[tokio::test]
async fn messages_over_the_rate_fail_or_are_refused() {
    let sandbox = ControlTest::start().await;
    assert_eq!(sandbox.put("limits", json!({"messages_per_second": 0})).await, 204);
    let excess = sandbox.create(&[AVA, SERVICE, TEMPLATE]).await;
    assert_eq!(sandbox.in_status(&excess, "failed").await["error_code"], 63018);
    assert_eq!(sandbox.put("limits", json!({"messages_per_second": 0, "on_excess": "refuse"})).await, 204);
    assert_eq!(sandbox.refused(&[AVA, SERVICE, TEMPLATE]).await, 20429);
    assert_eq!(sandbox.put("limits", json!({"messages_per_second": null})).await, 204);
    sandbox.in_status(&sandbox.create(&[AVA, SERVICE, TEMPLATE]).await, "read").await;
    let rates = sandbox.read("rates", &[("from", WHATSAPP.1), ("service", SERVICE.1), ("to_prefix", AVA.1)]).await;
    assert_eq!((&rates["messages"], &rates["pairs_over_limit"]), (&json!(2), &json!(0)), "{rates}");
}

#[tokio::test]
async fn calls_over_the_concurrency_limit_are_refused() {
    let sandbox = ControlTest::start().await;
    assert_eq!(sandbox.put("limits", json!({"concurrent_requests": 1})).await, 204);
    sandbox.plan(1, json!({"kind": "accept_then_hang"})).await;
    let create = || sandbox.post("Messages.json", &[AVA, WHATSAPP, TEMPLATE]);
    let created = async || Some(sandbox.read("messages", &[]).await).filter(|messages| messages[0].is_object());
    tokio::select! {
        answer = create() => panic!("answered with {}", answer.status()),
        _ = until(created) => assert_eq!(sandbox.refused(&[AVA, WHATSAPP, TEMPLATE]).await, 20429),
    }
    until(async || Some(create().await).filter(|answer| answer.status() == 201)).await;
}

#[tokio::test]
async fn outage_fails_calls_about_messages() {
    let sandbox = ControlTest::start().await;
    let created = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    let fetch = format!("Messages/{}.json", created["sid"].as_str().unwrap());
    let of_ava = "Messages.json?To=whatsapp%3A%2B14155550123";
    assert_eq!(sandbox.put("outages", json!({"list": true, "to": AVA.1})).await, 204);
    for (path, status) in [(of_ava, 503), ("Messages.json", 200), (&fetch, 200)] {
        assert_eq!(sandbox.get(path).await.status(), status, "{path}");
    }
    assert_eq!(sandbox.put("outages", json!({"list": false, "fetch": true, "to": AVA.1})).await, 204);
    let refusal = sandbox.get(&fetch).await;
    assert_eq!((refusal.status().as_u16(), &refusal.json::<Value>().await.unwrap()["code"]), (503, &json!(20503)));
    assert_eq!(sandbox.get(of_ava).await.status(), 200);
    assert_eq!(sandbox.put("outages", json!({"update": true, "to": AVA.1})).await, 204);
    assert_eq!(sandbox.post(&fetch, &[("Body", "")]).await.status(), 503);
    assert_eq!(sandbox.get(&fetch).await.json::<Value>().await.unwrap()["body"], created["body"]);
    assert_eq!(sandbox.put("outages", json!({"lists": true})).await, 422);
}

#[tokio::test]
async fn scheduled_message_can_be_canceled_once() {
    let sandbox = ControlTest::start().await;
    let send_at = (Timestamp::now() + SignedDuration::from_mins(20)).to_string();
    let scheduled = sandbox.create(&[AVA, SERVICE, TEMPLATE, ("SendAt", &send_at), ("ScheduleType", "fixed")]).await;
    assert_eq!(scheduled["status"], "scheduled");
    let path = format!("Messages/{}.json", scheduled["sid"].as_str().unwrap());
    let cancel = async || sandbox.post(&path, &[("Status", "canceled")]).await.json::<Value>().await.unwrap();
    assert_eq!(cancel().await["status"], "canceled");
    assert_eq!(sandbox.reported(&scheduled, 1).await, ["canceled"]);
    assert_eq!(cancel().await["code"], 30409);
}

#[tokio::test]
async fn files_of_a_message_are_listed_and_redirect_to_their_bytes() {
    let sandbox = ControlTest::start().await;
    let file = json!({"url": "https://example.com/a.jpg", "content_type": "image/jpeg"});
    let sent = sandbox.send_inbound(json!({"from": AVA.1, "media": [&file]})).await;
    let sid = sent["message_sid"].as_str().unwrap();
    let listed: Value = sandbox.get(&format!("Messages/{sid}/Media.json")).await.json().await.unwrap();
    let media = &listed["media_list"][0];
    assert_eq!((&media["content_type"], &media["parent_sid"]), (&json!("image/jpeg"), &json!(sid)));
    let path = format!("Messages/{sid}/Media/{}", media["sid"].as_str().unwrap());
    assert!(sandbox.api(&format!("{path}.json")).ends_with(media["uri"].as_str().unwrap()), "{media}");
    let bytes = sandbox.get(&path).await;
    assert_eq!((bytes.status().as_u16(), bytes.headers()["location"].to_str().ok()), (307, file["url"].as_str()));
    assert_eq!(sandbox.get("Messages/SM00000000000000000000000000000001/Media.json").await.status(), 404);
}

/// A person sends a file with this fault. Gives the path of the file.
async fn faulty_file(sandbox: &ControlTest, fault: Value) -> String {
    let mut fault = fault;
    fault["kind"] = json!("file");
    sandbox.plan(1, fault).await;
    let file = json!({"url": "https://example.com/a.jpg", "content_type": "image/jpeg"});
    let sent = sandbox.send_inbound(json!({"from": AVA.1, "media": [file]})).await;
    let sid = sent["message_sid"].as_str().unwrap();
    let listed: Value = sandbox.get(&format!("Messages/{sid}/Media.json")).await.json().await.unwrap();
    format!("Messages/{sid}/Media/{}", listed["media_list"][0]["sid"].as_str().unwrap())
}

#[tokio::test]
async fn planned_fault_of_a_file_shows_when_it_is_fetched() {
    let sandbox = ControlTest::start().await;
    let http = reqwest::Client::new();
    for (problem, bytes) in [("empty", 0), ("too_large", 17 * 1024 * 1024), ("wrong_type", 8)] {
        let path = faulty_file(&sandbox, json!({"problem": problem})).await;
        let moved = sandbox.get(&path).await;
        assert_eq!(moved.status(), 307, "{problem}");
        let url = moved.headers()["location"].to_str().unwrap();
        assert_eq!(http.get(url).send().await.unwrap().bytes().await.unwrap().len(), bytes, "{problem}");
    }
    let elsewhere = "https://169.254.169.254/latest/meta-data/";
    let path = faulty_file(&sandbox, json!({"problem": "redirected", "url": elsewhere})).await;
    assert_eq!(sandbox.get(&path).await.headers()["location"], elsewhere);
    let path = faulty_file(&sandbox, json!({"problem": "missing", "seconds": 60})).await;
    assert_eq!(sandbox.get(&path).await.status(), 404);
    assert_eq!(sandbox.get(&format!("{path}.json")).await.status(), 200, "its description is there");
    sandbox.post_control("clock", json!({"advance_seconds": 60})).await;
    assert_eq!(sandbox.get(&path).await.status(), 307);
    let path = faulty_file(&sandbox, json!({"problem": "slow", "milliseconds": 1})).await;
    assert_eq!(sandbox.get(&path).await.headers()["location"], "https://example.com/a.jpg");
}
