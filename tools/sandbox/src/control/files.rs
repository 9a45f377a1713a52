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
    files::{MAX_FILE_BYTES, StoredFile},
    state::Sandbox,
};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    let upload = post(upload).layer(DefaultBodyLimit::max(MAX_FILE_BYTES));
    Router::new().route("/sandbox/files", upload).route("/sandbox/files/{name}", get(fetch))
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
