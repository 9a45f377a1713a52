//! Authentication of API calls: an API key with its secret, or the account SID with one of its auth tokens.

use std::{collections::HashMap, sync::Arc};

use crate::{api_error::ApiError, state::Sandbox};
use axum::{
    extract::{FromRequestParts, Path},
    http::{header::AUTHORIZATION, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// A request with valid credentials for the account in its path.
#[derive(Debug)]
pub(crate) struct Authenticated {
    pub(crate) path: String,
    /// Whether it has the account's auth token, and not an API key.
    pub(crate) has_auth_token: bool,
}

impl Authenticated {
    pub(crate) fn not_found(&self) -> ApiError {
        ApiError::not_found(&self.path)
    }
}

impl FromRequestParts<Arc<Sandbox>> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, sandbox: &Arc<Sandbox>) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let decoded = header.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded).ok());
        let credentials = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let (user, password) = credentials.split_once(':').unwrap_or_default();
        let config = &sandbox.config;
        let has_auth_token = user == config.account_sid.as_str();
        let known = if has_auth_token {
            sandbox.products.auth_tokens.accepts(password)
        } else {
            sandbox.products.api_keys.get(user).is_some_and(|key| key.has_secret(password))
        };
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, sandbox).await.map(|Path(path)| path);
        let own_account =
            path.unwrap_or_default().get("account").is_none_or(|account| account == config.account_sid.as_str());
        if known && own_account {
            Ok(Self { path: parts.uri.path().to_owned(), has_auth_token })
        } else {
            Err(ApiError::unauthorized())
        }
    }
}
