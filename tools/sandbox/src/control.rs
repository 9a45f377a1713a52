//! The control interface for tests and for the page: `/sandbox/...`, JSON in and out, without credentials.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{delete, get, post, put},
};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use twilio_types::{address::WhatsAppSender, message_status::MessageStatus, sid::MessageSid};

use crate::{
    auth_tokens::AuthTokenChange,
    callbacks,
    drops::WebhookLoss,
    faults::{FaultPlan, NumberedFaultPlan},
    inbound::{self, InboundResult, history::History, person_message::PersonMessage},
    limits::AccountLimits,
    memory::WebhookRecord,
    messages::Message,
    operations,
    outages::Outage,
    rates::{RateQuery, RateReport},
    rules::WhatsAppRules,
    snapshot::message_json,
    state::Sandbox,
    studio,
    unsent::UnsentVisibility,
};

mod business;
mod choices;
mod clock;
pub(crate) mod files;
mod people;
mod rules;
mod scenarios;
mod stream;
mod templates;
mod timeline;

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/sandbox/inbound", post(send_inbound))
        .route("/sandbox/history", post(add_history))
        .route("/sandbox/messages", get(messages))
        .route("/sandbox/messages/{sid}/status", post(report))
        .route("/sandbox/messages/{sid}/release", post(release))
        .route("/sandbox/unsent", put(set_unsent))
        .route("/sandbox/senders", post(add_sender))
        .route("/sandbox/faults", get(faults).post(add_fault).delete(remove_all_faults))
        .route("/sandbox/faults/{id}", delete(remove_fault))
        .route("/sandbox/drops", put(set_drops))
        .route("/sandbox/outages", put(set_outage))
        .route("/sandbox/limits", put(set_limits))
        .route("/sandbox/rates", get(rates))
        .route("/sandbox/webhooks", get(webhooks))
        .route("/sandbox/state", get(snapshot))
        .route("/sandbox/auth-token", post(change_auth_token))
        .route("/sandbox/reset", post(reset))
        .merge(studio::api::control_routes())
        .merge(choices::routes())
        .merge(business::routes())
        .merge(clock::routes())
        .merge(files::routes())
        .merge(people::routes())
        .merge(rules::routes())
        .merge(scenarios::routes())
        .merge(stream::routes())
        .merge(templates::routes())
        .merge(timeline::routes())
}

async fn send_inbound(
    State(sandbox): State<Arc<Sandbox>>,
    Json(sent): Json<PersonMessage>,
) -> Result<Json<InboundResult>, StatusCode> {
    let stored = inbound::store(&sandbox, &sent);
    // The message is delivered even when the caller no longer waits for the result.
    let delivery = tokio::spawn(async move { inbound::deliver(&sandbox, stored).await });
    delivery.await.map(Json).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Adds messages without webhooks. Answers their SIDs, the oldest first.
async fn add_history(
    State(sandbox): State<Arc<Sandbox>>,
    Json(history): Json<History>,
) -> Result<Json<Vec<MessageSid>>, (StatusCode, &'static str)> {
    history.add_to(&sandbox).map(Json).map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error))
}

async fn faults(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    Json(sandbox.view(&sandbox.memory()).faults())
}

async fn add_fault(
    State(sandbox): State<Arc<Sandbox>>,
    Json(plan): Json<FaultPlan>,
) -> (StatusCode, Json<NumberedFaultPlan>) {
    (StatusCode::CREATED, Json(sandbox.memory().faults.add(plan)))
}

