//! Twilio's API as a client meets it, product by product.

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
    response::{IntoResponse, Response},
};
use common::until;
use reqwest::{Client, Method, RequestBuilder};
use sandbox::{Config, ORDER_UPDATE_SID, Rules, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twilio_webhook::{form::Form, signature::sign};

mod common;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const SERVICE: &str = "/v1/Services/MG00000000000000000000000000000001";
const AVA: &str = "whatsapp:+14155550123";
const SENDER: &str = "whatsapp:+14155238886";
const TOKEN: &str = "12345678901234567890123456789012";

/// What was asked of the system under test.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    signature: String,
    form: Form,
}

/// A sandbox, and a system under test that answers 200 except under `/error`, and has files.
struct Play {
    http: Client,
    url: String,
    system: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

async fn answer(State(asked): State<Arc<Mutex<Vec<Asked>>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
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
    asked.lock().unwrap().push(Asked { path, signature: signature.unwrap_or_default(), form });
    answer
}

impl Play {
    async fn begin(rules: Rules) -> Self {
        let (system, asked) = (TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), Arc::default());
        let system_url = format!("http://{}", system.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&asked));
        tokio::spawn(async { axum::serve(system, router).await });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(Config { rules, ..Config::documented(format!("{system_url}/inbound")) }, listener));
        Self { http: Client::new(), url, system: system_url, asked }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).basic_auth(ACCOUNT, Some(TOKEN))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        shown(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> (u16, Value) {
        shown(self.request(Method::POST, path).form(parameters)).await
    }

    async fn post_json(&self, path: &str, body: &Value) -> (u16, Value) {
        shown(self.request(Method::POST, path).json(body)).await
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        shown(self.request(Method::DELETE, path)).await
    }

    /// Sends something to Ava, and gives the message once it has come to its end.
    async fn send(&self, parameters: &[(&str, &str)]) -> Value {
        let whom = [("To", AVA), ("From", SENDER)];
        let (status, message) = self.post(&messages(".json"), &[&whom, parameters].concat()).await;
        assert_eq!(status, 201, "{message}");
        let path = messages(&format!("/{}.json", message["sid"].as_str().unwrap()));
        until(async || {
            let message = self.get(&path).await.1;
            ["read", "failed"].iter().any(|status| message["status"] == *status).then_some(message)
        })
        .await
    }

    async fn write(&self) {
        let writing = json!({"from": AVA, "body": "hi"});
        assert_eq!(self.post_json("/sandbox/inbound", &writing).await.0, 200);
    }

    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn shown(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

#[tokio::test]
async fn a_page_that_no_list_has_is_empty_and_ends() {
    let play = Play::begin(Rules::lenient()).await;
    let sid = play.send(&[("ContentSid", "HX00000000000000000000000000000001")]).await["sid"].clone();
    for list in [messages(".json"), "/v1/Content".to_owned()] {
        for query in [format!("Page={}&PageToken=PA{:032x}", u64::MAX, u64::MAX), format!("Page={}", u64::MAX)] {
            assert_eq!(play.get(&format!("{list}?{query}")).await.0, 200, "{list} {query}");
        }
    }
    assert_eq!(play.get(&messages(&format!("/{}.json", sid.as_str().unwrap()))).await.0, 200);
}

#[tokio::test]
async fn what_no_product_answers_has_twilios_headers() {
    let play = Play::begin(Rules::lenient()).await;
    let answer = play.request(Method::GET, "/v3/Nothing").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("twilio-request-id")), (404, true));
}

fn messages(rest: &str) -> String {
    format!("/2010-04-01/Accounts/{ACCOUNT}/Messages{rest}")
}

#[tokio::test]
async fn a_call_that_is_wrong_is_refused_in_twilios_words() {
    let play = Play::begin(Rules::lenient()).await;
    let anonymous = play.http.get(format!("{}{}", play.url, messages(".json"))).send().await.unwrap();
    assert_eq!(anonymous.headers()["www-authenticate"], "Basic realm=\"Twilio API\"");
    assert!(anonymous.headers()["twilio-request-id"].to_str().unwrap().starts_with("RQ"));
    assert_eq!(anonymous.json::<Value>().await.unwrap()["code"], 20003);
    let other = messages(".json").replace(ACCOUNT, "AC00000000000000000000000000000002");
    let gone = messages("/SM00000000000000000000000000000000.json");
    for (path, status, code) in [(other.as_str(), 401, 20003), (&gone, 404, 20404), ("/v9/Nothing", 404, 20404)] {
        let (found, refusal) = play.get(path).await;
        assert_eq!((found, &refusal["code"], &refusal["status"]), (status, &json!(code), &json!(status)), "{path}");
    }
    assert_eq!(play.get(&gone).await.1["message"], format!("The requested resource {gone} was not found"));
    assert_eq!(play.delete("/v1/Content").await.1["code"], 20004);
    let by_host = |host: &'static str| shown(play.request(Method::GET, "/v1/Content").header("host", host));
    assert_eq!((by_host("content.twilio.com:8080").await.0, by_host("verify.twilio.com").await.0), (200, 404));
}

