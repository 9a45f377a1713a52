//! The timeline's entries of what the system under test asks Twilio for.

use std::{sync::Arc, time::Instant};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{Method, header::CONTENT_TYPE},
    middleware::Next,
    response::Response,
};
use serde_json::{Value, json};
use shared::form::Form;

use crate::{
    state::Sandbox,
    timeline::{Happening, Outcome},
};

/// No request and no answer of Twilio's API is larger.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Answers a request of Twilio's API, and notes both.
pub(crate) async fn note(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    if !is_of_twilio(request.uri().path()) {
        return next.run(request).await;
    }
    let begin = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (request, to) = recipient(request).await;
    let (answer, shown) = read(next.run(request).await).await;
    let status = answer.status();
    let text = |name: &str| shown.get(name).and_then(Value::as_str);
    let code = shown.get("code").filter(|code| code.is_u64());
    let outcome = match status.as_u16() {
        ..400 => Outcome::Good,
        400..500 => Outcome::Refused,
        _ => Outcome::Bad,
    };
    let words = code.map(|code| format!(" ({code} {})", text("message").unwrap_or_default())).unwrap_or_default();
    let summary = format!("{}: {}{words}", name(&method, &path), status.as_u16());
    let mut happening = Happening::new("api_call", outcome, summary).with(json!({
        "method": method.as_str(), "path": path, "status": status.as_u16(), "code": code,
        "milliseconds": u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
    }));
    happening.message_sid = text("sid").filter(|sid| sid.starts_with("SM") || sid.starts_with("MM")).map(str::to_owned);
    happening.person = person(&shown).or(to);
    sandbox.tell(happening);
    answer
}

/// Whether a path could be one of Twilio's products'.
fn is_of_twilio(path: &str) -> bool {
    ["/2010-04-01/", "/v1/", "/v2/", "/v3/"].iter().any(|version| path.starts_with(version))
}

/// A request as a person calls it: the account goes without saying.
fn name(method: &Method, path: &str) -> String {
    let rest = path.strip_prefix("/2010-04-01/Accounts/").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
    format!("{method} {}", rest.unwrap_or(path))
}

/// The request again, and to whom it wants to send something.
async fn recipient(request: Request) -> (Request, Option<String>) {
    if *request.method() != Method::POST {
        return (request, None);
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
    let to = Form::parse(&bytes).get_filled("To").map(str::to_owned);
    (Request::from_parts(parts, Body::from(bytes)), to)
}

/// The answer again, and what it says, as far as that is JSON.
async fn read(answer: Response) -> (Response, Value) {
    let is_json =
        answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return (answer, Value::Null);
    }
    let (parts, body) = answer.into_parts();
    let bytes: Bytes = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
    let shown = serde_json::from_slice(&bytes).unwrap_or_default();
    (Response::from_parts(parts, Body::from(bytes)), shown)
}

/// The person of a message.
fn person(message: &Value) -> Option<String> {
    let address = match message.get("direction")?.as_str()? {
        "inbound" => message.get("from"),
        _ => message.get("to"),
    };
    address?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_without_the_account() {
        let long = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json";
        assert_eq!(name(&Method::POST, long), "POST Messages.json");
        assert_eq!(name(&Method::GET, "/v1/Content"), "GET /v1/Content");
    }
}
