//! Typing indicators (messaging v2 and v3, `Indicators/Typing`): the business shows the person that it writes an answer.
//!
//! The page does not show them. A call is accepted where Twilio accepts it, and is on the timeline like each API call.

use std::sync::Arc;

use axum::{Json, Router, body::Bytes, extract::State, routing::post};
use serde::Deserialize;
use serde_json::{Value, json};
use twilio_types::{address::Channel, sid::MessageSid};
use twilio_webhook::form::Form;

use crate::{api_error::ApiError, auth::Authenticated, state::Sandbox};

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
    let memory = sandbox.memory();
    let message = sid.and_then(|sid| memory.messages.get(&sid));
    match message.filter(|message| message.direction == "inbound" && message.channel == Channel::WhatsApp) {
        Some(_) => Ok(Json(json!({"success": true}))),
        None => Err(ApiError::invalid("messageId", "the SID of a person's WhatsApp message")),
    }
}
