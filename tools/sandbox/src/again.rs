//! Sends a webhook, a callback or an API call of the timeline again.

use std::{sync::Arc, time::Duration};

use axum::http::header::CONTENT_TYPE;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    inbound,
    repeat::{RepeatedCall, RepeatedRequest},
    state::Sandbox,
};

/// A planned fault can leave a call without an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends it again, and gives the answer as JSON.
pub(crate) async fn send(sandbox: &Arc<Sandbox>, repeat: RepeatedRequest) -> Value {
    match repeat {
        RepeatedRequest::Webhook(webhook, token) => json!(inbound::deliver_again(sandbox, &webhook, token).await),
        RepeatedRequest::Event(post) => post.again(sandbox).await,
        RepeatedRequest::Call(call) => match answer(sandbox, call).await {
            Ok(answer) => answer,
            Err(_) => json!({"status": null, "content_type": null, "body": null}),
        },
    }
}

/// Calls the sandbox's own API with the account's own credentials, so that the call is recorded as any other.
async fn answer(sandbox: &Sandbox, call: RepeatedCall) -> reqwest::Result<Value> {
    let RepeatedCall { method, path_and_query, content_type, body } = call;
    let config = &sandbox.config;
    let mut request = sandbox
        .http
        .for_own_api()
        .request(method, sandbox.own_url(&path_and_query))
        .timeout(CALL_TIMEOUT)
        .basic_auth(&config.api_key_sid, Some(config.api_key_secret.expose_secret()))
        .body(body);
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    let response = request.send().await?;
    let status = response.status().as_u16();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(json!({"status": status, "content_type": content_type, "body": response.text().await?}))
}
