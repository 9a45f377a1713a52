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
use twilio_types::sid::MessageSid;
use twilio_webhook::form::Form;

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
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (request, to) = recipient(request).await;
    let call = RecordedCall { sandbox, method, path, to, begin: Instant::now(), ended: None };
    let (answer, shown) = read(next.run(request).await).await;
    call.end(answer.status().as_u16(), &shown);
    answer
}

/// A call, until it is answered or its caller has gone.
struct RecordedCall {
    sandbox: Arc<Sandbox>,
    method: Method,
    path: String,
    to: Option<String>,
    begin: Instant,
    ended: Option<Happening>,
}

impl RecordedCall {
    fn end(mut self, status: u16, shown: &Value) {
        let text = |name: &str| shown.get(name).and_then(Value::as_str);
        let code = shown.get("code").filter(|code| code.is_u64());
        let outcome = match status {
            ..400 => Outcome::Good,
            400..500 => Outcome::Refused,
            _ => Outcome::Bad,
        };
        let words = code.map(|code| format!(" ({code} {})", text("message").unwrap_or_default())).unwrap_or_default();
        let mut happening =
            self.happening(outcome, &format!("{status}{words}"), json!({"status": status, "code": code}));
        happening.message_sid = text("sid").and_then(message_sid).or(happening.message_sid);
        happening.person = person(shown).or(happening.person);
        self.ended = Some(happening);
    }

    fn happening(&self, outcome: Outcome, answer: &str, mut details: Value) -> Happening {
        let milliseconds = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(fields) = details.as_object_mut() {
            let call = [
                ("method", json!(self.method.as_str())),
                ("path", json!(self.path)),
                ("milliseconds", json!(milliseconds)),
            ];
            fields.extend(call.map(|(name, value)| (name.to_owned(), value)));
        }
        let summary = format!("{}: {answer}", name(&self.method, &self.path));
        Happening {
            person: self.to.clone(),
            message_sid: self.path.split(['/', '.']).find_map(message_sid),
            ..Happening::new("api_call", outcome, summary).with(details)
        }
    }
}

impl Drop for RecordedCall {
    fn drop(&mut self) {
        let happening = self.ended.take().unwrap_or_else(|| {
            let details = json!({"status": null, "code": null});
            self.happening(Outcome::Bad, "no answer until the caller went", details)
        });
        self.sandbox.tell(happening);
    }
}

fn message_sid(text: &str) -> Option<String> {
    text.parse::<MessageSid>().ok().map(|sid| sid.to_string())
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
