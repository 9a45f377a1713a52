//! Twilio's API, product by product.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use reqwest::{Client, Method, RequestBuilder};
use sandbox::{Config, ORDER_UPDATE_SID, SandboxServer, WhatsAppRules, serve_on_free_port};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twilio_webhook::{form::Form, signature::sign};

use crate::until::until;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const SERVICE: &str = "/v1/Services/MG00000000000000000000000000000001";
pub(crate) const AVA: &str = "whatsapp:+14155550123";
pub(crate) const SENDER: &str = "whatsapp:+14155238886";
pub(crate) const TOKEN: &str = "12345678901234567890123456789012";

/// A webhook that the system under test has received.
#[derive(Debug, Clone)]
struct ReceivedWebhook {
    path: String,
    signature: String,
    form: Form,
}

/// A sandbox, and a system under test that answers 200 except under `/error`, and serves files.
pub(crate) struct ApiTest {
    http: Client,
    server: SandboxServer,
    system: String,
    received: Arc<Mutex<Vec<ReceivedWebhook>>>,
}

async fn answer(
    State(received): State<Arc<Mutex<Vec<ReceivedWebhook>>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signature = headers.get("x-twilio-signature").map(|value| value.to_str().unwrap().to_owned());
    let path = uri.path().to_owned();
    let answer = match path.as_str() {
        "/error" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "/missing.png" => StatusCode::NOT_FOUND.into_response(),
        "/a.png" => ([("content-type", "image/png")], "png").into_response(),
        "/large.png" => ([("content-type", "image/png")], vec![0; 5 * 1024 * 1024 + 1]).into_response(),
        "/a.gif" => ([("content-type", "image/gif")], "gif").into_response(),
        _ => StatusCode::OK.into_response(),
    };
    let form = Form::parse(&body);
    received.lock().unwrap().push(ReceivedWebhook { path, signature: signature.unwrap_or_default(), form });
    answer
}