#[tokio::test]
async fn a_new_token_takes_over_when_it_is_promoted() {
    let play = Play::begin(Rules::lenient()).await;
    let (_, created) = play.post("/v1/AuthTokens/Secondary", &[]).await;
    let secondary = created["secondary_auth_token"].as_str().unwrap();
    let with = |token: &str| play.http.get(format!("{}/v1/Content", play.url)).basic_auth(ACCOUNT, Some(token)).send();
    assert_eq!(
        (with(TOKEN).await.unwrap().status(), with(secondary).await.unwrap().status()),
        (StatusCode::OK, StatusCode::OK)
    );
    let signed_with = async |token: &str| {
        play.write().await;
        let asked = play.asked().pop().unwrap();
        asked.signature == sign(&token.into(), &format!("{}/inbound", play.system), &asked.form)
    };
    assert!(signed_with(TOKEN).await);
    assert_eq!(play.post("/v1/AuthTokens/Promote", &[]).await.1["auth_token"], secondary);
    assert_eq!(with(TOKEN).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert!(signed_with(secondary).await);
}

#[tokio::test]
async fn a_service_says_where_its_webhooks_go() {
    let play = Play::begin(Rules::lenient()).await;
    let url = |path: &str| format!("{}{path}", play.system);
    let changed = [("InboundRequestUrl", url("/error")), ("FallbackUrl", url("/b")), ("StatusCallback", url("/c"))];
    let changed: Vec<_> = changed.iter().map(|(name, url)| (*name, url.as_str())).collect();
    assert_eq!(play.post(SERVICE, &changed).await.1["inbound_request_url"], url("/error"));
    play.write().await;
    let asked = play.asked();
    assert_eq!(asked.iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), ["/error", "/b"]);
    assert_eq!(asked[1].form.get("ErrorUrl"), Some(url("/error").as_str()));
    play.post(&messages(".json"), &[("To", AVA), ("MessagingServiceSid", &SERVICE[13..]), ("Body", "hi")]).await;
    until(async || play.asked().iter().any(|asked| asked.path == "/c").then_some(())).await;
    assert_eq!(play.post(SERVICE, &[("InboundRequestUrl", "")]).await.1["inbound_request_url"], Value::Null);
    play.asked();
    play.write().await;
    assert!(!play.asked().iter().any(|asked| asked.path != "/c"));
}

#[tokio::test]
async fn files_are_fetched_and_have_to_be_what_whatsapp_takes() {
    let play = Play::begin(Rules::as_whatsapp()).await;
    play.write().await;
    let cases = [("/a.gif", 63021), ("/missing.png", 63019), ("/large.png", 63034)];
    for (path, code) in cases {
        let failed = play.send(&[("MediaUrl", &format!("{}{path}", play.system))]).await;
        assert_eq!((&failed["status"], &failed["error_code"]), (&json!("failed"), &json!(code)), "{path}");
        assert!(failed["error_message"].is_string());
    }
    let sent = play.send(&[("MediaUrl", &format!("{}/a.png", play.system)), ("Body", "look")]).await;
    assert_eq!((&sent["status"], &sent["num_media"]), (&json!("read"), &json!("1")));
    let list = messages(&format!("/{}/Media.json", sent["sid"].as_str().unwrap()));
    let file = play.get(&list).await.1["media_list"][0].clone();
    assert_eq!(file["content_type"], "image/png");
    assert_eq!(play.get(&format!("{list}?DateCreated%3C=2000-01-01")).await.1["media_list"], json!([]));
    assert_eq!(play.delete(file["uri"].as_str().unwrap()).await.0, 204);
    assert_eq!(play.get(file["uri"].as_str().unwrap()).await.0, 404);
}

