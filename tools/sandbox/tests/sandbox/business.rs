//! Sending as the business.

use reqwest::{Client, Response};
use sandbox::{BusinessCommand, Config, SandboxServer, serve_on_free_port};
use serde_json::{Value, json};

/// Answers as `wa send` does: with what it read, or with an error on the standard error.
const SEND: &str = r#"read -r notification
case "$notification" in
  *whatever*) echo 'error: category: expected marketing, utility, authentication or service' >&2; exit 2 ;;
esac
case "$*" in
  *--dry-run*) printf '{"decision": "wait", "reason": "quiet hours", "was": %s}' "$notification"; exit 1 ;;
esac
printf '[{"outcome": "queued", "was": %s}]' "$notification""#;

async fn start(business: Option<BusinessCommand>) -> SandboxServer {
    serve_on_free_port(|_| Config { business, ..Config::documented(String::new()) }).await.unwrap()
}

async fn post(server: &SandboxServer, path: &str, notification: &Value) -> Response {
    let url = format!("{}/sandbox/business/{path}", server.url);
    Client::new()
        .post(url)
        .body(notification.to_string())
        .header("Content-Type", "application/json")
        .send()
        .await
        .unwrap()
}

async fn answer(server: &SandboxServer, path: &str, notification: &Value) -> (u16, Value) {
    let answer = post(server, path, notification).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn state(server: &SandboxServer) -> Value {
    reqwest::get(format!("{}/sandbox/state", server.url)).await.unwrap().json().await.unwrap()
}

fn text(to: &str) -> Value {
    json!({"to": to, "category": "service", "content": {"type": "text", "body": "Hello"}})
}

#[tokio::test]
async fn notification_goes_through_the_systems_command() {
    let server = start(Some(BusinessCommand::new("sh", ["-c", SEND, "send"]))).await;
    assert_eq!(state(&server).await["config"]["business"], "system");
    let (status, shown) = answer(&server, "preview", &text("+14155550123")).await;
    assert_eq!((status, &shown["decision"], &shown["reason"]), (200, &json!("wait"), &json!("quiet hours")));
    let (status, sent) = answer(&server, "send", &text("+14155550123")).await;
    assert_eq!((status, &sent["outcome"], &sent["was"]["to"]), (200, &json!("queued"), &json!("+14155550123")));
    assert!(sent["was"]["id"].as_str().unwrap().starts_with("sandbox-"), "{sent}");
    let mut wrong = text("+14155550123");
    wrong["category"] = json!("whatever");
    for path in ["preview", "send"] {
        let (status, refused) = answer(&server, path, &wrong).await;
        let expected = json!({"error": "category: expected marketing, utility, authentication or service"});
        assert_eq!((status, refused), (422, expected));
    }
    assert_eq!(state(&server).await["messages"], json!([]), "the sandbox itself sends nothing");
}

#[tokio::test]
async fn command_that_is_missing_is_a_bad_gateway() {
    let server = start(Some(BusinessCommand::new("/no/such/wa", ["send"]))).await;
    let (status, error) = answer(&server, "send", &text("+14155550123")).await;
    assert!(status == 502 && error["error"].as_str().unwrap().contains("cannot be run"), "{error}");
}

#[tokio::test]
async fn without_a_system_the_sandbox_creates_the_message() {
    let server = start(None).await;
    assert_eq!(state(&server).await["config"]["business"], "api");
    let (status, shown) = answer(&server, "preview", &text("+14155550123")).await;
    assert_eq!((status, &shown["decision"]), (200, &json!("refuse")), "the window is closed: {shown}");
    let write = json!({"from": "whatsapp:+14155550123", "body": "Hi"});
    Client::new().post(format!("{}/sandbox/inbound", server.url)).json(&write).send().await.unwrap();
    assert_eq!(
        answer(&server, "preview", &text("+14155550123")).await,
        (200, json!({"decision": "send", "reason": null}))
    );
    assert_eq!(answer(&server, "send", &text("+14155550123")).await.0, 200);
    let messages = state(&server).await["messages"].clone();
    assert_eq!((&messages[1]["body"], &messages[1]["direction"]), (&json!("Hello"), &json!("outbound-api")));
    let (status, error) = answer(&server, "send", &text("no-address")).await;
    assert!(status == 422 && error["error"].as_str().unwrap().starts_with("21211: "), "{error}");
}

#[tokio::test]
async fn page_of_another_site_cannot_send() {
    let server = start(Some(BusinessCommand::new("sh", ["-c", SEND, "send"]))).await;
    for path in ["business/preview", "business/send", "presets/opt-out"] {
        let request = Client::new().post(format!("{}/sandbox/{path}", server.url)).json(&text("+14155550123"));
        let refused = request.header("Origin", "https://evil.example").send().await.unwrap();
        assert_eq!(refused.status(), 403, "{path}");
    }
    assert_eq!(state(&server).await["timeline"], json!([]));
}
