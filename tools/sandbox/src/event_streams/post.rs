//! Posts events to sinks: signed JSON, within five seconds, and again for up to four hours.
//!
//! Sources: Twilio, "Webhook Quickstart" (a sink has 5 seconds to answer, and connection overrides are not supported); "Event
//! delivery retries and event duplication" (exponential backoff with jitter for up to four hours; an event that is answered with
//! 4xx is discarded, except 429); errors 91302 to 91308. The first interval and the longest are not documented.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use twilio_webhook::{form::Form, signature::sign};

use super::{SINK_TEST, Sink, TEMPLATE_APPROVAL_UPDATED, TemplateUpdate};
use crate::{
    alerts::Alert,
    chance::generator,
    choices::{Choices, UnbatchedEvent},
    exchange::{Exchange, HttpAttempt, RecordedRequest, RecordedResponse, milliseconds, shown_headers},
    repeat::RepeatedRequest,
    state::Sandbox,
    timeline::{EntryCause, NewEntry, TimelineEvent, TimelineOutcome},
};

const TIMEOUT: Duration = Duration::from_secs(5);
const RETRIED_FOR: SignedDuration = SignedDuration::from_hours(4);
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_mins(10);

/// An event on its way to a sink.
#[derive(Debug, Clone)]
pub(crate) struct SinkPost {
    id: String,
    sink_sid: String,
    destination: String,
    body: Arc<str>,
    /// What the event says, for the timeline.
    about: String,
    template_sid: String,
}

/// What a test makes of the events of templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventDelivery {
    #[default]
    Normal,
    /// No event is posted.
    Lost,
    /// Each event is posted twice, as "Event delivery retries and event duplication" warns.
    Repeated,
}

/// Posts an update to each sink that subscribed, unless events are lost on purpose.
pub(crate) fn publish(sandbox: &Arc<Sandbox>, update: &TemplateUpdate) {
    let (delivery, choices) = {
        let memory = sandbox.memory();
        (memory.event_delivery, memory.choices)
    };
    let id = format!("databridge_event_{}", uuid::Uuid::new_v4().simple());
    let event = update.cloud_event(&id, &sandbox.config);
    let about =
        format!("template {}: {} {} to {}", update.friendly_name, update.kind.noun(), update.previous, update.current);
    let copies = match delivery {
        EventDelivery::Normal => 1,
        EventDelivery::Repeated => 2,
        EventDelivery::Lost => {
            let lost = TimelineEvent::new("template_event", TimelineOutcome::Bad, format!("Lost on purpose: {about}"));
            sandbox.record(lost.caused_by(EntryCause::template_event(&id)).with(json!({"event": event})));
            return;
        }
    };
    let sinks = sandbox.products.event_streams.sinks_of(TEMPLATE_APPROVAL_UPDATED);
    if sinks.is_empty() {
        let summary = format!("No sink is subscribed: {about}");
        let untold = TimelineEvent::new("template_event", TimelineOutcome::Neutral, summary);
        sandbox.record(untold.caused_by(EntryCause::template_event(&id)).with(json!({"event": event})));
    }
    for sink in sinks {
        let post = SinkPost {
            id: id.clone(),
            sink_sid: sink.sid.clone(),
            destination: sink.destination().to_owned(),
            body: body(&sink, &event, choices).into(),
            about: about.clone(),
            template_sid: update.template_sid.clone(),
        };
        for _ in 0..copies {
            tokio::spawn(deliver(Arc::clone(sandbox), post.clone()));
        }
    }
}

/// Posts the event of "Sink Test resource". Its body is not documented: the fields around `data` are those of every event.
pub(crate) fn test(sandbox: &Arc<Sandbox>, sink: &Sink) {
    let id = sandbox.sids.next("EZ");
    let event = json!({
        "specversion": "1.0", "type": SINK_TEST, "source": "Sink", "id": id,
        "dataschema": "https://events-schemas.twilio.com/EventStreams.TestEvent/1",
        "datacontenttype": "application/json", "time": sandbox.now(), "data": {"test_id": id},
    });
    let post = SinkPost {
        body: body(sink, &event, sandbox.memory().choices).into(),
        id,
        sink_sid: sink.sid.clone(),
        destination: sink.destination().to_owned(),
        about: "the test of a sink".to_owned(),
        template_sid: String::new(),
    };
    tokio::spawn(deliver(Arc::clone(sandbox), post));
}

fn body(sink: &Sink, event: &Value, choices: Choices) -> String {
    let alone = !sink.configuration.batch_events && choices.unbatched_event == UnbatchedEvent::Object;
    if alone { event.to_string() } else { json!([event]).to_string() }
}

/// Posts an event until the sink has it, refuses it, or no longer exists.
async fn deliver(sandbox: Arc<Sandbox>, post: SinkPost) {
    let began_at = sandbox.now();
    for number in 1.. {
        if !matches!(post.once(&sandbox, number).await, SinkAnswer::ToRetry(_)) {
            return;
        }
        let interval = interval(sandbox.config.seed, &post.id, number);
        sandbox.clock.sleep(interval).await;
        let is_over = sandbox.now().duration_since(began_at) >= RETRIED_FOR;
        if is_over || sandbox.products.event_streams.sinks.get(&post.sink_sid).is_none() {
            return;
        }
    }
}

