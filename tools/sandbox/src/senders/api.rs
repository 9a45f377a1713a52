//! Requests about the sender.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use serde_json::Value;

use super::SENDER_SID;
use crate::{api_error::ApiError, auth::Authenticated, paging::PageRequest, state::Sandbox};

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/v2/Channels/Senders", get(list))
        .route("/v2/Channels/Senders/{sender}", get(fetch).post(update))
}

async fn list(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    let senders = match request.query.get_filled("Channel") {
        Some("whatsapp") => vec![sandbox.products.senders.lock().resource()],
        Some(_) => Vec::new(),
        None => return Err(ApiError::missing("Channel")),
    };
    request.page("senders", &senders).map(Json)
}

async fn fetch(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
) -> Result<Json<Value>, ApiError> {
    if sid != SENDER_SID {
        return Err(caller.not_found());
    }
    Ok(Json(sandbox.products.senders.lock().resource()))
}

async fn update(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    if sid != SENDER_SID {
        return Err(caller.not_found());
    }
    let body = serde_json::from_slice(&body).map_err(|_| ApiError::bad_request(20001, "Request body is not JSON"))?;
    let mut sender = sandbox.products.senders.lock();
    sender.set(&body)?;
    Ok((StatusCode::ACCEPTED, Json(sender.resource())))
}
