//! Requests about auth tokens.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{api_error::ApiError, auth::Authenticated, dates::iso_date, state::Sandbox};

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/v1/AuthTokens/Secondary", post(create).delete(delete))
        .route("/v1/AuthTokens/Promote", post(promote))
}

async fn create(_: Authenticated, State(sandbox): State<Arc<Sandbox>>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (token, now) = (sandbox.sids.next(""), sandbox.now());
    sandbox.products.auth_tokens.add_secondary(token.clone().into(), now)?;
    let created = json!({
        "account_sid": sandbox.config.account_sid, "date_created": iso_date(now), "date_updated": iso_date(now),
        "secondary_auth_token": token, "url": "https://accounts.twilio.com/v1/AuthTokens/Secondary",
    });
    Ok((StatusCode::CREATED, Json(created)))
}

async fn delete(caller: Authenticated, State(sandbox): State<Arc<Sandbox>>) -> Result<StatusCode, ApiError> {
    let removed = sandbox.products.auth_tokens.remove_secondary();
    removed.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| caller.not_found())
}

async fn promote(caller: Authenticated, State(sandbox): State<Arc<Sandbox>>) -> Result<Json<Value>, ApiError> {
    let (token, created_at) = sandbox.products.auth_tokens.promote().ok_or_else(|| caller.not_found())?;
    Ok(Json(json!({
        "account_sid": sandbox.config.account_sid, "auth_token": token.expose_secret(),
        "date_created": iso_date(created_at), "date_updated": iso_date(sandbox.now()),
        "url": "https://accounts.twilio.com/v1/AuthTokens/Promote",
    })))
}
