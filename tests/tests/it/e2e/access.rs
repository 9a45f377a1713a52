//! Who may call the local stack: every page in this machine's browsers can reach its ports, and through a tunnel the
//! Internet can reach one of them.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    time::SystemTime,
};

use aws_credential_types::Credentials;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header::HeaderName};
use stack::{
    clock::StackClock,
    emulator::{Emulator, Settings},
    run::checkout,
    signed::{UnsignedRequest, signed},
};
use twilio_types::base_url::BaseUrl;

use crate::world::World;

/// What the emulator serves to callers without a signature.
const UNSIGNED_ROUTES: [(Method, &str); 6] = [
    (Method::GET, "/_ministack/sqs/messages"),
    (Method::POST, "/_ministack/config"),
    (Method::GET, "/health"),
    (Method::GET, "/v2/"),
    (Method::GET, "/_aws/execute-api/00000000/$default/twilio/inbound"),
    // Last, because the stack loses all its data if this request is answered.
    (Method::POST, "/_ministack/reset"),
];

const PAGE: &str = "https://page.example";

fn list_secrets(request: RequestBuilder) -> RequestBuilder {
    let request = request.header("Content-Type", "application/x-amz-json-1.1");
    request.header("X-Amz-Target", "secretsmanager.ListSecrets")
}

async fn assert_refused(request: RequestBuilder, status: StatusCode, reason: &str) {
    let answer = request.send().await.unwrap();
    let (url, found) = (answer.url().clone(), answer.status());
    let body = answer.text().await.unwrap();
    assert_eq!(found, status, "{url}: {body}");
    assert_eq!(body, reason, "{url}");
}

fn cors_headers(answer: &Response) -> Vec<&str> {
    answer.headers().keys().map(HeaderName::as_str).filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test]
async fn api_port_does_not_serve_the_emulators_routes() {
    let world = World::without_consumers();
    for (method, path) in UNSIGNED_ROUTES {
        let request = world.http.request(method, format!("{}{path}", world.stack.api_url)).body("{}");
        assert_refused(request, StatusCode::NOT_FOUND, "The API has no such route").await;
    }
}

#[tokio::test]
async fn request_from_a_web_page_is_refused_on_both_ports() {
    let world = World::without_consumers();
    for url in [&world.stack.aws_endpoint, &format!("{}/twilio/inbound", world.stack.api_url)] {
        let preflight = world.http.request(Method::OPTIONS, url).header("Access-Control-Request-Method", "POST");
        let signed = list_secrets(world.signed("secretsmanager", "POST", url, "{}"));
        for request in [preflight, signed] {
            let reason = "Origin: the local stack answers no web page";
            assert_refused(request.header("Origin", PAGE), StatusCode::FORBIDDEN, reason).await;
        }
    }
}

