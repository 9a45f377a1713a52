//! The interface for whoever directs the play: `/sandbox/...`, JSON in and out, without credentials.

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
use twilio_types::{message_status::MessageStatus, sid::MessageSid};

use crate::{
    auth_tokens::AuthTokenChange,
    callbacks,
    drops::WebhookLoss,
    faults::{FaultPlan, NumberedFaultPlan},
    inbound::{self, InboundResult, person_message::PersonMessage},
    limits::AccountLimits,
    memory::WebhookRecord,
    messages::Message,
    operations,
    outages::Outage,
    rates::{RateQuery, RateReport},
    rules::Rules,
    scenario::{InvalidScenario, Scenario, play},
    snapshot::message_json,
    state::Sandbox,
    timeline::{Happening, Outcome},
};

mod clock;
mod files;
mod people;
mod rules;
mod stream;

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/sandbox/inbound", post(send_inbound))
        .route("/sandbox/messages", get(messages))
        .route("/sandbox/messages/{sid}/status", post(report))
        .route("/sandbox/faults", get(faults).post(plan).delete(take_all_back))
        .route("/sandbox/faults/{id}", delete(take_back))
        .route("/sandbox/drops", put(lose))
        .route("/sandbox/outages", put(fail_to_read))
        .route("/sandbox/limits", put(limit))
        .route("/sandbox/rates", get(rates))
        .route("/sandbox/webhooks", get(webhooks))
        .route("/sandbox/state", get(state))
        .route("/sandbox/timeline", post(tell))
        .route("/sandbox/auth-token", post(change_auth_token))
        .route("/sandbox/scenario", post(play_scenario))
        .route("/sandbox/reset", post(reset))
        .merge(clock::routes())
        .merge(files::routes())
        .merge(people::routes())
        .merge(rules::routes())
        .merge(stream::routes())
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

async fn faults(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    Json(sandbox.view(&sandbox.memory()).faults())
}

async fn plan(
    State(sandbox): State<Arc<Sandbox>>,
    Json(planned): Json<FaultPlan>,
) -> (StatusCode, Json<NumberedFaultPlan>) {
    (StatusCode::CREATED, Json(sandbox.memory().faults.plan(planned)))
}

async fn take_back(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<u64>) -> StatusCode {
    if sandbox.memory().faults.take_back(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn take_all_back(State(sandbox): State<Arc<Sandbox>>) -> StatusCode {
    sandbox.memory().faults.take_all_back();
    StatusCode::NO_CONTENT
}

async fn lose(State(sandbox): State<Arc<Sandbox>>, Json(loss): Json<WebhookLoss>) -> StatusCode {
    sandbox.memory().drops.set(loss);
    StatusCode::NO_CONTENT
}

async fn fail_to_read(State(sandbox): State<Arc<Sandbox>>, Json(outage): Json<Outage>) -> StatusCode {
    sandbox.memory().outages.set(outage);
    StatusCode::NO_CONTENT
}

async fn limit(State(sandbox): State<Arc<Sandbox>>, Json(limits): Json<AccountLimits>) -> StatusCode {
    let (messages_per_second, concurrent_requests) = (limits.messages_per_second, limits.concurrent_requests);
    sandbox.set_rules(Rules { messages_per_second, concurrent_requests, ..sandbox.rules() });
    sandbox.memory().limiter.limits = limits;
    StatusCode::NO_CONTENT
}

async fn rates(State(sandbox): State<Arc<Sandbox>>, Query(query): Query<RateQuery>) -> Json<RateReport> {
    Json(sandbox.memory().created.rates(&query))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordFilter {
    /// MessageLog to or from this address.
    address: Option<String>,
    /// Webhooks about this message.
    message_sid: Option<String>,
}

/// The messages, the oldest first.
async fn messages(State(sandbox): State<Arc<Sandbox>>, Query(wanted): Query<RecordFilter>) -> Json<Vec<Value>> {
    let memory = sandbox.memory();
    let concerns = |address: &str, message: &Message| message.to == address || message.from.as_deref() == Some(address);
    let messages =
        memory.messages.iter().filter(|m| wanted.address.as_deref().is_none_or(|address| concerns(address, m)));
    // What Twilio shows of media is their number only; a test wants to see the URLs.
    let shown = messages.map(|message| {
        let mut shown = message_json(&sandbox.config.account_sid, message);
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
struct StatusReport {
    status: MessageStatus,
    #[serde(default)]
    error_code: Option<u32>,
}

async fn report(
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<MessageSid>,
    Json(report): Json<StatusReport>,
) -> StatusCode {
    if sandbox.memory().messages.get(&sid).is_none() {
        return StatusCode::NOT_FOUND;
    }
    callbacks::report(&sandbox, &sid, report.status, report.error_code).await;
    StatusCode::NO_CONTENT
}

async fn webhooks(State(sandbox): State<Arc<Sandbox>>, Query(wanted): Query<RecordFilter>) -> Json<Vec<WebhookRecord>> {
    let memory = sandbox.memory();
    let wanted = |record: &&WebhookRecord| wanted.message_sid.as_deref().is_none_or(|sid| record.message_sid == sid);
    Json(memory.webhooks.iter().filter(wanted).cloned().collect())
}

/// All there is, once.
async fn state(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    let memory = sandbox.memory();
    Json(sandbox.view(&memory).snapshot())
}

/// Whoever looks at the system under test tells what it did.
async fn tell(State(sandbox): State<Arc<Sandbox>>, Json(happening): Json<Happening>) -> StatusCode {
    sandbox.tell(happening);
    StatusCode::NO_CONTENT
}

/// Begins to play. What chance begins with cannot be changed any more, so that a scenario for another seed goes otherwise.
async fn play_scenario(
    State(sandbox): State<Arc<Sandbox>>,
    Json(scenario): Json<Value>,
) -> Result<(StatusCode, Json<Value>), (StatusCode, String)> {
    let wrong = |error: InvalidScenario| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
    let scenario = Scenario::from_json(scenario).map_err(wrong)?;
    let own = sandbox.config.seed;
    if let Some(seed) = scenario.seed.filter(|seed| *seed != own) {
        let summary =
            format!("Written for the seed {seed}; this sandbox began with {own}, and chance decides otherwise");
        sandbox.tell(Happening::new("scenario", Outcome::Neutral, summary));
    }
    let steps = scenario.steps();
    play::play(&sandbox, scenario);
    Ok((StatusCode::ACCEPTED, Json(json!({"steps": steps}))))
}

async fn change_auth_token(State(sandbox): State<Arc<Sandbox>>, Json(changed): Json<AuthTokenChange>) -> Json<Value> {
    let token = operations::change_auth_token(&sandbox, changed);
    Json(json!({"auth_token": token.expose_secret()}))
}

/// Forgets what happened and what was planned.
async fn reset(State(sandbox): State<Arc<Sandbox>>) -> StatusCode {
    sandbox.reset();
    StatusCode::NO_CONTENT
}
