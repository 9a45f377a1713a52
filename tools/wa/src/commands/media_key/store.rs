//! The secret with the private keys of media links.

use aws_sdk_secretsmanager::Client;
use domain::json;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::error::CommandError;

pub(super) struct LinkKeyStore {
    client: Client,
    secret_id: String,
}

/// The secret as it was read.
pub(super) struct LinkKeySecret {
    version: Option<String>,
    signing_id: Option<String>,
    signing: SecretString,
    next: Option<SecretString>,
}

impl LinkKeyStore {
    pub(super) fn new(client: Client, secret_id: String) -> Self {
        Self { client, secret_id }
    }

    pub(super) async fn read(&self) -> Result<LinkKeySecret, CommandError> {
        let answer = self.client.get_secret_value().secret_id(&self.secret_id).send().await;
        let answer = answer.map_err(|error| CommandError::of_sdk("reading the secret of media keys", error))?;
        LinkKeySecret::parse(answer.version_id, answer.secret_string.as_deref().unwrap_or_default())
    }

    /// Replaces what was read, unless the secret has changed since.
    pub(super) async fn write(&self, before: &LinkKeySecret, content: &SecretString) -> Result<(), CommandError> {
        if self.read().await?.version != before.version {
            return Err(CommandError::refused("the secret of media keys was changed meanwhile: run this again"));
        }
        let put = self.client.put_secret_value().secret_id(&self.secret_id).secret_string(content.expose_secret());
        let put = put.send().await;
        put.map(drop).map_err(|error| CommandError::of_sdk("storing the secret of media keys", error))
    }
}

impl LinkKeySecret {
    /// The error never repeats a part of the secret.
    pub(super) fn parse(version: Option<String>, text: &str) -> Result<Self, CommandError> {
        let content = json::value(text).map_err(|problem| {
            CommandError::refused(format!("the secret of media keys: {problem}: see docs/media-domain.md"))
        })?;
        let text = |path: &str| content.pointer(path).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            version,
            signing_id: text("/signing/key_pair_id"),
            signing: content.get("signing").unwrap_or(&Value::Null).to_string().into(),
            next: text("/next/private_key").map(SecretString::from),
        })
    }

    /// The id of the key that signs.
    pub(super) fn signing_id(&self) -> Option<String> {
        self.signing_id.clone()
    }

    /// The private key that signs nothing yet.
    pub(super) fn next(&self) -> Option<&SecretString> {
        self.next.as_ref()
    }

    /// The content with a next key. The key that signs stays.
    pub(super) fn with_next(&self, private_key: &SecretString) -> SecretString {
        let signing: Value = serde_json::from_str(self.signing.expose_secret()).unwrap_or_default();
        json!({"signing": signing, "next": {"private_key": private_key.expose_secret()}}).to_string().into()
    }
}
