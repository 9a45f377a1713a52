//! Which of WhatsApp's rules hold.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};

use crate::{rules::Rules, state::Sandbox};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/rules", get(show).put(change))
}

async fn show(State(sandbox): State<Arc<Sandbox>>) -> Json<Rules> {
    Json(sandbox.rules())
}

async fn change(State(sandbox): State<Arc<Sandbox>>, Json(rules): Json<Rules>) -> Json<Rules> {
    sandbox.set_rules(rules.clone());
    Json(rules)
}
