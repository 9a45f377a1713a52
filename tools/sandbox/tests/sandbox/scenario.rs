//! Scenarios that send as the business and expect something, and the presets.

use reqwest::Client;
use sandbox::{Config, SandboxServer, serve_on_free_port};
use serde_json::{Value, json};

use crate::until::until;

const AVA: &str = "whatsapp:+14155550123";
const BEN: &str = "whatsapp:+14155550124";

struct ScenarioTest(SandboxServer);

impl ScenarioTest {
    async fn start() -> Self {
        // Webhooks go to the sandbox itself, which answers them with 404.
        Self(serve_on_free_port(|url| Config::documented(format!("{url}/nowhere"))).await.unwrap())
    }

    async fn play(&self, steps: Value) {
        let scenario = json!({"title": "A test", "steps": steps});
        let url = format!("{}/sandbox/scenario", self.0.url);
        let answer = Client::new().post(url).json(&scenario).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    }

    async fn state(&self) -> Value {
        reqwest::get(format!("{}/sandbox/state", self.0.url)).await.unwrap().json().await.unwrap()
    }

    async fn entry(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        until(async || self.state().await["timeline"].as_array().unwrap().iter().find(|entry| wanted(entry)).cloned())
            .await
    }

    async fn verdict(&self) -> Value {
        self.entry(|entry| entry["kind"] == "verdict").await
    }

    async fn delete(&self, path: &str) -> u16 {
        let url = format!("{}/sandbox/{path}", self.0.url);
        Client::new().delete(url).send().await.unwrap().status().as_u16()
    }
}

fn order(to: &str) -> Value {
    let template = json!({"type": "template", "name": "order_update", "locale": "en"});
    json!({"notify": {"to": to.trim_start_matches("whatsapp:"), "category": "utility", "content": template}})
}

#[tokio::test]
async fn scenario_ends_with_a_verdict_on_each_expectation() {
    let sandbox = ScenarioTest::start().await;
    let steps = json!([
        order(AVA),
        {"expect": {"message": {"to": AVA, "status": "delivered", "content_sid": sandbox::ORDER_UPDATE_SID}}},
        {"inbound": {"from": AVA, "body": "Hi"}},
        {"expect": {"count": {"of": "webhook", "person": AVA, "at_least": 1}}},
        {"expect": {"count": {"of": "message", "person": AVA, "at_least": 1, "at_most": 1}, "within_seconds": 0}},
    ]);
    sandbox.play(steps).await;
    let verdict = sandbox.verdict().await;
    assert_eq!((&verdict["outcome"], &verdict["details"]["passed"]), (&json!("good"), &json!(true)), "{verdict}");
    assert_eq!(verdict["summary"], "Passed: 3 of 3 expectations were met (A test)");
    let line = &verdict["details"]["lines"][0];
    assert_eq!((&line["step"], &line["passed"]), (&json!(2), &json!(true)));
    assert!(line["expected"].as_str().unwrap().starts_with("the newest message to whatsapp:+14155550123 is delivered"));
    assert_eq!(sandbox.state().await["scenario"], Value::Null);
}

#[tokio::test]
async fn failed_expectation_says_what_was_seen() {
    let sandbox = ScenarioTest::start().await;
    let steps = json!([
        {"fault": {"to": BEN, "fault": {"kind": "fail", "code": 63024}}},
        order(BEN),
        {"wait": {"to": BEN, "status": "failed"}},
        {"expect": {"message": {"to": BEN, "status": "delivered"}, "within_seconds": 0}},
        {"expect": {"message": {"to": BEN, "status": "failed", "error_code": 63024}, "within_seconds": 0}},
        {"expect": {"message": {"to": AVA, "status": "sent"}, "within_seconds": 0}},
        {"expect": {"event": {"type": "twilio_inbound"}, "within_seconds": 0}},
        {"expect": {"notification": {"outcome": "delivered"}, "within_seconds": 0}},
        {"expect": {"count": {"of": "message", "at_most": 0}, "within_seconds": 5}},
    ]);
    sandbox.play(steps).await;
    let verdict = sandbox.verdict().await;
    assert_eq!(
        (&verdict["outcome"], &verdict["summary"]),
        (&json!("bad"), &json!("Failed: 1 of 6 expectations were met (A test)"))
    );
    let lines: Vec<_> =
        verdict["details"]["lines"].as_array().unwrap().iter().map(|line| line["seen"].clone()).collect();
    let seen = [
        "failed with 63024",
        "failed with 63024",
        "no message",
        "no event",
        "the system has reported nothing of it",
        "1",
    ];
    assert_eq!(lines, seen);
}

