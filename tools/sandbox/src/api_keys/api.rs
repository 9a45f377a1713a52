//! Requests about API keys (iam v1, `Keys`).

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    routing::get,
};
use serde_json::Value;
use twilio_webhook::form::Form;

use super::ApiKey;
use crate::{api_error::ApiError, auth::Authenticated, paging::PageRequest, state::Sandbox};

/// Source: twilio-oai, `iam` v1: a friendly name has at most 64 characters.
const MAX_NAME: usize = 64;

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/v1/Keys", get(list).post(create))
        .route("/v1/Keys/{sid}", get(fetch).post(update).delete(delete))
}

/// A caller who may read and change API keys.
struct KeyManager(Authenticated);

impl FromRequestParts<Arc<Sandbox>> for KeyManager {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, sandbox: &Arc<Sandbox>) -> Result<Self, ApiError> {
        let caller = Authenticated::from_request_parts(parts, sandbox).await?;
        if caller.has_auth_token { Ok(Self(caller)) } else { Err(ApiError::unauthorized()) }
    }
}

async fn list(
    _: KeyManager,
    State(sandbox): State<Arc<Sandbox>>,
    request: PageRequest,
) -> Result<Json<Value>, ApiError> {
    own_account(&sandbox, &request.query)?;
    let keys: Vec<_> = sandbox.products.api_keys.all().iter().rev().map(|key| key.summary()).collect();
    request.page("keys", &keys).map(Json)
}

async fn create(
    _: KeyManager,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let form = Form::parse(&body);
    own_account(&sandbox, &form)?;
    let policy = policy(&form)?;
    match (form.get_filled("KeyType"), &policy) {
        (None, None) | (Some("restricted"), Some(_)) => {}
        (Some("restricted"), None) => return Err(ApiError::missing("Policy")),
        (Some(_), _) => return Err(ApiError::invalid("KeyType", "restricted, or none for a standard key")),
        (None, Some(_)) => return Err(ApiError::invalid("Policy", "none without KeyType=restricted")),
    }
    let now = sandbox.now();
    let key = ApiKey {
        sid: sandbox.sids.next("SK"),
        secret: sandbox.sids.next("").into(),
        name: name(&form)?.unwrap_or_default(),
        policy,
        created_at: now,
        updated_at: now,
    };
    let key = sandbox.products.api_keys.add(key.sid.clone(), key);
    Ok((StatusCode::CREATED, Json(key.created())))
}

async fn fetch(
    KeyManager(caller): KeyManager,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
) -> Result<Json<Value>, ApiError> {
    sandbox.products.api_keys.get(&sid).map(|key| Json(key.json())).ok_or_else(|| caller.not_found())
}

async fn update(
    KeyManager(caller): KeyManager,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let form = Form::parse(&body);
    let (name, policy, now) = (name(&form)?, policy(&form)?, sandbox.now());
    let changed = sandbox.products.api_keys.update(&sid, |key| {
        key.name = name.unwrap_or_else(|| key.name.clone());
        key.policy = policy.or_else(|| key.policy.clone());
        key.updated_at = now;
        Ok::<_, ApiError>(())
    });
    let changed = changed.ok_or_else(|| caller.not_found())??;
    Ok(Json(changed.json()))
}

async fn delete(
    KeyManager(caller): KeyManager,
    State(sandbox): State<Arc<Sandbox>>,
    Path(sid): Path<String>,
) -> Result<StatusCode, ApiError> {
    sandbox.products.api_keys.remove(&sid).map(|_| StatusCode::NO_CONTENT).ok_or_else(|| caller.not_found())
}

/// `AccountSid` is required, and the sandbox has one account.
fn own_account(sandbox: &Sandbox, parameters: &Form) -> Result<(), ApiError> {
    match parameters.get_filled("AccountSid") {
        None => Err(ApiError::missing("AccountSid")),
        Some(sid) if sid == sandbox.config.account_sid.as_str() => Ok(()),
        Some(_) => Err(ApiError::unauthorized()),
    }
}

fn name(form: &Form) -> Result<Option<String>, ApiError> {
    match form.get("FriendlyName") {
        Some(name) if name.chars().count() > MAX_NAME => {
            Err(ApiError::invalid("FriendlyName", "at most 64 characters"))
        }
        name => Ok(name.map(str::to_owned)),
    }
}

fn policy(form: &Form) -> Result<Option<Value>, ApiError> {
    let parse = |text: &str| serde_json::from_str(text).map_err(|_| ApiError::invalid("Policy", "a JSON object"));
    form.get_filled("Policy").map(parse).transpose()
}
