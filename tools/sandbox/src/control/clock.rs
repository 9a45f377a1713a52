//! The sandbox's clock.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use serde::Deserialize;
use serde_json::Value;

use crate::{operations, state::Sandbox};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/clock", get(read).post(advance))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockAdvance {
    advance_seconds: u32,
}

async fn read(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    Json(sandbox.view(&sandbox.memory()).clock())
}

async fn advance(State(sandbox): State<Arc<Sandbox>>, Json(advance): Json<ClockAdvance>) -> Json<Value> {
    operations::advance_clock(&sandbox, advance.advance_seconds);
    Json(sandbox.view(&sandbox.memory()).clock())
}
