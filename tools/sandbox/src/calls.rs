//! Records the API calls of the system under test on the timeline.

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
    timeline::{TimelineEvent, TimelineOutcome},
};

/// More than any request or answer of Twilio's API has.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Answers an API call, and records the call and its answer.
pub(crate) async fn record(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    if !is_twilio_path(request.uri().path()) {
        return next.run(request).await;
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (request, to) = recipient(request).await;
    let call = RecordedCall { sandbox, method, path, to, begin: Instant::now(), ended: None };
    let (answer, body) = read(next.run(request).await).await;
    call.end(answer.status().as_u16(), &body);
    answer
}

/// A call that is recorded when it is dropped: with its answer, or without one where the caller closed the connection.
struct RecordedCall {
    sandbox: Arc<Sandbox>,
    method: Method,
    path: String,
    to: Option<String>,
    begin: Instant,
    ended: Option<TimelineEvent>,
}

impl RecordedCall {
    fn end(mut self, status: u16, body: &Value) {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let code = body.get("code").filter(|code| code.is_u64());
        let outcome = match status {
            ..400 => TimelineOutcome::Good,
            400..500 => TimelineOutcome::Refused,
            _ => TimelineOutcome::Bad,
        };
        let error = code.map(|code| format!(" ({code} {})", text("message").unwrap_or_default())).unwrap_or_default();
        let mut event = self.event(outcome, &format!("{status}{error}"), json!({"status": status, "code": code}));
        event.message_sid = text("sid").and_then(message_sid).or(event.message_sid);
        event.person = person(body).or(event.person);
        self.ended = Some(event);
    }

    fn event(&self, outcome: TimelineOutcome, answer: &str, mut details: Value) -> TimelineEvent {
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
        TimelineEvent {
            person: self.to.clone(),
            message_sid: self.path.split(['/', '.']).find_map(message_sid),
            ..TimelineEvent::new("api_call", outcome, summary).with(details)
        }
    }
}

impl Drop for RecordedCall {
    fn drop(&mut self) {
        let event = self.ended.take().unwrap_or_else(|| {
            let details = json!({"status": null, "code": null});
            self.event(TimelineOutcome::Bad, "no answer before the caller closed the connection", details)
        });
        self.sandbox.record(event);
    }
}

fn message_sid(text: &str) -> Option<String> {
    text.parse::<MessageSid>().ok().map(|sid| sid.to_string())
}

/// Whether a path begins as those of Twilio's products do.
fn is_twilio_path(path: &str) -> bool {
    ["/2010-04-01/", "/v1/", "/v2/", "/v3/"].iter().any(|version| path.starts_with(version))
}

/// The method and the path, without the account to keep it short.
fn name(method: &Method, path: &str) -> String {
    let rest = path.strip_prefix("/2010-04-01/Accounts/").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
    format!("{method} {}", rest.unwrap_or(path))
}

/// The request unchanged, and its `To` parameter.
async fn recipient(request: Request) -> (Request, Option<String>) {
    if *request.method() != Method::POST {
        return (request, None);
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
    let to = Form::parse(&bytes).get_filled("To").map(str::to_owned);
    (Request::from_parts(parts, Body::from(bytes)), to)
}

/// The answer unchanged, and its body where that is JSON.
async fn read(answer: Response) -> (Response, Value) {
    let is_json =
        answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return (answer, Value::Null);
    }
    let (parts, body) = answer.into_parts();
    let bytes: Bytes = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    (Response::from_parts(parts, Body::from(bytes)), body)
}

/// The person's address in the JSON of a message.
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
    fn call_is_named_without_the_account() {
        let long = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json";
        assert_eq!(name(&Method::POST, long), "POST Messages.json");
        assert_eq!(name(&Method::GET, "/v1/Content"), "GET /v1/Content");
    }
}
