//! A base URL with a path, as of a custom domain that maps a key to the API.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, AUTH_TOKEN};
use tests::harness::{
    bootstrap,
    function::FunctionProcess,
    sender::{Record, Sender},
};
use tokio::{
    net::TcpListener,
    sync::Mutex,
    task::{AbortHandle, JoinHandle},
};
use twilio_webhook::{form::Form, signature::sign};

use crate::{
    support::{queue_of_the_test, stranger},
    world::{World, new_id, new_sid, of_notification},
};

/// The two webhooks below `/wa`. The raw path of their events lacks the mapping's key (AWS, "Create AWS Lambda proxy integrations
/// for HTTP APIs").
struct MappedApi {
    base_url: String,
    functions: Arc<Functions>,
    server: AbortHandle,
}

struct Functions {
    inbound: Mutex<FunctionProcess>,
    status: Mutex<FunctionProcess>,
    /// The query and the status of each answered request.
    answered: Mutex<Vec<(String, u64)>>,
}

impl Drop for MappedApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl MappedApi {
    async fn start(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/wa", listener.local_addr().unwrap());
        let start = async |name: &str, resource: &str| {
            let mut environment = world.stack.function_environments()[resource].clone();
            environment["PUBLIC_BASE_URL"] = json!(base_url);
            Mutex::new(FunctionProcess::start(&bootstrap(name), &[], &environment).await.unwrap())
        };
        let functions = Arc::new(Functions {
            inbound: start("inbound", "InboundFunction").await,
            status: start("status", "StatusFunction").await,
            answered: Mutex::default(),
        });
        let router = Router::new().route("/wa/twilio/{webhook}", post(invoke)).with_state(Arc::clone(&functions));
        let serving: JoinHandle<_> = tokio::spawn(async { axum::serve(listener, router).await });
        Self { base_url, functions, server: serving.abort_handle() }
    }
}

async fn invoke(
    State(functions): State<Arc<Functions>>,
    Path(webhook): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let query = query.unwrap_or_default();
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap()))).collect();
    let event = json!({
        "version": "2.0", "rawPath": format!("/twilio/{webhook}"), "rawQueryString": query, "headers": headers,
        "requestContext": {"domainName": "api.example.com", "http": {"method": "POST"}},
        "body": String::from_utf8(body.to_vec()).unwrap(), "isBase64Encoded": false,
    });
    let function = if webhook == "inbound" { &functions.inbound } else { &functions.status };
    let answer = function.lock().await.invoke(&event.to_string().into()).await.unwrap();
    let status = answer["statusCode"].as_u64().unwrap();
    functions.answered.lock().await.push((query, status));
    StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap()
}

#[tokio::test]
async fn webhook_below_the_path_of_the_base_url_is_verified_with_it() {
    let (world, sid) = (World::new(), new_sid());
    let api = MappedApi::start(&world).await;
    let body = format!(
        "MessageSid={sid}&AccountSid={ACCOUNT_SID}&From=whatsapp%3A%2B14155550123&To=whatsapp%3A%2B14155238886&Body=hi\
         &NumMedia=0&SmsStatus=received"
    );
    let url = format!("{}/twilio/inbound", api.base_url);
    for (signed, expected) in [(url.replace("/wa/", "/"), 403), (url.clone(), 200)] {
        let signature = sign(&AUTH_TOKEN.into(), &signed, &Form::parse(body.as_bytes()));
        let request = world.http.post(&url).header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.header("X-Twilio-Signature", signature).body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "signed {signed}");
    }
}

#[tokio::test]
async fn message_is_reported_to_a_base_url_with_a_path() {
    let (world, person, id) = (World::new(), stranger(), new_id("mapped"));
    let api = MappedApi::start(&world).await;
    let queue_url = queue_of_the_test(&world).await;
    let base_url = ("PUBLIC_BASE_URL", api.base_url.as_str());
    let mut sender = Sender::start(&world.stack, &queue_url, &[base_url]).await.unwrap();
    let content =
        json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "18473"}});
    let body = json!({"id": id, "to": person.identity, "category": "utility", "content": content}).to_string();
    assert!(sender.deliver(&[Record { message_id: id.clone(), body }]).await.unwrap().is_empty());
    let of_status = of_notification("twilio_status", &id);
    world.event("a delivered message", |event| of_status(event) && event["status"] == "delivered").await;
    let answered = api.functions.answered.lock().await;
    assert!(!answered.is_empty());
    for (query, status) in answered.iter() {
        assert_eq!((query.as_str(), *status), (format!("notification={id}").as_str(), 204), "as it was given");
    }
}