#[tokio::test]
async fn events_and_decisions_of_the_system_are_expected() {
    let sandbox = ScenarioTest::start().await;
    let mut notification = order(AVA);
    notification["notify"]["id"] = json!("order-1");
    let steps = json!([
        notification,
        {"expect": {"notification": {"state": "accepted", "outcome": "delivered"}}},
        {"expect": {"event": {"type": "twilio_inbound", "person": AVA, "fields": {"recovered": true}}}},
    ]);
    sandbox.play(steps).await;
    let report = async |entry: Value| {
        let url = format!("{}/sandbox/timeline", sandbox.0.url);
        assert_eq!(Client::new().post(url).json(&entry).send().await.unwrap().status(), 204);
    };
    sandbox.entry(|entry| entry["details"]["step"] == 2).await;
    // A message that was read was delivered.
    for outcome in [Value::Null, json!("read")] {
        let details = json!({"state": "accepted", "outcome": outcome});
        report(json!({"kind": "decision", "outcome": "good", "summary": "order-1", "notification_id": "order-1",
                      "details": details}))
        .await;
    }
    for recovered in [false, true] {
        let details = json!({"event_type": "twilio_inbound", "recovered": recovered});
        report(json!({"kind": "event", "outcome": "good", "summary": "found", "person": AVA, "details": details}))
            .await;
    }
    assert_eq!(sandbox.verdict().await["details"]["passed"], true);
}

#[tokio::test]
async fn what_a_scenario_planned_ends_with_it() {
    let sandbox = ScenarioTest::start().await;
    let own = json!({"times": null, "fault": {"kind": "silent"}});
    Client::new().post(format!("{}/sandbox/faults", sandbox.0.url)).json(&own).send().await.unwrap();
    let steps = json!([
        {"fault": {"times": null, "fault": {"kind": "duplicate"}}},
        {"drops": {"to_prefix": AVA, "fraction": 1}},
        {"pause_seconds": 600},
    ]);
    sandbox.play(steps).await;
    sandbox.entry(|entry| entry["details"]["step"] == 3).await;
    let state = sandbox.state().await;
    assert_eq!(state["faults"].as_array().unwrap().len(), 2);
    assert_eq!(state["scenario"], json!({"title": "A test", "steps": 3}));
    assert_eq!((sandbox.delete("scenario").await, sandbox.delete("scenario").await), (204, 404));
    let state = sandbox.state().await;
    let left: Vec<_> =
        state["faults"].as_array().unwrap().iter().map(|planned| planned["fault"]["kind"].clone()).collect();
    assert_eq!((left, &state["scenario"]), (vec![json!("silent")], &Value::Null));
    let write = json!({"from": AVA, "body": "Hi"});
    let answer = Client::new().post(format!("{}/sandbox/inbound", sandbox.0.url)).json(&write).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], 404, "the webhook is posted again");
    sandbox.play(json!([{"fault": {"times": null, "fault": {"kind": "hang"}}}])).await;
    sandbox.entry(|entry| entry["summary"] == "The scenario is over").await;
    assert_eq!(sandbox.state().await["faults"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn presets_are_listed_and_played_by_name() {
    let sandbox = ScenarioTest::start().await;
    let url = format!("{}/sandbox/presets", sandbox.0.url);
    let presets: Vec<Value> = reqwest::get(&url).await.unwrap().json().await.unwrap();
    let lost = presets.iter().find(|preset| preset["name"] == "webhook-lost").unwrap();
    assert_eq!((&lost["title"], &lost["steps"]), (&json!("A webhook is lost"), &json!(4)));
    assert!(lost["expect"].as_str().unwrap().contains("reconcile"), "{lost}");
    let unknown = Client::new().post(format!("{url}/no-such")).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
    let started = Client::new().post(format!("{url}/bad-day")).send().await.unwrap();
    assert_eq!(started.status(), 202);
    let verdict = sandbox.verdict().await;
    assert_eq!(verdict["details"]["passed"], true, "{verdict:#}");
}

#[tokio::test]
async fn step_answers_an_open_question_in_another_way() {
    let sandbox = ScenarioTest::start().await;
    let outside_the_window = json!({"notify": {"to": "+14155550123", "category": "service",
        "content": {"type": "text", "body": "Hello"}}});
    sandbox
        .play(json!([
            {"rules": {"service_window": true}},
            {"choices": {"broken_rule": "undelivered"}},
            outside_the_window,
            {"expect": {"message": {"to": AVA, "status": "undelivered", "error_code": 63016}}},
        ]))
        .await;
    let verdict = sandbox.verdict().await;
    assert_eq!(verdict["details"]["passed"], true, "{verdict}");
    let choices = sandbox.state().await["choices"].clone();
    assert_eq!((&choices["broken_rule"], &choices["late_cancellation"]), (&json!("undelivered"), &json!("400")));
}

#[tokio::test]
async fn paused_template_fails_until_a_step_approves_it() {
    let sandbox = ScenarioTest::start().await;
    let template = |status: &str| json!({"template": {"sid": sandbox::ORDER_UPDATE_SID, "change": {"status": status}}});
    let failed = json!({"expect": {"message": {"to": AVA, "status": "failed", "error_code": 63041}}});
    let text = "Hello Ava, your order 18473 is on its way.";
    let sent = json!({"expect": {"message": {"to": BEN, "status": "delivered", "body": text}}});
    sandbox.play(json!([template("paused"), order(AVA), failed, template("approved"), order(BEN), sent])).await;
    let verdict = sandbox.verdict().await;
    assert_eq!(verdict["details"]["passed"], true, "{verdict}");
    assert_eq!(sandbox.state().await["templates"][0]["status"], "approved");
}
