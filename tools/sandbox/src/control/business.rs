//! Sending as the business.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde_json::{Value, json};

use crate::{
    business::{self, BusinessError},
    state::Sandbox,
};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/business/preview", post(preview)).route("/sandbox/business/send", post(send))
}

type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

/// What would be decided about a notification, and why.
async fn preview(State(sandbox): State<Arc<Sandbox>>, Json(notification): Json<Value>) -> Answer {
    business::preview(&sandbox, notification).await.map(Json).map_err(|error| refused(&error))
}

/// Sends a notification, also when the caller no longer waits for the answer.
async fn send(State(sandbox): State<Arc<Sandbox>>, Json(notification): Json<Value>) -> Answer {
    let sending = tokio::spawn(async move { business::send(&sandbox, notification).await });
    let sent = sending.await.unwrap_or_else(|error| Err(BusinessError::NotRun(error.to_string())));
    sent.map(|sent| Json(sent.answer)).map_err(|error| refused(&error))
}

fn refused(error: &BusinessError) -> (StatusCode, Json<Value>) {
    let status = match error {
        BusinessError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        BusinessError::NotRun(_) => StatusCode::BAD_GATEWAY,
        BusinessError::NoAnswer => StatusCode::GATEWAY_TIMEOUT,
    };
    (status, Json(json!({"error": error.to_string()})))
}