/// The time before the next attempt: twice the one before, half of it random.
fn interval(seed: u64, event: &str, attempt: u32) -> Duration {
    let doubled = FIRST_INTERVAL.saturating_mul(2_u32.saturating_pow(attempt.min(16) - 1)).min(LONGEST_INTERVAL);
    let jitter = generator(seed, &[event, &attempt.to_string()]).f64();
    doubled.mul_f64(0.5 + jitter / 2.0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SinkAnswer {
    Accepted,
    /// With 4xx, except 429: the event is lost.
    Refused,
    /// The event is posted again. The code says why.
    ToRetry(u32),
}

impl SinkAnswer {
    fn of_status(status: u16) -> Self {
        match status {
            200..300 => Self::Accepted,
            429 => Self::ToRetry(91302),
            400..500 => Self::Refused,
            500..600 => Self::ToRetry(91306),
            // "The generic fallback" of error 91300.
            _ => Self::ToRetry(91300),
        }
    }

    /// The code of the debugger's alert; none where there is none.
    fn code(self) -> Option<u32> {
        match self {
            Self::Accepted => None,
            Self::Refused => Some(91305),
            Self::ToRetry(code) => Some(code),
        }
    }
}

impl SinkPost {
    /// About how many bytes it needs.
    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }

    /// Posts it again as it was, and gives the answer as the timeline's "send again" shows it.
    pub(crate) async fn again(&self, sandbox: &Sandbox) -> Value {
        let (answer, exchange) = self.post(sandbox).await;
        let shown = exchange.response.as_ref().map(|response| (response.status, response.body.text.clone()));
        self.record(sandbox, answer, 1, exchange);
        let (status, body) = shown.unzip();
        json!({"status": status, "content_type": null, "body": body})
    }

    async fn once(&self, sandbox: &Sandbox, number: u32) -> SinkAnswer {
        let (answer, exchange) = self.post(sandbox).await;
        self.record(sandbox, answer, number, exchange);
        answer
    }

    async fn post(&self, sandbox: &Sandbox) -> (SinkAnswer, Exchange) {
        let hash = hex(&Sha256::digest(self.body.as_bytes()));
        let separator = if self.destination.contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}bodySHA256={hash}", self.destination);
        let signature = sign(&sandbox.products.auth_tokens.primary(), &url, &Form::default());
        let headers =
            [("Content-Type", "application/json"), ("X-Twilio-Signature", &signature), ("X-Home-Region", "us1")];
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (began_at, begin) = (sandbox.now(), Instant::now());
        let client = sandbox.http.with_connect_timeout(TIMEOUT);
        let request = client.post(&url).body(self.body.to_string()).timeout(TIMEOUT);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let (answer, response, attempt) = match read(request).await {
            Ok(response) => {
                let answer = SinkAnswer::of_status(response.status);
                let attempt = HttpAttempt::answered(response.status, begin.elapsed());
                (answer, Some(response), attempt)
            }
            Err(error) => {
                // Also a connection that is not made within the time is none.
                let is_late = error.is_timeout() && !error.is_connect();
                let (code, words) = if is_late { (91308, "no answer in time") } else { (91307, "no connection") };
                (SinkAnswer::ToRetry(code), None, HttpAttempt::failed(words.to_owned(), begin.elapsed()))
            }
        };
        let request = RecordedRequest { method: "POST".to_owned(), url, headers, body: self.body.as_bytes().into() };
        let milliseconds = milliseconds(begin.elapsed());
        (answer, Exchange { request, response, began_at, milliseconds, attempts: vec![attempt] })
    }

    fn record(&self, sandbox: &Sandbox, answer: SinkAnswer, number: u32, exchange: Exchange) {
        let status = exchange.response.as_ref().map(|response| response.status);
        let reason = exchange.response.as_ref().and_then(RecordedResponse::reason);
        let outcome = match answer {
            SinkAnswer::Accepted => TimelineOutcome::Good,
            SinkAnswer::Refused => TimelineOutcome::Refused,
            SinkAnswer::ToRetry(_) => TimelineOutcome::Bad,
        };
        let result = match (answer, status) {
            (SinkAnswer::Accepted, _) => String::new(),
            (_, Some(status)) => format!(": {status}"),
            (_, None) => ": no answer".to_owned(),
        };
        let repeated = if number > 1 { format!(", delivery {number}") } else { String::new() };
        let summary = format!("Event of {}{repeated}{result}", self.about);
        let event =
            TimelineEvent { at: Some(exchange.began_at), ..TimelineEvent::new("template_event", outcome, summary) };
        let event = event.caused_by(EntryCause::template_event(&self.id));
        let event = event.with(json!({
            "template_sid": self.template_sid, "event_id": self.id, "sink_sid": self.sink_sid, "answer": status,
            "milliseconds": exchange.milliseconds,
        }));
        let alert = answer.code().map(|code| self.alert(code, status, sandbox.now()));
        let repeat = Some(RepeatedRequest::Event(Box::new(self.clone())));
        let mut memory = sandbox.memory();
        memory.alerts.extend(alert);
        let now = sandbox.now();
        memory.record(now, NewEntry { event, delivery: Some(number), reason, exchange: Some(exchange), repeat });
    }

    fn alert(&self, code: u32, status: Option<u16>, at: Timestamp) -> Alert {
        Alert::of_sink(code, &self.sink_sid, &self.destination, status, at)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<RecordedResponse> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), shown_headers(response.headers()));
    let body = response.text().await?;
    Ok(RecordedResponse { status, headers, body: body.as_bytes().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_between_deliveries_double_up_to_a_limit() {
        let seconds = |attempt| interval(7, "event", attempt).as_secs_f64();
        for (attempt, longest) in [(1, 1.0), (2, 2.0), (5, 16.0), (11, 600.0), (400, 600.0)] {
            let interval = seconds(attempt);
            assert!((longest / 2.0..=longest).contains(&interval), "{attempt}: {interval}");
        }
    }
}