impl ApiTest {
    pub(crate) async fn start(rules: WhatsAppRules) -> Self {
        let (system, received) = (TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), Arc::default());
        let system_url = format!("http://{}", system.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&received));
        tokio::spawn(async { axum::serve(system, router).await });
        let config = Config { rules, ..Config::documented(format!("{system_url}/inbound")) };
        let server = serve_on_free_port(|_| config).await.unwrap();
        Self { http: Client::new(), server, system: system_url, received }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server.url)).basic_auth(ACCOUNT, Some(TOKEN))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        shown(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> (u16, Value) {
        shown(self.request(Method::POST, path).form(parameters)).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> (u16, Value) {
        shown(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put_json(&self, path: &str, body: &Value) -> (u16, Value) {
        shown(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        shown(self.request(Method::DELETE, path)).await
    }

    /// Sends a message to Ava, and gives it when it was read or has failed.
    async fn send(&self, parameters: &[(&str, &str)]) -> Value {
        let people = [("To", AVA), ("From", SENDER)];
        let (status, message) = self.post(&messages(".json"), &[&people, parameters].concat()).await;
        assert_eq!(status, 201, "{message}");
        let path = messages(&format!("/{}.json", message["sid"].as_str().unwrap()));
        until(async || {
            let message = self.get(&path).await.1;
            ["read", "failed"].iter().any(|status| message["status"] == *status).then_some(message)
        })
        .await
    }

    async fn send_inbound(&self) {
        let message = json!({"from": AVA, "body": "hi"});
        assert_eq!(self.post_json("/sandbox/inbound", &message).await.0, 200);
    }

    fn take_received(&self) -> Vec<ReceivedWebhook> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

async fn shown(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

#[tokio::test]
async fn page_after_the_end_of_a_list_is_empty() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let sid = sandbox.send(&[("ContentSid", "HX00000000000000000000000000000001")]).await["sid"].clone();
    for list in [messages(".json"), "/v1/Content".to_owned()] {
        for query in [format!("Page={}&PageToken=PA{:032x}", u64::MAX, u64::MAX), format!("Page={}", u64::MAX)] {
            assert_eq!(sandbox.get(&format!("{list}?{query}")).await.0, 200, "{list} {query}");
        }
    }
    assert_eq!(sandbox.get(&messages(&format!("/{}.json", sid.as_str().unwrap()))).await.0, 200);
}

#[tokio::test]
async fn unknown_path_is_answered_with_twilios_headers() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let answer = sandbox.request(Method::GET, "/v3/Nothing").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("twilio-request-id")), (404, true));
}

pub(crate) fn messages(rest: &str) -> String {
    format!("/2010-04-01/Accounts/{ACCOUNT}/Messages{rest}")
}

#[tokio::test]
async fn invalid_call_is_refused_with_twilios_code() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let anonymous = sandbox.http.get(format!("{}{}", sandbox.server.url, messages(".json"))).send().await.unwrap();
    assert_eq!(anonymous.headers()["www-authenticate"], "Basic realm=\"Twilio API\"");
    assert!(anonymous.headers()["twilio-request-id"].to_str().unwrap().starts_with("RQ"));
    assert_eq!(anonymous.json::<Value>().await.unwrap()["code"], 20003);
    let other = messages(".json").replace(ACCOUNT, "AC00000000000000000000000000000002");
    let gone = messages("/SM00000000000000000000000000000000.json");
    for (path, status, code) in [(other.as_str(), 401, 20003), (&gone, 404, 20404), ("/v9/Nothing", 404, 20404)] {
        let (found, refusal) = sandbox.get(path).await;
        assert_eq!((found, &refusal["code"], &refusal["status"]), (status, &json!(code), &json!(status)), "{path}");
    }
    assert_eq!(sandbox.get(&gone).await.1["message"], format!("The requested resource {gone} was not found"));
    assert_eq!(sandbox.delete("/v1/Content").await.1["code"], 20004);
    let by_host = |host: &'static str| shown(sandbox.request(Method::GET, "/v1/Content").header("host", host));
    assert_eq!((by_host("content.twilio.com:8080").await.0, by_host("verify.twilio.com").await.0), (200, 404));
}

#[tokio::test]
async fn secondary_token_signs_after_its_promotion() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let (_, created) = sandbox.post("/v1/AuthTokens/Secondary", &[]).await;
    let secondary = created["secondary_auth_token"].as_str().unwrap();
    let with = |token: &str| {
        sandbox.http.get(format!("{}/v1/Content", sandbox.server.url)).basic_auth(ACCOUNT, Some(token)).send()
    };
    assert_eq!(
        (with(TOKEN).await.unwrap().status(), with(secondary).await.unwrap().status()),
        (StatusCode::OK, StatusCode::OK)
    );
    let signed_with = async |token: &str| {
        sandbox.send_inbound().await;
        let received = sandbox.take_received().pop().unwrap();
        received.signature == sign(&token.into(), &format!("{}/inbound", sandbox.system), &received.form)
    };
    assert!(signed_with(TOKEN).await);
    assert_eq!(sandbox.post("/v1/AuthTokens/Promote", &[]).await.1["auth_token"], secondary);
    assert_eq!(with(TOKEN).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert!(signed_with(secondary).await);
}

#[tokio::test]
async fn failed_webhook_is_an_alert_of_the_debugger() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    sandbox.send_inbound().await;
    assert_eq!(sandbox.get("/v1/Alerts").await.1["alerts"], json!([]), "an accepted webhook is none");
    sandbox.post(SERVICE, &[("InboundRequestUrl", &format!("{}/error", sandbox.system))]).await;
    sandbox.send_inbound().await;
    sandbox.send_inbound().await;
    let (_, page) = sandbox.get("/v1/Alerts?LogLevel=error&PageSize=1").await;
    let alert = &page["alerts"][0];
    assert_eq!((&alert["error_code"], &alert["log_level"]), (&json!("11200"), &json!("error")));
    assert_eq!(alert["request_url"], format!("{}/error", sandbox.system));
    assert!(alert["resource_sid"].as_str().unwrap().starts_with("SM") && alert.get("request_variables").is_none());
    let next = page["meta"]["next_page_url"].as_str().unwrap();
    let (_, second) = sandbox.get(&next[sandbox.server.url.len()..]).await;
    assert_eq!((second["alerts"].as_array().unwrap().len(), &second["meta"]["next_page_url"]), (1, &Value::Null));
    let (_, whole) = sandbox.get(&format!("/v1/Alerts/{}", alert["sid"].as_str().unwrap())).await;
    assert!(whole["request_variables"].as_str().unwrap().contains("Body=hi"), "{whole}");
    assert_eq!(sandbox.get("/v1/Alerts?LogLevel=warning").await.1["alerts"], json!([]));
    assert_eq!(sandbox.get("/v1/Alerts/NO1").await.0, 404);
}

