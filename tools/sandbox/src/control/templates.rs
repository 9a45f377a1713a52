//! Changing templates as WhatsApp does, and losing or repeating the events that tell of it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::put,
};
use serde::Deserialize;

use crate::{
    content::{approval::ApprovalChange, review},
    event_streams::post::EventDelivery,
    state::Sandbox,
};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/templates/{sid}", put(change)).route("/sandbox/template-events", put(set_delivery))
}

async fn change(
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
    Json(change): Json<ApprovalChange>,
) -> Result<StatusCode, (StatusCode, &'static str)> {
    let changed =
        review::change(&sandbox, &sid, change).ok_or((StatusCode::NOT_FOUND, "there is no template with this SID"))?;
    changed.map(|()| StatusCode::NO_CONTENT).map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventDeliveryChange {
    delivery: EventDelivery,
}

async fn set_delivery(State(sandbox): State<Arc<Sandbox>>, Json(change): Json<EventDeliveryChange>) -> StatusCode {
    sandbox.memory().event_delivery = change.delivery;
    StatusCode::NO_CONTENT
}
