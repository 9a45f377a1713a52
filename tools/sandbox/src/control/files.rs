//! Uploading the files that people send.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    faults::FileFault,
    files::{MAX_FILE_BYTES, StoredFile},
    state::Sandbox,
};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    let upload = post(upload).layer(DefaultBodyLimit::max(MAX_FILE_BYTES));
    Router::new()
        .route("/sandbox/files", upload)
        .route("/sandbox/files/{name}", get(fetch))
        .route("/sandbox/files/Accounts/{account}/{name}", get(fetch_of_account))
        .route("/sandbox/files/Accounts/{account}/faults/{name}", get(other_bytes))
}

async fn upload(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Value>), (StatusCode, &'static str)> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or((
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Content-Type: missing; expected the type of the file, as in image/jpeg",
    ))?;
    let (name, content_type) = (sandbox.sids.next("ME"), content_type.to_owned());
    let url = sandbox.own_url(&format!("/sandbox/files/{name}"));
    let shown = json!({"url": url, "content_type": content_type, "size": bytes.len()});
    sandbox.memory().files.add(StoredFile { name, content_type, bytes });
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn fetch(State(sandbox): State<Arc<Sandbox>>, Path(name): Path<String>) -> Result<impl IntoResponse, StatusCode> {
    let file = sandbox.memory().files.get(&name).cloned().ok_or(StatusCode::NOT_FOUND)?;
    // An uploaded HTML file must not run as a page of the sandbox's origin. Browsers show no PDF under `sandbox`.
    let policy =
        if file.content_type == "application/pdf" { "default-src 'none'" } else { "sandbox; default-src 'none'" };
    let headers = [
        (CONTENT_TYPE, file.content_type),
        (CONTENT_SECURITY_POLICY, policy.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, file.bytes))
}

/// By a URL at the API that several accounts may share.
async fn fetch_of_account(
    sandbox: State<Arc<Sandbox>>,
    Path((_, name)): Path<(String, String)>,
) -> Result<impl IntoResponse, StatusCode> {
    fetch(sandbox, Path(name)).await
}

/// Where the bytes of a file are to which the API redirects.
pub(crate) fn bytes_url(sandbox: &Sandbox, url: &str) -> String {
    let account = &sandbox.config.account_sid;
    let uploaded = url.strip_prefix(&sandbox.own_url("/sandbox/files/"));
    uploaded
        .map_or_else(|| url.to_owned(), |name| sandbox.api_url(&format!("/sandbox/files/Accounts/{account}/{name}")))
}

/// Where the bytes are that are in place of those of a file.
pub(crate) fn other_bytes_url(sandbox: &Sandbox, name: &str) -> String {
    sandbox.api_url(&format!("/sandbox/files/Accounts/{}/faults/{name}", sandbox.config.account_sid))
}

async fn other_bytes(Path((_, name)): Path<(String, String)>) -> Result<Vec<u8>, StatusCode> {
    FileFault::bytes(&name).ok_or(StatusCode::NOT_FOUND)
}