#[tokio::test]
async fn api_key_is_replaced_with_the_auth_token_alone() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let with = |sid: &str, secret: &str, path: &str| {
        let request = sandbox.http.get(format!("{}{path}", sandbox.server.url)).basic_auth(sid, Some(secret));
        shown(request)
    };
    let first = "SK00000000000000000000000000000001";
    let keys = format!("/v1/Keys?AccountSid={ACCOUNT}");
    assert_eq!(with(first, "sandbox-secret", &keys).await.0, 401, "a standard key cannot list keys");
    assert_eq!(sandbox.get(&keys).await.1["keys"][0]["sid"], first);
    let form = [("AccountSid", ACCOUNT), ("FriendlyName", "second")];
    let (status, created) = sandbox.post("/v1/Keys", &form).await;
    let (sid, secret) = (created["sid"].as_str().unwrap(), created["secret"].as_str().unwrap());
    assert_eq!((status, &created["policy"]), (201, &Value::Null));
    let list = messages(".json");
    assert_eq!((with(sid, secret, &list).await.0, with(sid, "other", &list).await.0), (200, 401));
    assert_eq!(sandbox.delete(&format!("/v1/Keys/{first}")).await.0, 204);
    assert_eq!(with(first, "sandbox-secret", &list).await.0, 401);
    let (_, fetched) = sandbox.get(&format!("/v1/Keys/{sid}")).await;
    assert_eq!((&fetched["friendly_name"], fetched.get("secret")), (&json!("second"), None));
    assert_eq!(sandbox.post("/v1/Keys", &[]).await.1["code"], 20001, "AccountSid is required");
    let restricted = [("AccountSid", ACCOUNT), ("KeyType", "restricted"), ("Policy", r#"{"allow": ["/a/b"]}"#)];
    assert_eq!(sandbox.post("/v1/Keys", &restricted).await.1["policy"], json!({"allow": ["/a/b"]}));
}

#[tokio::test]
async fn service_sets_the_urls_of_its_webhooks() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let url = |path: &str| format!("{}{path}", sandbox.system);
    let changed = [("InboundRequestUrl", url("/error")), ("FallbackUrl", url("/b")), ("StatusCallback", url("/c"))];
    let changed: Vec<_> = changed.iter().map(|(name, url)| (*name, url.as_str())).collect();
    assert_eq!(sandbox.post(SERVICE, &changed).await.1["inbound_request_url"], url("/error"));
    sandbox.send_inbound().await;
    let received = sandbox.take_received();
    assert_eq!(received.iter().map(|received| received.path.as_str()).collect::<Vec<_>>(), ["/error", "/b"]);
    assert_eq!(received[1].form.get("ErrorUrl"), Some(url("/error").as_str()));
    sandbox.post(&messages(".json"), &[("To", AVA), ("MessagingServiceSid", &SERVICE[13..]), ("Body", "hi")]).await;
    until(async || sandbox.take_received().iter().any(|received| received.path == "/c").then_some(())).await;
    assert_eq!(sandbox.post(SERVICE, &[("InboundRequestUrl", "")]).await.1["inbound_request_url"], Value::Null);
    sandbox.take_received();
    sandbox.send_inbound().await;
    assert!(!sandbox.take_received().iter().any(|received| received.path != "/c"));
}

