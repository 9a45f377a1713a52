//! What a call of the REST API authenticates with.

use std::fmt;

use secrecy::SecretString;

/// What a REST call authenticates with.
#[derive(Clone)]
pub struct Credentials {
    /// The user name: an API key's SID, or the account's where there is no key.
    pub username: String,
    /// The password: the key's secret, or the account's first auth token.
    pub password: SecretString,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}
