//! The account's auth tokens (accounts v1, `AuthTokens`). The primary token signs webhooks. Calls are accepted with the
//! primary token, and during a rotation with the secondary token too.
//!
//! What Twilio does with a second secondary token is not documented; here it is refused (409, 20409).

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{api_error::ApiError, sids::Sids};

pub(crate) mod api;

#[derive(Debug)]
pub(crate) struct AuthTokens(Mutex<CurrentTokens>);

#[derive(Debug)]
struct CurrentTokens {
    primary: SecretString,
    secondary: Option<(SecretString, Timestamp)>,
}

impl AuthTokens {
    pub(crate) fn new(primary: SecretString) -> Self {
        Self(Mutex::new(CurrentTokens { primary, secondary: None }))
    }

    /// The token that signs webhooks.
    pub(crate) fn primary(&self) -> SecretString {
        self.lock().primary.clone()
    }

    /// Whether this token may call the API.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        let tokens = self.lock();
        let secondary = tokens.secondary.as_ref().map(|(secondary, _)| secondary);
        [Some(&tokens.primary), secondary].into_iter().flatten().any(|known| known.expose_secret() == token)
    }

    /// Replaces both tokens at once: the earlier ones are refused from now on.
    pub(crate) fn replace(&self, token: SecretString) {
        *self.lock() = CurrentTokens { primary: token, secondary: None };
    }

    fn add_secondary(&self, token: SecretString, at: Timestamp) -> Result<(), ApiError> {
        let mut tokens = self.lock();
        if tokens.secondary.is_some() {
            return Err(ApiError::new(StatusCode::CONFLICT, 20409, "A secondary auth token already exists"));
        }
        tokens.secondary = Some((token, at));
        Ok(())
    }

    fn remove_secondary(&self) -> Option<(SecretString, Timestamp)> {
        self.lock().secondary.take()
    }

    /// Makes the secondary token the only one, and gives it with the time when it was created.
    fn promote(&self) -> Option<(SecretString, Timestamp)> {
        let mut tokens = self.lock();
        let (token, created_at) = tokens.secondary.take()?;
        tokens.primary = token.clone();
        Some((token, created_at))
    }

    fn lock(&self) -> MutexGuard<'_, CurrentTokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthTokenChange {
    /// Without one a random token is made.
    #[serde(default)]
    token: Option<AuthToken>,
}

/// 32 hexadecimal digits, as Twilio's tokens are.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct AuthToken(SecretString);

impl TryFrom<String> for AuthToken {
    type Error = &'static str;

    fn try_from(token: String) -> Result<Self, Self::Error> {
        if token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(token.into()))
        } else {
            Err("token: expected 32 hexadecimal digits")
        }
    }
}

impl AuthTokenChange {
    /// The given token, or a new one.
    pub(crate) fn into_token(self, sids: &Sids) -> SecretString {
        self.token.map_or_else(|| sids.next("").into(), |AuthToken(token)| token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tokens_are_accepted_during_a_rotation() {
        let tokens = AuthTokens::new("one".into());
        let accepted = || ["one", "two", "three"].map(|token| tokens.accepts(token));
        assert_eq!(accepted(), [true, false, false]);
        tokens.add_secondary("two".into(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((accepted(), tokens.primary().expose_secret()), ([true, true, false], "one"));
        assert_eq!(tokens.add_secondary("three".into(), Timestamp::UNIX_EPOCH).unwrap_err().code, 20409);
        assert!(tokens.promote().is_some());
        assert_eq!((accepted(), tokens.primary().expose_secret()), ([false, true, false], "two"));
        assert!(tokens.promote().is_none() && tokens.remove_secondary().is_none());
        tokens.replace("three".into());
        assert_eq!(accepted(), [false, false, true]);
    }
}