#[tokio::test]
async fn a_template_can_be_sent_at_any_time_once_it_is_approved() {
    let play = Play::begin(Rules::lenient()).await;
    let reply =
        json!({"body": "Hello dear {{1}}, shall we come?", "actions": [{"type": "QUICK_REPLY", "title": "Yes"}]});
    let given = json!({"friendly_name": "visit", "language": "en", "variables": {"1": "Ava"},
                       "types": {"twilio/quick-reply": reply}});
    let (status, content) = play.post_json("/v1/Content", &given).await;
    let sid = content["sid"].as_str().unwrap();
    assert_eq!((status, &content["types"]), (201, &given["types"]));
    let send = async || play.send(&[("ContentSid", sid)]).await["error_code"].clone();
    assert_eq!(send().await, 63016);
    let wish = json!({"name": "visit", "category": "UTILITY"});
    let approvals = format!("/v1/Content/{sid}/ApprovalRequests");
    assert_eq!(play.post_json(&format!("{approvals}/whatsapp"), &wish).await.1["status"], "received");
    play.post_json("/sandbox/clock", &json!({"advance_seconds": 60})).await;
    assert_eq!(play.get(&approvals).await.1["whatsapp"]["status"], "approved");
    assert_eq!(send().await, Value::Null);
    let eligible = "/v2/ContentAndApprovals?ChannelEligibility=whatsapp:approved&ContentName=visit";
    assert_eq!(play.get(eligible).await.1["contents"][0]["approval_requests"]["name"], "visit");
    assert_eq!(shown(play.request(Method::PUT, &format!("/v1/Content/{sid}")).json(&given)).await.0, 409);
    assert_eq!(play.delete(&format!("/v1/Content/{sid}")).await.0, 204);
    let refused = play.post(&messages(".json"), &[("To", AVA), ("From", SENDER), ("ContentSid", sid)]).await;
    assert_eq!(refused.1["code"], 21655);
}

#[tokio::test]
async fn a_message_on_its_way_is_not_deleted() {
    let play = Play::begin(Rules::lenient()).await;
    let at = (jiff::Timestamp::now() + jiff::SignedDuration::from_mins(20)).to_string();
    let through = [("To", AVA), ("MessagingServiceSid", &SERVICE[13..]), ("ContentSid", ORDER_UPDATE_SID)];
    let scheduled = [("SendAt", at.as_str()), ("ScheduleType", "fixed"), ("ProvideFeedback", "true")];
    let (_, message) = play.post(&messages(".json"), &[through.as_slice(), &scheduled].concat()).await;
    let path = message["uri"].as_str().unwrap();
    let feedback = message["subresource_uris"]["feedback"].as_str().unwrap();
    assert_eq!(play.post(feedback, &[("Outcome", "confirmed")]).await.1["outcome"], "confirmed");
    assert_eq!(play.delete(path).await.1["code"], 20009);
    play.post(path, &[("Status", "canceled")]).await;
    assert_eq!((play.delete(path).await.0, play.delete(path).await.0), (204, 404));
}

#[tokio::test]
async fn a_number_is_verified_by_the_code_that_comes() {
    let play = Play::begin(Rules::lenient()).await;
    let service = "/v2/Services/VA00000000000000000000000000000001";
    let start = async |channel: &str| {
        let parameters = [("To", "+14155550123"), ("Channel", channel)];
        play.post(&format!("{service}/Verifications"), &parameters).await
    };
    let check = async |code: &str| {
        let parameters = [("To", "+14155550123"), ("Code", code)];
        play.post(&format!("{service}/VerificationCheck"), &parameters).await
    };
    assert_eq!(start("pigeon").await.1["code"], 60200);
    assert_eq!(start("call").await.1["code"], 60223);
    let (_, by_whatsapp) = start("whatsapp").await;
    assert_eq!(start("sms").await.1["sid"], by_whatsapp["sid"]);
    let body = play.get(&messages(".json?To=whatsapp%3A%2B14155550123")).await.1["messages"][0]["body"].clone();
    let code = body.as_str().unwrap().split_once(' ').unwrap().0.to_owned();
    let by_sms = play.get(&messages(".json?To=%2B14155550123")).await.1["messages"][0]["body"].clone();
    assert!(by_sms.as_str().unwrap().ends_with(&code), "{by_sms}, {code}");
    assert_eq!(check("none").await.1["status"], "pending");
    assert_eq!(check(&code).await.1["valid"], true);
    assert_eq!(check(&code).await.1["code"], 20404);
}

#[tokio::test]
async fn a_flow_goes_on_until_it_is_ended() {
    let play = Play::begin(Rules::lenient()).await;
    let flow = "/v2/Flows/FW00000000000000000000000000000001/Executions";
    let start = async || play.post(flow, &[("To", AVA), ("From", SENDER), ("Parameters", r#"{"name": "Ava"}"#)]).await;
    let (status, execution) = start().await;
    assert_eq!((status, &execution["context"]["flow"]["data"]["name"]), (201, &json!("Ava")));
    assert_eq!(start().await.1["code"], 20409);
    let path = format!("{flow}/{}", execution["sid"].as_str().unwrap());
    assert_eq!(play.post(&path, &[("Status", "ended")]).await.1["status"], "ended");
    assert_eq!(start().await.0, 201);
    assert_eq!(play.delete(&path).await.0, 204);
    assert_eq!(play.get(flow).await.1["executions"].as_array().unwrap().len(), 1);
}
