//! The account resource, which a client fetches to test its credentials.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::{Value, json};

use crate::{api_error::ApiError, auth::Authenticated, state::Sandbox};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/2010-04-01/Accounts/{file}", get(fetch))
}

async fn fetch(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(file): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let account = sandbox.config.account_sid.as_str();
    if file.strip_suffix(".json") != Some(account) {
        return Err(caller.not_found());
    }
    let list = |name: &str| format!("/2010-04-01/Accounts/{account}/{name}.json");
    Ok(Json(json!({
        "sid": account, "owner_account_sid": account, "friendly_name": "Sandbox", "status": "active", "type": "Full",
        "date_created": "Fri, 20 Nov 2026 00:00:00 +0000", "date_updated": "Fri, 20 Nov 2026 00:00:00 +0000",
        "uri": caller.path, "subresource_uris": {"messages": list("Messages")},
    })))
}
