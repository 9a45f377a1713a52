//! Typing indicators (messaging v2 and v3, `Indicators/Typing`): the business shows the person that it writes an answer.
//!
//! The person's phone shows the indicator for 25 seconds, or until the next message to the person, and the message has a mark
//! that it was read.

use std::{collections::HashMap, sync::Arc};

use axum::{Json, Router, body::Bytes, extract::State, routing::post};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use twilio_types::{address::Channel, sid::MessageSid};
use twilio_webhook::form::Form;

use crate::{
    api_error::ApiError,
    auth::Authenticated,
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

/// Source: Twilio, "Typing Indicators resource".
const INDICATOR: SignedDuration = SignedDuration::from_secs(25);

/// Until when the business is shown as typing, by the home of the person who sees it.
#[derive(Debug, Default)]
pub(crate) struct TypingIndicators(HashMap<String, Timestamp>);

impl TypingIndicators {
    fn begin(&mut self, home: String, now: Timestamp) {
        self.0.retain(|_, until| *until > now);
        self.0.insert(home, now.saturating_add(INDICATOR).unwrap_or(Timestamp::MAX));
    }

    /// A message to the person ends the indicator.
    pub(crate) fn end(&mut self, home: &str) {
        self.0.remove(home);
    }

    /// None where no indicator is shown.
    pub(crate) fn until(&self, home: &str, now: Timestamp) -> Option<Timestamp> {
        self.0.get(home).copied().filter(|until| *until > now)
    }
}

/// Source: twilio-oai, messaging v2 and v3, `Indicators`: a form in v2, and JSON in v3.
pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/v2/Indicators/Typing.json", post(send_form))
        .route("/v3/Indicators/Typing.json", post(send_json))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TypingRequest {
    channel: String,
    #[serde(rename = "messageId")]
    message_id: String,
}

async fn send_form(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let form = Form::parse(&body);
    let given = |name: &str| form.get(name).unwrap_or_default().to_owned();
    send(&sandbox, &TypingRequest { channel: given("channel"), message_id: given("messageId") })
}

async fn send_json(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let request = serde_json::from_slice(&body);
    let request: TypingRequest = request.map_err(|_| ApiError::bad_request(20001, "Request body is not JSON"))?;
    send(&sandbox, &request)
}

/// Accepts an indicator for a WhatsApp message of a person.
fn send(sandbox: &Sandbox, request: &TypingRequest) -> Result<Json<Value>, ApiError> {
    if !request.channel.eq_ignore_ascii_case("whatsapp") {
        return Err(ApiError::invalid("channel", "whatsapp"));
    }
    let sid: Option<MessageSid> = request.message_id.parse().ok();
    let now = sandbox.now();
    let mut memory = sandbox.memory();
    let message = sid.and_then(|sid| memory.messages.get_mut(&sid));
    let message = message.filter(|message| message.direction == "inbound" && message.channel == Channel::WhatsApp);
    let Some(message) = message else {
        return Err(ApiError::invalid("messageId", "the SID of a person's WhatsApp message"));
    };
    message.read_at.get_or_insert(now);
    let (sid, person) = (message.sid.to_string(), message.from.clone().unwrap_or_default());
    let home = memory.people.portfolio.home(&person);
    memory.typing.begin(home, now);
    let shown = "The person sees that an answer is being written, and that the message was read";
    memory.record(now, TimelineEvent::new("typing", TimelineOutcome::Good, shown).of(&person, Some(&sid)));
    Ok(Json(json!({"success": true})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indicator_ends_after_25_seconds_or_with_a_message() {
        let (mut typing, now) = (TypingIndicators::default(), Timestamp::UNIX_EPOCH);
        typing.begin("ava".to_owned(), now);
        assert_eq!(typing.until("ava", now), Some(now + INDICATOR));
        assert_eq!((typing.until("ava", now + INDICATOR), typing.until("ben", now)), (None, None));
        typing.end("ava");
        assert_eq!(typing.until("ava", now), None);
    }
}
