//! What a call of the REST API authenticates with.

use std::fmt;

use secrecy::SecretString;
use twilio_types::sid::{AccountSid, ApiKeySid};

/// The user name and password of HTTP basic authentication. `Debug` shows the user name alone.
///
/// Source: Twilio, "Requests to Twilio".
#[derive(Clone)]
pub struct Credentials {
    /// The SID of an API key, or of the account itself.
    pub username: String,
    /// The API key's secret, or one of the account's auth tokens.
    pub password: SecretString,
}

impl Credentials {
    /// An API key and its secret: what Twilio advises for production.
    pub fn api_key(sid: &ApiKeySid, secret: SecretString) -> Self {
        Self { username: sid.to_string(), password: secret }
    }

    /// The account's primary or secondary auth token. Some resources, auth tokens among them, accept nothing else.
    pub fn auth_token(account_sid: &AccountSid, token: SecretString) -> Self {
        Self { username: account_sid.to_string(), password: token }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_password() {
        let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
        let shown = format!("{:?}", Credentials::auth_token(&account_sid, "hidden-half".into()));
        assert!(shown.contains(account_sid.as_str()) && !shown.contains("hidden-half"), "{shown}");
    }
}
