//! The sandbox's clock, and that of the system under test where it is shared.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde::Deserialize;
use serde_json::Value;

use crate::{operations, shared_clock::SharedClockError, state::Sandbox};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/clock", get(read).post(change))
}

/// Either field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    #[serde(default)]
    advance_seconds: Option<u32>,
    /// Set back to the machine's time.
    #[serde(default)]
    now: bool,
}

async fn read(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    Json(sandbox.view(&sandbox.memory()).clock())
}

async fn change(
    State(sandbox): State<Arc<Sandbox>>,
    Json(change): Json<ClockChange>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let changed = match change {
        ClockChange { advance_seconds: Some(seconds), now: false } => {
            operations::advance_clock(&sandbox, seconds).await
        }
        ClockChange { advance_seconds: None, now: true } => operations::set_clock_back(&sandbox).await,
        _ => {
            let error = "expected either advance_seconds, or now with the value true";
            return Err((StatusCode::UNPROCESSABLE_ENTITY, error.to_owned()));
        }
    };
    changed.map_err(|error| refused(&error))?;
    Ok(Json(sandbox.view(&sandbox.memory()).clock()))
}

/// The answer to a request that could not move the clock.
pub(super) fn refused(error: &SharedClockError) -> (StatusCode, String) {
    let status = match error {
        SharedClockError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        SharedClockError::TooFar => StatusCode::UNPROCESSABLE_ENTITY,
        SharedClockError::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string())
}
