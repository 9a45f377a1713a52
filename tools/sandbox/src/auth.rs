//! Who may call the API: an API key with its secret, or the account with its auth token.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::{header::AUTHORIZATION, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret;
use std::collections::HashMap;

use crate::{refusal::Refusal, state::Sandbox};

/// A request with the right credentials, for the account of its path where that names one.
pub(crate) struct Authenticated;

impl FromRequestParts<Arc<Sandbox>> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, sandbox: &Arc<Sandbox>) -> Result<Self, Refusal> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let decoded = header.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded).ok());
        let credentials = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let config = &sandbox.config;
        let with_token = format!("{}:{}", config.account_sid, config.auth_token.expose_secret());
        let with_key = format!("{}:{}", config.api_key_sid, config.api_key_secret.expose_secret());
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, sandbox).await.map(|Path(path)| path);
        let own_account =
            path.unwrap_or_default().get("account").is_none_or(|account| account == config.account_sid.as_str());
        if own_account && (credentials == with_token || credentials == with_key) {
            Ok(Self)
        } else {
            Err(Refusal::unauthorized())
        }
    }
}
