//! The interface for whoever directs the play: `/sandbox/...`, JSON in and out, without credentials.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::Value;
use shared::{message_status::MessageStatus, sid::MessageSid};

use crate::{
    api::resource,
    drops::Loss,
    faults::Planned,
    inbound::{Taken, Writing},
    limits::Limits,
    messages::Message,
    outages::Outage,
    rates::{Asked, Rates},
    state::{Sandbox, WebhookRecord},
};

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/sandbox/inbound", post(write))
        .route("/sandbox/messages", get(messages))
        .route("/sandbox/messages/{sid}/status", post(report))
        .route("/sandbox/faults", post(plan))
        .route("/sandbox/drops", put(lose))
        .route("/sandbox/outages", put(fail_to_read))
        .route("/sandbox/limits", put(limit))
        .route("/sandbox/rates", get(rates))
        .route("/sandbox/webhooks", get(webhooks))
}

async fn write(State(sandbox): State<Arc<Sandbox>>, Json(writing): Json<Writing>) -> Json<Taken> {
    Json(sandbox.receive(writing).await)
}

async fn plan(State(sandbox): State<Arc<Sandbox>>, Json(planned): Json<Planned>) -> StatusCode {
    sandbox.state().faults.plan(planned);
    StatusCode::NO_CONTENT
}

async fn lose(State(sandbox): State<Arc<Sandbox>>, Json(loss): Json<Loss>) -> StatusCode {
    sandbox.state().drops.set(loss);
    StatusCode::NO_CONTENT
}

async fn fail_to_read(State(sandbox): State<Arc<Sandbox>>, Json(outage): Json<Outage>) -> StatusCode {
    sandbox.state().outages.set(outage);
    StatusCode::NO_CONTENT
}

async fn limit(State(sandbox): State<Arc<Sandbox>>, Json(limits): Json<Limits>) -> StatusCode {
    sandbox.state().limiter.limits = limits;
    StatusCode::NO_CONTENT
}

async fn rates(State(sandbox): State<Arc<Sandbox>>, Query(asked): Query<Asked>) -> Json<Rates> {
    Json(sandbox.state().arrivals.rates(&asked))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Messages to or from this address.
    address: Option<String>,
    /// Webhooks about this message.
    message_sid: Option<String>,
}

/// The messages, the oldest first.
async fn messages(State(sandbox): State<Arc<Sandbox>>, Query(wanted): Query<Wanted>) -> Json<Vec<Value>> {
    let state = sandbox.state();
    let concerns = |address: &str, message: &Message| message.to == address || message.from.as_deref() == Some(address);
    let messages =
        state.messages.iter().filter(|m| wanted.address.as_deref().is_none_or(|address| concerns(address, m)));
    // What Twilio shows of media is their number only; a test wants to see the URLs.
    let shown = messages.map(|message| {
        let mut shown = resource(&sandbox, message);
        if let Some(fields) = shown.as_object_mut() {
            fields
                .insert("sandbox_media_urls".to_owned(), message.media.iter().map(|file| file.url.as_str()).collect());
        }
        shown
    });
    Json(shown.collect())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    status: MessageStatus,
    #[serde(default)]
    error_code: Option<u32>,
}

async fn report(
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<MessageSid>,
    Json(report): Json<Report>,
) -> StatusCode {
    if sandbox.state().messages.get(&sid).is_none() {
        return StatusCode::NOT_FOUND;
    }
    sandbox.report(&sid, report.status, report.error_code).await;
    StatusCode::NO_CONTENT
}

async fn webhooks(State(sandbox): State<Arc<Sandbox>>, Query(wanted): Query<Wanted>) -> Json<Vec<WebhookRecord>> {
    let state = sandbox.state();
    let wanted = |record: &&WebhookRecord| wanted.message_sid.as_deref().is_none_or(|sid| record.message_sid == sid);
    Json(state.webhooks.iter().filter(wanted).cloned().collect())
}
