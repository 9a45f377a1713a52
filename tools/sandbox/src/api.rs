//! Twilio's Messages resource.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};
use serde_json::{Value, json};
use shared::{form::Form, message_status::MessageStatus, sid::MessageSid};

use crate::{
    auth::Authenticated,
    callbacks::{Fate, unfold},
    faults::Fault,
    refusal::{Refusal, with_headers},
    state::{Message, Sandbox},
};

mod create;
mod list;

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/2010-04-01/Accounts/{account}/Messages.json", post(create_message).get(list_messages))
        .route("/2010-04-01/Accounts/{account}/Messages/{message}", get(fetch).post(update).delete(delete))
}

/// Creates a message, or does what was planned instead.
async fn create_message(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let message = create::message(&sandbox.config, &Form::parse(&body), Timestamp::now())?;
    let fault = sandbox.state().faults.take(&message.to);
    match &fault {
        Some(Fault::Refuse { status, code, retry_after }) => {
            return Err(Refusal { retry_after: *retry_after, ..refused(*status, *code) });
        }
        Some(Fault::Hang) => std::future::pending().await,
        _ => {}
    }
    let (sid, shown, fate) = {
        let mut state = sandbox.state();
        let window_is_open = state.window_is_open(&message.to, message.created_at);
        let fate = Fate::of(&message, window_is_open, fault.as_ref());
        let shown = resource(&sandbox, &message);
        let sid = message.sid.clone();
        state.messages.push(message);
        (sid, shown, fate)
    };
    let unfolding = tokio::spawn(unfold(Arc::clone(&sandbox), sid, fate));
    match fault {
        Some(Fault::AcceptThenHang) => std::future::pending().await,
        Some(Fault::AcceptThenRefuse { status, code }) => return Err(refused(status, code)),
        Some(Fault::ReportFirst) => {
            let _ = unfolding.await;
        }
        _ => {}
    }
    Ok(with_headers((StatusCode::CREATED, Json(shown)).into_response()))
}

fn refused(status: u16, code: u32) -> Refusal {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Refusal { status, code, message: "Refused as planned".to_owned(), retry_after: None }
}

async fn list_messages(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let page = list::page(&sandbox, &query)?;
    Ok(with_headers(Json(page).into_response()))
}

async fn fetch(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, file)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let sid = sid_of(&file)?;
    let state = sandbox.state();
    let message = state.message(&sid).ok_or_else(|| Refusal::not_found(&file))?;
    Ok(with_headers(Json(resource(&sandbox, message)).into_response()))
}

/// Redacts (`Body=`) or cancels (`Status=canceled`).
async fn update(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, file)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let sid = sid_of(&file)?;
    let form = Form::parse(&body);
    let mut state = sandbox.state();
    let message = state.message_mut(&sid).ok_or_else(|| Refusal::not_found(&file))?;
    match (form.get("Body"), form.get("Status")) {
        (Some(""), None) => message.body.clear(),
        (None, Some("canceled")) if message.status == MessageStatus::Scheduled => {
            message.status = MessageStatus::Canceled;
        }
        (None, Some("canceled")) => return Err(Refusal::bad_request(30409, "Message cannot be canceled")),
        _ => return Err(Refusal::bad_request(20422, "Body must be empty, or Status must be canceled")),
    }
    message.updated_at = Timestamp::now();
    Ok(with_headers(Json(resource(&sandbox, message)).into_response()))
}

async fn delete(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, file)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let sid = sid_of(&file)?;
    let mut state = sandbox.state();
    let before = state.messages.len();
    state.messages.retain(|message| message.sid != sid);
    if state.messages.len() < before { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::not_found(&file)) }
}

fn sid_of(file: &str) -> Result<MessageSid, Refusal> {
    file.strip_suffix(".json").and_then(|sid| sid.parse().ok()).ok_or_else(|| Refusal::not_found(file))
}

/// A message as the API shows it.
pub(crate) fn resource(sandbox: &Sandbox, message: &Message) -> Value {
    let account = &sandbox.config.account_sid;
    let uri = format!("/2010-04-01/Accounts/{account}/Messages/{}", message.sid);
    json!({
        "sid": message.sid, "account_sid": account, "messaging_service_sid": message.messaging_service_sid,
        "from": message.from, "to": message.to, "body": message.body, "status": message.status,
        "direction": message.direction, "num_media": message.media_urls.len().to_string(),
        "num_segments": if message.messaging_service_sid.is_some() { "0" } else { "1" },
        "price": null, "price_unit": null, "error_code": message.error_code, "error_message": null,
        "date_created": rfc2822_date(Some(message.created_at)), "date_sent": rfc2822_date(message.sent_at),
        "date_updated": rfc2822_date(Some(message.updated_at)), "api_version": "2010-04-01",
        "uri": format!("{uri}.json"), "subresource_uris": {"media": format!("{uri}/Media.json")},
    })
}

fn rfc2822_date(at: Option<Timestamp>) -> Option<String> {
    rfc2822::to_string(&at?.to_zoned(TimeZone::UTC)).ok()
}