async fn remove_fault(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<u64>) -> StatusCode {
    if sandbox.memory().faults.remove(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn remove_all_faults(State(sandbox): State<Arc<Sandbox>>) -> StatusCode {
    sandbox.memory().faults.remove_all();
    StatusCode::NO_CONTENT
}

async fn set_drops(State(sandbox): State<Arc<Sandbox>>, Json(loss): Json<WebhookLoss>) -> StatusCode {
    sandbox.memory().drops.set(loss);
    StatusCode::NO_CONTENT
}

async fn set_outage(State(sandbox): State<Arc<Sandbox>>, Json(outage): Json<Outage>) -> StatusCode {
    sandbox.memory().outages.set(outage);
    StatusCode::NO_CONTENT
}

async fn set_limits(State(sandbox): State<Arc<Sandbox>>, Json(limits): Json<AccountLimits>) -> StatusCode {
    let (messages_per_second, concurrent_requests) = (limits.messages_per_second, limits.concurrent_requests);
    sandbox.set_rules(WhatsAppRules { messages_per_second, concurrent_requests, ..sandbox.rules() });
    sandbox.memory().limiter.limits = limits;
    StatusCode::NO_CONTENT
}

async fn rates(State(sandbox): State<Arc<Sandbox>>, Query(query): Query<RateQuery>) -> Json<RateReport> {
    Json(sandbox.memory().created.rates(&query))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordFilter {
    /// Only messages to or from this address.
    address: Option<String>,
    /// Only webhooks about this message.
    message_sid: Option<String>,
}

async fn messages(State(sandbox): State<Arc<Sandbox>>, Query(filter): Query<RecordFilter>) -> Json<Vec<Value>> {
    let (memory, now) = (sandbox.memory(), sandbox.now());
    let concerns = |address: &str, message: &Message| message.to == address || message.from.as_deref() == Some(address);
    let messages =
        memory.messages.iter().filter(|m| filter.address.as_deref().is_none_or(|address| concerns(address, m)));
    // Twilio's own resource has only the number of files, and a test needs their URLs.
    let shown = messages.map(|message| {
        let mut shown = message_json(&sandbox.config.account_sid, message, now);
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
struct ReportedStatus {
    status: MessageStatus,
    #[serde(default)]
    error_code: Option<u32>,
}

async fn report(
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<MessageSid>,
    Json(report): Json<ReportedStatus>,
) -> StatusCode {
    if sandbox.memory().messages.get(&sid).is_none() {
        return StatusCode::NOT_FOUND;
    }
    callbacks::report(&sandbox, &sid, report.status, report.error_code).await;
    StatusCode::NO_CONTENT
}

/// Lets a message be sent that waits.
async fn release(State(sandbox): State<Arc<Sandbox>>, Path(sid): Path<MessageSid>) -> StatusCode {
    if sandbox.release(&sid) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn set_unsent(State(sandbox): State<Arc<Sandbox>>, Json(visibility): Json<UnsentVisibility>) -> StatusCode {
    let now = sandbox.now();
    sandbox.memory().hidden_unsent.set(visibility, now);
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSender {
    address: WhatsAppSender,
}

async fn add_sender(State(sandbox): State<Arc<Sandbox>>, Json(sender): Json<NewSender>) -> StatusCode {
    sandbox.memory().added_senders.insert(sender.address.to_string());
    StatusCode::NO_CONTENT
}

async fn webhooks(State(sandbox): State<Arc<Sandbox>>, Query(filter): Query<RecordFilter>) -> Json<Vec<WebhookRecord>> {
    let memory = sandbox.memory();
    let passes = |record: &&WebhookRecord| filter.message_sid.as_deref().is_none_or(|sid| record.message_sid == sid);
    Json(memory.webhooks.iter().filter(passes).cloned().collect())
}

async fn snapshot(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    let memory = sandbox.memory();
    Json(sandbox.view(&memory).snapshot())
}

async fn change_auth_token(State(sandbox): State<Arc<Sandbox>>, Json(changed): Json<AuthTokenChange>) -> Json<Value> {
    let token = operations::change_auth_token(&sandbox, changed);
    Json(json!({"auth_token": token.expose_secret()}))
}

async fn reset(State(sandbox): State<Arc<Sandbox>>) -> Result<StatusCode, (StatusCode, String)> {
    operations::reset(&sandbox).await.map_err(|error| clock::refused(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
