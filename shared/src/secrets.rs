//! The Twilio accounts and their keys, from one secret in Secrets Manager.
//!
//! The secret is read at the cold start. After that its content has an age ([`crate::aged`]): what is older than five minutes is read
//! again before it is used, so a key that was removed from the secret stops to count without a deployment. It is also read
//! again when a key turns out to be wrong: a signature that no key matches, or credentials that Twilio refuses. So a key that
//! was replaced works at once.

use std::{collections::BTreeMap, fmt};

use aws_sdk_secretsmanager::{Client, error::SdkError, operation::get_secret_value::GetSecretValueError};
use domain::json::{self, InvalidJson};
use secrecy::SecretString;
use sendgrid_client::EventWebhookKey;
use serde::{Deserialize, de::DeserializeOwned};
use twilio_client::Credentials;
use twilio_types::sid::{AccountSid, ApiKeySid};
use twilio_webhook::signature::SigningKeys;

mod aged;
mod max_age;

pub use crate::aged::REREAD_AFTER;
pub use aged::{AgedSecret, SecretSource};
pub use max_age::{InvalidMaxAge, LONGEST_USE, SecretMaxAge};

/// The secret with the Twilio accounts.
pub type Secrets = AgedSecret<Accounts>;

/// The content of the secret: `{"accounts": {"AC...": {"auth_tokens": ["..."], ...}}}`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    accounts: BTreeMap<AccountSid, AccountKeys>,
}

#[derive(Debug, Deserialize)]
#[serde(from = "StoredKeys")]
struct AccountKeys {
    signing: SigningKeys,
    api_key_sid: Option<ApiKeySid>,
    api_key_secret: Option<SecretString>,
    sendgrid_api_key: Option<SecretString>,
    sendgrid_public_key: Option<EventWebhookKey>,
}

/// The keys of an account as the secret has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKeys {
    #[serde(default)]
    auth_tokens: Vec<SecretString>,
    #[serde(default)]
    shared_keys: BTreeMap<String, SecretString>,
    api_key_sid: Option<ApiKeySid>,
    api_key_secret: Option<SecretString>,
    /// To send e-mails with.
    sendgrid_api_key: Option<SecretString>,
    /// To verify SendGrid's Signed Event Webhook with.
    sendgrid_public_key: Option<EventWebhookKey>,
}

impl From<StoredKeys> for AccountKeys {
    fn from(stored: StoredKeys) -> Self {
        let mut signing = SigningKeys::from_auth_tokens(stored.auth_tokens);
        signing.shared_keys = stored.shared_keys;
        Self {
            signing,
            api_key_sid: stored.api_key_sid,
            api_key_secret: stored.api_key_secret,
            sendgrid_api_key: stored.sendgrid_api_key,
            sendgrid_public_key: stored.sendgrid_public_key,
        }
    }
}

impl Accounts {
    /// The keys to verify an account's signatures with. None for an account that is not in the secret, so that nothing is
    /// computed for a request that names none of ours.
    pub fn signing_keys(&self, account_sid: &AccountSid) -> Option<&SigningKeys> {
        self.accounts.get(account_sid).map(|account| &account.signing)
    }

    pub fn sids(&self) -> impl Iterator<Item = &AccountSid> {
        self.accounts.keys()
    }

    /// The API key of an account's e-mails.
    pub fn sendgrid_api_key(&self, account_sid: &AccountSid) -> Option<&SecretString> {
        self.accounts.get(account_sid)?.sendgrid_api_key.as_ref()
    }

    /// The keys that verify SendGrid's events, with the account whose e-mails each one's events are about.
    pub fn sendgrid_public_keys(&self) -> impl Iterator<Item = (&AccountSid, &EventWebhookKey)> {
        self.accounts.iter().filter_map(|(sid, account)| Some((sid, account.sendgrid_public_key.as_ref()?)))
    }

    /// The credentials to call Twilio's API with for an account: its API key, or its first auth token where it has no API
    /// key.
    pub fn credentials(&self, account_sid: &AccountSid) -> Option<Credentials> {
        let account = self.accounts.get(account_sid)?;
        match (&account.api_key_sid, &account.api_key_secret, account.signing.auth_tokens.first()) {
            (Some(sid), Some(secret), _) => Some(Credentials { username: sid.to_string(), password: secret.clone() }),
            (_, _, Some(token)) => Some(Credentials { username: account_sid.to_string(), password: token.clone() }),
            _ => None,
        }
    }
}

/// A secret cannot be used.
#[derive(thiserror::Error)]
pub enum SecretsError {
    /// Secrets Manager did not answer, which passes with time, or refused, which the operator must fix.
    #[error("a secret cannot be read: the function needs secretsmanager:GetSecretValue on it")]
    Unreadable(#[from] Box<SdkError<GetSecretValueError>>),
    /// The secret is not the expected JSON. The operator must fix it. The problem names the field, and leaves out every value.
    #[error("the secret {secret_id} is malformed: {problem}: see docs/deploy.md, \"The secret\"")]
    Malformed { secret_id: String, problem: InvalidJson },
    /// Secrets Manager did not answer in time.
    #[error("the secret {secret_id} was not read in time")]
    Late { secret_id: String },
    /// What was read is so old that it counts no more, or is known to lack a key, and an attempt to read it again failed a
    /// moment ago. The log line of that attempt has the error and the field `alarm`.
    #[error("the secret {secret_id} could not be read again a moment ago")]
    Unavailable { secret_id: String },
}

impl fmt::Debug for SecretsError {
    /// Shows what `Display` shows, because the source holds the answer of Secrets Manager, with the secret in it. Rust
    /// prints the `Debug` of an error that `main` returns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretsError({self})")
    }
}

