//! Reading and changing what the sandbox does where Twilio's documentation leaves it open.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Map, Value};

use crate::{choices::Choices, state::Sandbox};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/choices", get(show).put(change))
}

async fn show(State(sandbox): State<Arc<Sandbox>>) -> Json<Choices> {
    Json(sandbox.memory().choices)
}

/// Changes the given choices. The others stay as they are.
async fn change(
    State(sandbox): State<Arc<Sandbox>>,
    Json(given): Json<Map<String, Value>>,
) -> Result<Json<Choices>, (StatusCode, String)> {
    let mut memory = sandbox.memory();
    let invalid = |error: serde_json::Error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
    memory.choices = memory.choices.with(&given).map_err(invalid)?;
    Ok(Json(memory.choices))
}