#[tokio::test]
async fn files_are_fetched_and_must_be_valid_on_whatsapp() {
    let sandbox = ApiTest::start(WhatsAppRules::as_whatsapp()).await;
    sandbox.send_inbound().await;
    let cases = [("/a.gif", 63021), ("/missing.png", 63019), ("/large.png", 63034)];
    for (path, code) in cases {
        let failed = sandbox.send(&[("MediaUrl", &format!("{}{path}", sandbox.system))]).await;
        assert_eq!((&failed["status"], &failed["error_code"]), (&json!("failed"), &json!(code)), "{path}");
        assert!(failed["error_message"].is_string());
    }
    let sent = sandbox.send(&[("MediaUrl", &format!("{}/a.png", sandbox.system)), ("Body", "look")]).await;
    assert_eq!((&sent["status"], &sent["num_media"]), (&json!("read"), &json!("1")));
    let list = messages(&format!("/{}/Media.json", sent["sid"].as_str().unwrap()));
    let file = sandbox.get(&list).await.1["media_list"][0].clone();
    assert_eq!(file["content_type"], "image/png");
    assert_eq!(sandbox.get(&format!("{list}?DateCreated%3C=2000-01-01")).await.1["media_list"], json!([]));
    assert_eq!(sandbox.delete(file["uri"].as_str().unwrap()).await.0, 204);
    assert_eq!(sandbox.get(file["uri"].as_str().unwrap()).await.0, 404);
}

#[tokio::test]
async fn template_needs_no_window_once_it_is_approved() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let reply =
        json!({"body": "Hello dear {{1}}, shall we come?", "actions": [{"type": "QUICK_REPLY", "title": "Yes"}]});
    let given = json!({"friendly_name": "visit", "language": "en", "variables": {"1": "Ava"},
                       "types": {"twilio/quick-reply": reply}});
    let (status, content) = sandbox.post_json("/v1/Content", &given).await;
    let sid = content["sid"].as_str().unwrap();
    assert_eq!((status, &content["types"]), (201, &given["types"]));
    let send = async || sandbox.send(&[("ContentSid", sid)]).await["error_code"].clone();
    assert_eq!(send().await, 63016);
    let request = json!({"name": "visit", "category": "UTILITY"});
    let approvals = format!("/v1/Content/{sid}/ApprovalRequests");
    assert_eq!(sandbox.post_json(&format!("{approvals}/whatsapp"), &request).await.1["status"], "received");
    sandbox.post_json("/sandbox/clock", &json!({"advance_seconds": 60})).await;
    assert_eq!(sandbox.get(&approvals).await.1["whatsapp"]["status"], "approved");
    assert_eq!(send().await, Value::Null);
    let eligible = "/v2/ContentAndApprovals?ChannelEligibility=whatsapp:approved&ContentName=visit";
    assert_eq!(sandbox.get(eligible).await.1["contents"][0]["approval_requests"]["name"], "visit");
    assert_eq!(shown(sandbox.request(Method::PUT, &format!("/v1/Content/{sid}")).json(&given)).await.0, 409);
    assert_eq!(sandbox.delete(&format!("/v1/Content/{sid}")).await.0, 204);
    let refused = sandbox.post(&messages(".json"), &[("To", AVA), ("From", SENDER), ("ContentSid", sid)]).await;
    assert_eq!(refused.1["code"], 21655);
}

