//! Reading and changing the rules.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};

use crate::{rules::WhatsAppRules, state::Sandbox};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/rules", get(show).put(change))
}

async fn show(State(sandbox): State<Arc<Sandbox>>) -> Json<WhatsAppRules> {
    Json(sandbox.rules())
}

async fn change(State(sandbox): State<Arc<Sandbox>>, Json(rules): Json<WhatsAppRules>) -> Json<WhatsAppRules> {
    sandbox.set_rules(rules.clone());
    Json(rules)
}
