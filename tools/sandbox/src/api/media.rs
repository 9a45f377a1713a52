//! The files of a message: their list, and the way to their bytes.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde_json::json;
use shared::sid::MessageSid;

use super::resource::media_resource;
use crate::{
    auth::Authenticated,
    messages::Message,
    refusal::Refusal,
    state::{Sandbox, State as Remembered},
};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/2010-04-01/Accounts/{account}/Messages/{message}/Media.json", get(list))
        .route("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{file}", get(fetch))
}

async fn list(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, sid)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let state = sandbox.state();
    let message = message(&state, &sid)?;
    let files: Vec<_> = message.media.iter().map(|file| media_resource(&sandbox, message, file)).collect();
    let uri =
        format!("/2010-04-01/Accounts/{}/Messages/{sid}/Media.json?PageSize=50&Page=0", sandbox.config.account_sid);
    let page = json!({
        "page": 0, "page_size": 50, "start": 0, "end": files.len().saturating_sub(1), "uri": uri,
        "first_page_uri": uri, "next_page_uri": null, "previous_page_uri": null, "media_list": files,
    });
    Ok(Json(page).into_response())
}

/// What is known of a file (`ME....json`), or where its bytes are (`ME...`).
async fn fetch(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((_, sid, file)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let state = sandbox.state();
    let message = message(&state, &sid)?;
    let media_sid = file.strip_suffix(".json").unwrap_or(&file);
    let found = message.media.iter().find(|media| media.sid == media_sid).ok_or_else(|| Refusal::not_found(&file))?;
    if file == media_sid {
        return Ok(Redirect::temporary(&found.url).into_response());
    }
    Ok(Json(media_resource(&sandbox, message, found)).into_response())
}

fn message<'a>(state: &'a Remembered, sid: &str) -> Result<&'a Message, Refusal> {
    let parsed: Option<MessageSid> = sid.parse().ok();
    parsed.and_then(|sid| state.messages.get(&sid)).ok_or_else(|| Refusal::not_found(sid))
}
