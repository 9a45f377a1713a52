//! The account's API keys. A key calls every product except `Keys` itself, which needs the account's auth token (or a main key,
//! which only the Console creates).
//!
//! Source: Twilio, "REST API: Key Resource v1" and "Create API keys in the Twilio Console".

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{capacity, config::Config, dates::rfc2822_date, products::collection::Collection};

pub(crate) mod api;

#[derive(Debug, Clone)]
pub(crate) struct ApiKey {
    sid: String,
    secret: SecretString,
    name: String,
    /// The permissions of a restricted key; none for a standard key.
    policy: Option<Value>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ApiKey {
    pub(crate) fn has_secret(&self, secret: &str) -> bool {
        self.secret.expose_secret() == secret
    }

    /// What a list shows of it.
    fn summary(&self) -> Value {
        json!({
            "sid": self.sid, "friendly_name": self.name, "date_created": rfc2822_date(Some(self.created_at)),
            "date_updated": rfc2822_date(Some(self.updated_at)),
        })
    }

    fn json(&self) -> Value {
        with(self.summary(), "policy", json!(self.policy))
    }

    /// The answer to its creation, the only one that has the secret.
    fn created(&self) -> Value {
        with(self.json(), "secret", json!(self.secret.expose_secret()))
    }
}

/// The object with one more field.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}

/// The keys that the account begins with: the configured one.
pub(crate) fn of_account(config: &Config, at: Timestamp) -> Collection<ApiKey> {
    let keys = Collection::at_most(capacity::API_KEYS);
    restore(&keys, config, at);
    keys
}

/// Adds the configured key where it was deleted.
pub(crate) fn restore(keys: &Collection<ApiKey>, config: &Config, at: Timestamp) {
    let key = ApiKey {
        sid: config.api_key_sid.clone(),
        secret: config.api_key_secret.clone(),
        name: "Sandbox".to_owned(),
        policy: None,
        created_at: at,
        updated_at: at,
    };
    // It exists already unless it was deleted.
    let _ = keys.add_unless(key.sid.clone(), key, |other| other.sid == config.api_key_sid);
}