#[tokio::test]
async fn response_has_no_cors_headers() {
    let world = World::without_consumers();
    let url = &world.stack.aws_endpoint;
    let answer = list_secrets(world.signed("secretsmanager", "POST", url, "{}")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(cors_headers(&answer).is_empty(), "{:?}", answer.headers());
    let preflight = world.http.request(Method::OPTIONS, url).send().await.unwrap();
    assert_eq!(preflight.status(), StatusCode::OK);
    assert!(cors_headers(&preflight).is_empty(), "{:?}", preflight.headers());
}

#[tokio::test]
async fn foreign_host_header_is_refused_on_both_ports() {
    let world = World::without_consumers();
    for url in [&world.stack.aws_endpoint, &world.stack.api_url] {
        for host in ["page.example", "page.example:4566", "127.0.0.1.page.example", "localhost.page.example"] {
            let request = world.http.get(format!("{url}/_ministack/ready")).header("Host", host);
            assert_refused(request, StatusCode::FORBIDDEN, "Host: expected 127.0.0.1 or localhost").await;
        }
    }
    for host in ["127.0.0.1", "localhost:4566", "bucket.localhost:4566"] {
        let request = world.http.get(format!("{}/_ministack/ready", world.stack.aws_endpoint)).header("Host", host);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn only_the_keys_of_this_run_have_administrator_access() {
    let world = World::without_consumers();
    let [(_, access_key), _] = world.stack.administrator.environment();
    // The emulator's default administrators: a name, and any account number.
    for (access_key, secret_key, code) in [
        ("test", "test", "UnrecognizedClientException"),
        ("000000000000", "test", "UnrecognizedClientException"),
        (access_key, "test", "InvalidSignatureException"),
    ] {
        let public = Credentials::new(access_key, secret_key, None, None, "public");
        let request = world.signed_as(&public, "secretsmanager", "POST", &world.stack.aws_endpoint, "{}");
        let answer = list_secrets(request).send().await.unwrap();
        let body = answer.text().await.unwrap();
        assert!(body.contains(code), "{access_key}: {body}");
    }
    let bucket = format!("{}/{}", world.stack.aws_endpoint, world.stack.outputs.archive_bucket_name);
    assert_eq!(world.http.get(bucket).send().await.unwrap().status(), StatusCode::FORBIDDEN, "unsigned");
}

/// An emulator to which nothing is deployed.
struct EmptyEmulator {
    emulator: Emulator,
    scratch: PathBuf,
    http: reqwest::Client,
}

impl EmptyEmulator {
    async fn start(twilio_calls: Option<&BaseUrl>, bridge: Option<Ipv4Addr>) -> Self {
        let scratch = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        std::fs::create_dir_all(&scratch).unwrap();
        let [aws_port, api_port] = free_ports();
        let clock = &StackClock::default();
        let settings = Settings { aws_port, api_port, media_port: None, twilio_calls, bridge, clock };
        let emulator = Emulator::start(checkout().unwrap(), &scratch, settings).await.unwrap();
        Self { emulator, scratch, http: reqwest::Client::new() }
    }

    fn discard(self) {
        let Self { emulator, scratch, .. } = self;
        drop(emulator);
        std::fs::remove_dir_all(scratch).unwrap();
    }
}

/// Both ports are bound at the same time, so that they differ.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

#[tokio::test]
async fn api_port_with_a_tunnel_serves_only_twilios_routes() {
    let public_base_url = "https://tunnel.example".parse().unwrap();
    let empty = EmptyEmulator::start(Some(&public_base_url), None).await;
    let post = |host, path| empty.http.post(format!("{}{path}", empty.emulator.front_door)).header("Host", host);
    let no_route = "With a Twilio account this port serves /sendgrid/events, /twilio/events, /twilio/inbound, /twilio/status alone";
    for (_, path) in UNSIGNED_ROUTES {
        assert_refused(post("tunnel.example", path), StatusCode::NOT_FOUND, no_route).await;
    }
    for path in ["/media", "/media/key", "/contacts/+14155550123", "/notifications/id", "/twilio/", "/twilio/inbound/"]
    {
        assert_refused(post("tunnel.example", path), StatusCode::NOT_FOUND, no_route).await;
    }
    // Nothing is deployed, so the answer is API Gateway's.
    for path in ["/twilio/inbound", "/twilio/status"] {
        for host in ["tunnel.example", "127.0.0.1"] {
            assert_refused(post(host, path), StatusCode::NOT_FOUND, r#"{"message": "Not Found"}"#).await;
        }
    }
    let expected = "Host: expected 127.0.0.1 or localhost or tunnel.example; if the tunnel has another name, set \
                    PUBLIC_BASE_URL to its URL";
    assert_refused(post("page.example", "/twilio/inbound"), StatusCode::FORBIDDEN, expected).await;
    let request = empty.http.get(&empty.emulator.endpoint).header("Host", "tunnel.example");
    assert_refused(request, StatusCode::FORBIDDEN, "Host: expected 127.0.0.1 or localhost").await;
    empty.discard();
}

#[tokio::test]
async fn container_reaches_only_aws_and_only_at_the_bridge() {
    let empty = EmptyEmulator::start(None, Some(Ipv4Addr::new(127, 0, 0, 2))).await;
    let (own, credentials) = (&empty.emulator.endpoint, empty.emulator.administrator.credentials());
    let bridge = own.replace("127.0.0.1", "127.0.0.2");
    let list = UnsignedRequest { service: "secretsmanager", method: "POST", url: &bridge, body: "{}" };
    let answer =
        list_secrets(signed(&empty.http, &credentials, list, SystemTime::now()).unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    for (method, path) in UNSIGNED_ROUTES {
        let request = empty.http.request(method, format!("{bridge}{path}"));
        assert_refused(request, StatusCode::NOT_FOUND, "Containers are served AWS alone").await;
    }
    for (url, host, expected) in [
        (&bridge, "127.0.0.1", "127.0.0.2"),
        (&bridge, "bucket.localhost", "127.0.0.2"),
        (own, "127.0.0.2", "127.0.0.1 or localhost"),
    ] {
        let request = empty.http.get(url).header("Host", host);
        assert_refused(request, StatusCode::FORBIDDEN, &format!("Host: expected {expected}")).await;
    }
    empty.discard();
}