#[tokio::test]
async fn message_in_transit_is_not_deleted() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let at = (jiff::Timestamp::now() + jiff::SignedDuration::from_mins(20)).to_string();
    let through = [("To", AVA), ("MessagingServiceSid", &SERVICE[13..]), ("ContentSid", ORDER_UPDATE_SID)];
    let scheduled = [("SendAt", at.as_str()), ("ScheduleType", "fixed"), ("ProvideFeedback", "true")];
    let (_, message) = sandbox.post(&messages(".json"), &[through.as_slice(), &scheduled].concat()).await;
    let path = message["uri"].as_str().unwrap();
    let feedback = message["subresource_uris"]["feedback"].as_str().unwrap();
    let (status, given) = sandbox.post(feedback, &[("Outcome", "confirmed")]).await;
    assert_eq!((status, &given["outcome"]), (200, &json!("confirmed")));
    assert_eq!(sandbox.delete(path).await.1["code"], 20009);
    sandbox.post(path, &[("Status", "canceled")]).await;
    assert_eq!((sandbox.delete(path).await.0, sandbox.delete(path).await.0), (204, 404));
}

#[tokio::test]
async fn number_is_verified_by_the_code_of_its_message() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let service = "/v2/Services/VA00000000000000000000000000000001";
    let start = async |channel: &str| {
        let parameters = [("To", "+14155550123"), ("Channel", channel)];
        sandbox.post(&format!("{service}/Verifications"), &parameters).await
    };
    let check = async |code: &str| {
        let parameters = [("To", "+14155550123"), ("Code", code)];
        sandbox.post(&format!("{service}/VerificationCheck"), &parameters).await
    };
    assert_eq!(start("pigeon").await.1["code"], 60200);
    let (status, disabled) = start("call").await;
    assert_eq!((status, &disabled["code"]), (400, &json!(60223)));
    let without_target = sandbox.post(&format!("{service}/VerificationCheck"), &[("Code", "1234")]).await;
    assert_eq!((without_target.0, &without_target.1["code"]), (400, &json!(60221)));
    let (_, by_whatsapp) = start("whatsapp").await;
    assert_eq!(start("sms").await.1["sid"], by_whatsapp["sid"]);
    let body = sandbox.get(&messages(".json?To=whatsapp%3A%2B14155550123")).await.1["messages"][0]["body"].clone();
    let code = body.as_str().unwrap().split_once(' ').unwrap().0.to_owned();
    let by_sms = sandbox.get(&messages(".json?To=%2B14155550123")).await.1["messages"][0]["body"].clone();
    assert!(by_sms.as_str().unwrap().ends_with(&code), "{by_sms}, {code}");
    assert_eq!(check("none").await.1["status"], "pending");
    let verification = format!("{service}/Verifications/{}", by_whatsapp["sid"].as_str().unwrap());
    assert_eq!(sandbox.get(&verification).await.1["status"], "pending");
    assert_eq!(check(&code).await.1["valid"], true);
    assert_eq!(check(&code).await.1["code"], 20404);
    assert_eq!(sandbox.get(&verification).await.1["code"], 20404, "deleted when it was approved");
}

#[tokio::test]
async fn execution_is_active_until_it_is_ended() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let flow = "/v2/Flows/FW00000000000000000000000000000001/Executions";
    let start =
        async || sandbox.post(flow, &[("To", AVA), ("From", SENDER), ("Parameters", r#"{"name": "Ava"}"#)]).await;
    let (status, execution) = start().await;
    assert_eq!((status, &execution["context"]["flow"]["data"]["name"]), (201, &json!("Ava")));
    assert_eq!(start().await.1["code"], 20409);
    let path = format!("{flow}/{}", execution["sid"].as_str().unwrap());
    assert_eq!(sandbox.post(&path, &[("Status", "ended")]).await.1["status"], "ended");
    assert_eq!(start().await.0, 201);
    assert_eq!(sandbox.delete(&path).await.0, 204);
    assert_eq!(sandbox.get(flow).await.1["executions"].as_array().unwrap().len(), 1);
}
