//! Reading the timeline, adding to it, and sending what it has once more.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    again,
    state::Sandbox,
    timeline::{TimelineEvent, TimelinePage},
};

/// As many as a snapshot has.
const MAX_LIMIT: usize = 500;

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/sandbox/timeline", get(page).post(add))
        .route("/sandbox/timeline/{number}/again", post(send_again))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    /// Only entries with a lower number.
    before: Option<u64>,
    #[serde(default = "default_limit")]
    limit: usize,
}

const fn default_limit() -> usize {
    100
}

/// The newest entries, or the newest before a number. The oldest of them comes first.
async fn page(
    State(sandbox): State<Arc<Sandbox>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Value>, (StatusCode, String)> {
    if !(1..=MAX_LIMIT).contains(&query.limit) {
        return Err((StatusCode::UNPROCESSABLE_ENTITY, format!("limit: expected 1 to {MAX_LIMIT}")));
    }
    let memory = sandbox.memory();
    let TimelinePage { entries, has_older } = memory.timeline.page(query.before, query.limit);
    Ok(Json(json!({"entries": entries, "older": has_older, "forgotten": memory.timeline.forgotten()})))
}

/// Records what a program saw the system under test do.
async fn add(State(sandbox): State<Arc<Sandbox>>, Json(event): Json<TimelineEvent>) -> StatusCode {
    sandbox.record(event);
    StatusCode::NO_CONTENT
}

/// Answers how the system under test answered a webhook, or how the sandbox answered an API call.
async fn send_again(
    State(sandbox): State<Arc<Sandbox>>,
    Path(number): Path<u64>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    let repeat = {
        let memory = sandbox.memory();
        let entry = memory.timeline.get(number).ok_or((StatusCode::NOT_FOUND, "there is no entry with this number"))?;
        entry
            .repeat
            .clone()
            .ok_or((StatusCode::CONFLICT, "the entry has no request, or one that is too long to be kept"))?
    };
    // It is sent also when the caller no longer waits for the answer.
    let sending = tokio::spawn(async move { again::send(&sandbox, repeat).await });
    sending.await.map(Json).map_err(|_| (StatusCode::INTERNAL_SERVER_ERROR, "it could not be sent"))
}