/// Reads a secret that holds JSON.
pub async fn read<T: DeserializeOwned>(client: &Client, secret_id: &str) -> Result<T, SecretsError> {
    let secret = client.get_secret_value().secret_id(secret_id).send().await.map_err(Box::new)?;
    parse(secret_id, secret.secret_string().unwrap_or_default())
}

/// The error names the field that is wrong, and never quotes the text.
fn parse<T: DeserializeOwned>(secret_id: &str, text: &str) -> Result<T, SecretsError> {
    json::read(text).map_err(|problem| SecretsError::Malformed { secret_id: secret_id.to_owned(), problem })
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
    use axum::Router;
    use secrecy::ExposeSecret;
    use serde_json::json;
    use tokio::net::TcpListener;

    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{report::Chain, start::StartError};

    pub(crate) const ONE: &str = "AC00000000000000000000000000000001";
    pub(crate) const TWO: &str = "AC00000000000000000000000000000002";

    /// A secret whose value changes with each reading; after the last one it cannot be read.
    pub(crate) async fn secrets(values: &[&str]) -> Secrets {
        let answer = |value: &&str| json!({"ARN": "arn", "Name": "twilio", "SecretString": value}).to_string();
        let client = secrets_manager(values.iter().map(answer).collect()).await;
        Secrets::load(client, "twilio".to_owned(), SecretMaxAge::default()).await.unwrap()
    }

    /// A Secrets Manager that gives these answers one after another.
    pub(crate) async fn secrets_manager(answers: Vec<String>) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        let app = Router::new().fallback(move || async move { answers.lock().unwrap().next().unwrap_or_default() });
        tokio::spawn(async { axum::serve(listener, app).await });
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(url)
            .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
        Client::from_conf(config.build())
    }

    fn accounts() -> Accounts {
        let text = format!(
            r#"{{"accounts": {{
                "{ONE}": {{"auth_tokens": ["a", "b"], "shared_keys": {{"k": "s"}}, "api_key_sid": "SK00000000000000000000000000000001", "api_key_secret": "p"}},
                "{TWO}": {{"auth_tokens": ["c"]}}}}}}"#
        );
        parse("twilio", &text).unwrap()
    }

    #[test]
    fn signature_is_checked_with_the_keys_of_its_account() {
        let accounts = accounts();
        let keys = accounts.signing_keys(&ONE.parse().unwrap()).unwrap();
        assert_eq!(keys.auth_tokens.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(keys.shared_keys.len(), 1);
        assert!(accounts.signing_keys(&"AC00000000000000000000000000000003".parse().unwrap()).is_none());
    }

    #[test]
    fn api_key_is_used_before_the_auth_token() {
        let with_key = accounts().credentials(&ONE.parse().unwrap()).unwrap();
        assert_eq!(
            (with_key.username.as_str(), with_key.password.expose_secret()),
            ("SK00000000000000000000000000000001", "p")
        );
        let without = accounts().credentials(&TWO.parse().unwrap()).unwrap();
        assert_eq!((without.username.as_str(), without.password.expose_secret()), (TWO, "c"));
    }

    #[tokio::test]
    async fn answer_that_cannot_be_read_is_not_shown() {
        let client = secrets_manager(vec![r#"{"SecretString": "hidden-token", "Name": 1}"#.to_owned()]).await;
        let error =
            StartError::from(Secrets::load(client, "twilio".to_owned(), SecretMaxAge::default()).await.unwrap_err());
        let shown = format!("{error:?} {}", Chain(&error));
        assert!(shown.contains("cannot be read") && !shown.contains("hidden-token"), "{shown}");
    }

    #[test]
    fn error_and_debug_do_not_show_the_secret() {
        let error =
            parse::<Accounts>("twilio", r#"{"accounts": {"AC1": {"auth_tokens": "hidden-token"}}}"#).unwrap_err();
        assert!(error.to_string().contains("is malformed: accounts.AC1: "), "{error}");
        for (text, problem) in [
            (
                format!(r#"{{"accounts": {{"{ONE}": {{"auth_tokens": "hidden-token"}}}}}}"#),
                "auth_tokens: expected a list",
            ),
            (format!(r#"{{"accounts": {{"{ONE}": {{"api_key_sid": "hidden-token"}}}}}}"#), "api_key_sid: "),
            (format!(r#"{{"accounts": {{"{ONE}": {{}}, "{ONE}": {{}}}}}}"#), "given twice"),
            (
                r#"{"accounts": {}, "extra": "hidden-token"}"#.to_owned(),
                "extra: unknown field, expected one of accounts",
            ),
            (r#"{"accounts": hidden-token}"#.to_owned(), "body: expected JSON, it breaks off at line 1, column 14"),
        ] {
            let error = parse::<Accounts>("twilio", &text).unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains("hidden-token"), "{error}");
        }
        assert!(parse::<Accounts>("twilio", "\u{feff}{\"accounts\": {}}").is_ok());
        let shown = format!("{error} {error:?} {:?}", accounts());
        assert!(!shown.contains("hidden-token") && !shown.contains("\"a\"") && !shown.contains("\"p\""), "{shown}");
    }
}
