//! The Message Feedback resource, for messages that were created with `ProvideFeedback`.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    routing::post,
};
use serde_json::{Value, json};
use twilio_types::sid::MessageSid;
use twilio_webhook::form::Form;

use crate::{api_error::ApiError, auth::Authenticated, dates::rfc2822_date, messages::Feedback, state::Sandbox};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/2010-04-01/Accounts/{account}/Messages/{message}/Feedback.json", post(create))
}

async fn create(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, sid)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let form = Form::parse(&body);
    let outcome = match form.get("Outcome") {
        Some(outcome @ ("confirmed" | "unconfirmed")) => outcome,
        // The default. Source: Twilio, "Message feedback resource".
        None => "confirmed",
        Some(_) => return Err(ApiError::bad_request(20422, "Outcome must be confirmed or unconfirmed")),
    };
    let now = sandbox.now();
    let mut memory = sandbox.memory();
    let parsed: Option<MessageSid> = sid.parse().ok();
    let message = parsed.and_then(|sid| memory.messages.get_mut(&sid));
    let message = message.filter(|message| message.feedback == Feedback::Asked).ok_or_else(|| caller.not_found())?;
    message.updated_at = now;
    // Twilio answers 200 and not 201. Source: twilio-oai, api v2010, `CreateMessageFeedback`.
    Ok(Json(json!({
        "account_sid": sandbox.config.account_sid, "message_sid": message.sid, "outcome": outcome,
        "date_created": rfc2822_date(Some(message.created_at)), "date_updated": rfc2822_date(Some(now)),
        "uri": caller.path,
    })))
}
