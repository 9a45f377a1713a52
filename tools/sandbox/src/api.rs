//! Twilio's Messages resource.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use twilio_types::{message_status::MessageStatus, sid::MessageSid};
use twilio_webhook::form::Form;

use self::{accept::CreateOutcome, resource::message_resource};
use crate::{
    api_error::ApiError,
    auth::Authenticated,
    callbacks,
    faults::{CallFaults, InjectedFault},
    limits::InFlight,
    outages::MessageOperation,
    paging::PageRequest,
    state::Sandbox,
};

mod accept;
mod account;
pub(crate) mod create;
mod feedback;
mod list;
mod media;
pub(crate) mod resource;

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/2010-04-01/Accounts/{account}/Messages.json", post(create_message).get(list_messages))
        .route("/2010-04-01/Accounts/{account}/Messages/{message}", get(fetch).post(update).delete(delete))
        .merge(media::routes())
        .merge(feedback::routes())
        .merge(account::routes())
}

/// Creates a message. A planned fault decides whether an answer comes, when, and what it says.
async fn create_message(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let limit = sandbox.memory().limiter.limits.concurrent_requests;
    let _in_flight = InFlight::enter(&sandbox.in_flight, limit)?;
    let message = create::message(&sandbox, &Form::parse(&body))?;
    let CreateOutcome::Created { shown, mut status_task, faults } = accept::accept(&sandbox, message)? else {
        return std::future::pending().await;
    };
    if faults.contains(&InjectedFault::ReportFirst) && !status_task.is_finished() {
        let _ = (&mut status_task).await;
    }
    answer_as_planned(&faults).await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// Delays, refuses or leaves out the answer to a request that was carried out.
pub(crate) async fn answer_as_planned(faults: &CallFaults) -> Result<(), ApiError> {
    for fault in faults.iter() {
        match fault {
            InjectedFault::AcceptThenHang => std::future::pending().await,
            InjectedFault::AcceptThenRefuse { status, code } => return Err(ApiError::planned(*status, *code)),
            InjectedFault::Slow { milliseconds } => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
            _ => {}
        }
    }
    Ok(())
}

/// A message that was created for another product or by the page.
pub(crate) struct SentMessage {
    pub(crate) sid: Option<String>,
    /// The faults of the answer, for [`answer_as_planned`].
    pub(crate) faults: CallFaults,
}

/// Sends a message for another product, as Verify does. None where a planned fault gives neither a message nor an answer.
pub(crate) fn send(sandbox: &Arc<Sandbox>, form: &Form) -> Result<Option<SentMessage>, ApiError> {
    Ok(match accept::accept(sandbox, create::message(sandbox, form)?)? {
        CreateOutcome::Created { shown, faults, .. } => {
            Some(SentMessage { sid: shown.get("sid").and_then(Value::as_str).map(str::to_owned), faults })
        }
        CreateOutcome::NoAnswer => None,
    })
}

async fn list_messages(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    asked: PageRequest,
) -> Result<Json<Value>, ApiError> {
    list::page(&sandbox, &asked.query).map(Json)
}

async fn fetch(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, file)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let sid = sid_of(&file).ok_or_else(|| caller.not_found())?;
    let memory = sandbox.memory();
    let message = memory.messages.get(&sid);
    memory.outages.check(MessageOperation::Fetch, message.map(|message| message.to.as_str()))?;
    let message = message.ok_or_else(|| caller.not_found())?;
    Ok(Json(message_resource(&sandbox.config.account_sid, message, sandbox.now())))
}

/// Redacts (`Body=`) or cancels (`Status=canceled`).
async fn update(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, file)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let sid = sid_of(&file).ok_or_else(|| caller.not_found())?;
    let form = Form::parse(&body);
    let mut memory = sandbox.memory();
    let late_cancellation = memory.choices.late_cancellation;
    let to = memory.messages.get(&sid).map(|message| message.to.as_str());
    memory.outages.check(MessageOperation::Update, to)?;
    let message = memory.messages.get_mut(&sid).ok_or_else(|| caller.not_found())?;
    match (form.get("Body"), form.get("Status")) {
        (Some(""), None) => message.body.clear(),
        (None, Some("canceled")) if message.status == MessageStatus::Scheduled => {
            message.status = MessageStatus::Canceled;
            let sandbox = Arc::clone(&sandbox);
            tokio::spawn(async move { callbacks::report(&sandbox, &sid, MessageStatus::Canceled, None).await });
        }
        (None, Some("canceled")) => {
            return Err(ApiError::new(late_cancellation.into(), 30409, "This message cannot be canceled"));
        }
        // Source: Twilio, error 30400: neither of the two, both at once, another status, or a body that is not empty.
        _ => return Err(ApiError::bad_request(30400, "Parameters are not valid")),
    }
    message.updated_at = sandbox.now();
    Ok(Json(message_resource(&sandbox.config.account_sid, message, sandbox.now())))
}

async fn delete(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, file)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let sid = sid_of(&file).ok_or_else(|| caller.not_found())?;
    let mut memory = sandbox.memory();
    let message = memory.messages.get(&sid).ok_or_else(|| caller.not_found())?;
    if is_in_transit(message.status) {
        let message = "Cannot delete message because delivery has not been completed.";
        return Err(ApiError::new(StatusCode::CONFLICT, 20009, message));
    }
    memory.messages.remove(&sid);
    Ok(StatusCode::NO_CONTENT)
}

fn is_in_transit(status: MessageStatus) -> bool {
    use MessageStatus::{Accepted, Queued, Receiving, Scheduled, Sending};
    matches!(status, Accepted | Scheduled | Queued | Sending | Receiving)
}

fn sid_of(file: &str) -> Option<MessageSid> {
    file.strip_suffix(".json")?.parse().ok()
}
