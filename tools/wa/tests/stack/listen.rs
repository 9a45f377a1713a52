//! `wa listen`

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::Value;
use tokio::net::TcpListener;
use twilio_webhook::signature::{SigningKeys, UnverifiedRequest};

use crate::operator::{RunningCommand, new_number, until, wa, write};

/// The path, the headers and the body of a request.
type PostedRequest = (String, HeaderMap, String);

/// A program that is being developed: what it was sent.
struct Program {
    url: String,
    received: Arc<Mutex<Vec<PostedRequest>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Program {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let received: Arc<Mutex<Vec<_>>> = Arc::default();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(receive).with_state(Arc::clone(&received));
        runtime.spawn(async { axum::serve(listener, app).await });
        Self { url, received, _runtime: runtime }
    }

    /// What was posted to a path.
    fn posted_to(&self, path: &str) -> Vec<(HeaderMap, String)> {
        let received = self.received.lock().unwrap();
        received
            .iter()
            .filter(|(own, ..)| own == path)
            .map(|(_, headers, body)| (headers.clone(), body.clone()))
            .collect()
    }
}

async fn receive(
    State(received): State<Arc<Mutex<Vec<PostedRequest>>>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    let status = if uri.path() == "/broken" { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    received.lock().unwrap().push((uri.path().to_owned(), headers, body));
    status
}

#[test]
fn events_and_webhooks_are_forwarded_as_they_happen() {
    let (program, to) = (Program::start(), new_number());
    let (events, webhooks) = (format!("{}/events", program.url), format!("{}/twilio", program.url));
    let targets = ["listen", "--forward-to", &events, "--forward-webhooks-to", &webhooks];
    let filter = ["--contact", &to, "--since", "1m", "--header", "X-Test: yes", "--output", "json"];
    let listening = RunningCommand::start(&[&targets[..], &filter].concat());
    write(&to, "Where is my order?");
    for kind in ["event", "webhook"] {
        let line = listening.line(|line| line.contains(&format!(r#""forwarded":"{kind}""#)));
        let forwarded: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&forwarded["http"], &forwarded["event_type"]), (&200.into(), &"twilio_inbound".into()), "{line}");
        assert!(!line.contains("order"), "a text is not printed: {line}");
    }
    assert_eq!(listening.interrupt(), 130);
    let (headers, body) = program.posted_to("/events").remove(0);
    assert_eq!(headers["x-test"], "yes");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["body"], "Where is my order?");
    let (headers, body) = program.posted_to("/twilio").remove(0);
    let keys = SigningKeys::from_auth_tokens([stack::run::AUTH_TOKEN]);
    let verified = UnverifiedRequest::new(webhooks, &headers, body).verify(&keys);
    assert!(verified.is_ok(), "the form is signed for the program's URL");
}

#[test]
fn what_happened_is_forwarded_again_without_waiting_for_more() {
    let (program, to) = (Program::start(), new_number());
    write(&to, "Hello?");
    let url = format!("{}/events", program.url);
    let again = ["listen", "--forward-to", &url, "--contact", &to, "--since", "1h", "--no-follow"];
    until("the event", || {
        wa(&again).done();
        (!program.posted_to("/events").is_empty()).then_some(())
    });
    let broken = format!("{}/broken", program.url);
    let stderr = wa(&["listen", "--forward-to", &broken, "--contact", &to, "--since", "1h", "--no-follow"]).failed(1);
    assert!(stderr.contains("were not accepted by the program"), "{stderr}");
}

#[test]
fn another_machine_gets_nothing_without_a_yes() {
    let stderr = wa(&["listen", "--forward-to", "https://example.com/events"]).failed(2);
    assert!(stderr.contains("which is not this machine?") && stderr.contains("--yes"), "{stderr}");
}
