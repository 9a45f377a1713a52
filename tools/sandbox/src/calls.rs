//! Records the API calls of the system under test on the timeline.

use std::{sync::Arc, time::Instant};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, header::CONTENT_TYPE},
    middleware::Next,
    response::Response,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_types::sid::MessageSid;
use twilio_webhook::form::Form;

use crate::{
    alerts::Alert,
    exchange::{Exchange, HttpAttempt, RecordedBody, RecordedRequest, RecordedResponse, shown_headers},
    messages::notification_in,
    repeat::RepeatedCall,
    state::Sandbox,
    timeline::{NewEntry, TimelineEvent, TimelineOutcome},
};

/// More than any request or answer of Twilio's API has.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Answers an API call, and records the call and its answer.
pub(crate) async fn record(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    if !is_twilio_path(request.uri().path()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
    let path_and_query = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let call = RecordedCall {
        began_at: sandbox.now(),
        sandbox,
        path: parts.uri.path().to_owned(),
        headers: parts.headers.clone(),
        call: RepeatedCall {
            method: parts.method.clone(),
            path_and_query,
            content_type: parts.headers.get(CONTENT_TYPE).cloned(),
            body: body.clone(),
        },
        begin: Instant::now(),
        answer: None,
    };
    let request = Request::from_parts(parts, Body::from(body));
    call.end(next.run(request).await).await
}

/// A call that is recorded when it is dropped: with its answer, or without one where the caller closed the connection.
struct RecordedCall {
    sandbox: Arc<Sandbox>,
    path: String,
    headers: HeaderMap,
    call: RepeatedCall,
    began_at: Timestamp,
    begin: Instant,
    answer: Option<RecordedAnswer>,
}

/// What the timeline needs of an answer.
struct RecordedAnswer {
    response: RecordedResponse,
    /// Null where the body is no JSON.
    json: Value,
}

impl RecordedCall {
    /// Records the answer, and gives it unchanged.
    async fn end(mut self, answer: Response) -> Response {
        let (parts, body) = answer.into_parts();
        let bytes: Bytes = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
        let response = RecordedResponse {
            status: parts.status.as_u16(),
            headers: shown_headers(&parts.headers),
            body: bytes.as_ref().into(),
        };
        self.answer = Some(RecordedAnswer { response, json: serde_json::from_slice(&bytes).unwrap_or_default() });
        Response::from_parts(parts, Body::from(bytes))
    }

    /// The debugger's alert of a refused request to create a message.
    fn alert(&self) -> Option<Alert> {
        let answer = self.answer.as_ref().filter(|answer| answer.response.status < 500)?;
        let code = answer.json.get("code")?.as_u64()?.try_into().ok()?;
        Alert::of_call(&self.call.method, &self.path, code, answer.response.status, self.sandbox.now())
    }

    fn entry(&mut self) -> NewEntry {
        let took = self.begin.elapsed();
        let answer = self.answer.take();
        let attempt = match &answer {
            Some(answer) => HttpAttempt::answered(answer.response.status, took),
            None => HttpAttempt::failed("the caller closed the connection before an answer".to_owned(), took),
        };
        let event = self.event(answer.as_ref(), attempt.milliseconds);
        let request = RecordedRequest {
            method: self.call.method.to_string(),
            url: self.sandbox.own_url(&self.call.path_and_query),
            headers: shown_headers(&self.headers),
            body: RecordedBody::from(self.call.body.as_ref()),
        };
        let exchange = Exchange {
            request,
            response: answer.map(|answer| answer.response),
            began_at: self.began_at,
            milliseconds: attempt.milliseconds,
            attempts: vec![attempt],
        };
        let repeat = self.call.clone().kept();
        NewEntry { exchange: Some(exchange), repeat, ..event.into() }
    }

    fn event(&self, answer: Option<&RecordedAnswer>, milliseconds: u64) -> TimelineEvent {
        let json = answer.map_or(&Value::Null, |answer| &answer.json);
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let status = answer.map(|answer| answer.response.status);
        let code = json.get("code").filter(|code| code.is_u64());
        let outcome = match status {
            Some(..400) => TimelineOutcome::Good,
            Some(400..500) => TimelineOutcome::Refused,
            _ => TimelineOutcome::Bad,
        };
        let result = status.map_or_else(
            || "no answer before the caller closed the connection".to_owned(),
            |status| {
                let error = code.map(|code| format!(" ({code} {})", text("message").unwrap_or_default()));
                format!("{status}{}", error.unwrap_or_default())
            },
        );
        let form = self.form();
        let summary = format!("{}: {result}", name(&self.call.method, &self.path));
        TimelineEvent {
            person: person(json).or_else(|| form.get_owned("To")),
            message_sid: text("sid")
                .and_then(message_sid)
                .or_else(|| self.path.split(['/', '.']).find_map(message_sid)),
            notification_id: form.get_filled("StatusCallback").and_then(notification_in),
            at: Some(self.began_at),
            ..TimelineEvent::new("api_call", outcome, summary).with(json!({
                "method": self.call.method.as_str(), "path": self.path, "status": status, "code": code,
                "milliseconds": milliseconds,
            }))
        }
    }

    /// The parameters of a call that has some.
    fn form(&self) -> Form {
        if self.call.method == Method::POST { Form::parse(&self.call.body) } else { Form::default() }
    }
}

impl Drop for RecordedCall {
    fn drop(&mut self) {
        let (alert, entry, now) = (self.alert(), self.entry(), self.sandbox.now());
        let mut memory = self.sandbox.memory();
        memory.alerts.extend(alert);
        memory.record(now, entry);
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
