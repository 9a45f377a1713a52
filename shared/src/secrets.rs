//! The Twilio accounts and their keys, from one secret in Secrets Manager.
//!
//! The secret is read at the cold start and kept for the life of the process. It is read again only when a key turns out
//! to be wrong: a signature that no key matches, or credentials that Twilio refuses. So a key that was replaced works
//! without a deployment.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_secretsmanager::{Client, error::SdkError, operation::get_secret_value::GetSecretValueError};
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use twilio_client::Credentials;
use twilio_types::sid::{AccountSid, ApiKeySid};
use twilio_webhook::signature::SigningKeys;

/// The shortest time between two readings after the first. Without it every forged request would be one call, and so one
/// charge, of Secrets Manager.
const REREAD_AFTER: Duration = Duration::from_secs(30);

/// The content of the secret: `{"accounts": {"AC...": {"auth_tokens": ["..."], ...}}}`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    accounts: BTreeMap<AccountSid, AccountKeys>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountKeys {
    #[serde(default)]
    auth_tokens: Vec<SecretString>,
    #[serde(default)]
    shared_keys: BTreeMap<String, SecretString>,
    api_key_sid: Option<ApiKeySid>,
    api_key_secret: Option<SecretString>,
}

impl Accounts {
    /// The keys to check a signature with: those of the account that the request names, or of every account where it names
    /// none. None where there is no key.
    pub fn signing_keys(&self, account_sid: Option<&AccountSid>) -> Option<SigningKeys> {
        let mut keys = SigningKeys::default();
        let named = self.accounts.iter().filter(|(sid, _)| account_sid.is_none_or(|named| named == *sid));
        for (_, account) in named {
            keys.auth_tokens.extend(account.auth_tokens.iter().cloned());
            keys.shared_keys.extend(account.shared_keys.clone());
        }
        (!keys.auth_tokens.is_empty() || !keys.shared_keys.is_empty()).then_some(keys)
    }

    pub fn sids(&self) -> impl Iterator<Item = &AccountSid> {
        self.accounts.keys()
    }

    /// The credentials to call Twilio's API with for an account: its API key, or its first auth token where it has no API
    /// key.
    pub fn credentials(&self, account_sid: &AccountSid) -> Option<Credentials> {
        let account = self.accounts.get(account_sid)?;
        match (&account.api_key_sid, &account.api_key_secret, account.auth_tokens.first()) {
            (Some(sid), Some(secret), _) => Some(Credentials { username: sid.to_string(), password: secret.clone() }),
            (_, _, Some(token)) => Some(Credentials { username: account_sid.to_string(), password: token.clone() }),
            _ => None,
        }
    }
}

/// The secret in Secrets Manager, and what was last read of it.
#[derive(Debug)]
pub struct Secrets {
    client: Client,
    secret_id: String,
    cached: Mutex<CachedAccounts>,
}

#[derive(Debug)]
struct CachedAccounts {
    accounts: Arc<Accounts>,
    reread_at: Option<Instant>,
}

/// A secret cannot be used.
#[derive(thiserror::Error)]
pub enum SecretsError {
    /// Secrets Manager did not answer, which passes with time, or refused, which the operator must fix.
    #[error("a secret cannot be read: the function needs secretsmanager:GetSecretValue on it")]
    Unreadable(#[from] Box<SdkError<GetSecretValueError>>),
    /// The secret is not the expected JSON. The operator must fix it. Line and column count from 1; the text itself is left
    /// out.
    #[error("the secret {secret_id} is malformed at line {line}, column {column}: see docs/deploy.md, \"The secret\"")]
    Malformed { secret_id: String, line: usize, column: usize },
}

impl fmt::Debug for SecretsError {
    /// Shows what `Display` shows, because the source holds the answer of Secrets Manager, with the secret in it. Rust
    /// prints the `Debug` of an error that `main` returns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretsError({self})")
    }
}

impl Secrets {
    /// Reads the secret for the first time, at the cold start: the first event then waits for no TLS handshake.
    pub async fn load(client: Client, secret_id: String) -> Result<Self, SecretsError> {
        let accounts = Arc::new(read(&client, &secret_id).await?);
        Ok(Self { client, secret_id, cached: Mutex::new(CachedAccounts { accounts, reread_at: None }) })
    }

    /// The accounts as last read.
    pub fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.cached().accounts)
    }

    /// Reads the secret again, after a key of [`Secrets::accounts`] turned out to be wrong. None where that happened less
    /// than 30 seconds ago: then the accounts hold nothing newer.
    pub async fn reread(&self) -> Result<Option<Arc<Accounts>>, SecretsError> {
        {
            let mut cached = self.cached();
            if cached.reread_at.is_some_and(|at| at.elapsed() < REREAD_AFTER) {
                return Ok(None);
            }
            cached.reread_at = Some(Instant::now());
        }
        let accounts = Arc::new(read(&self.client, &self.secret_id).await?);
        self.cached().accounts = Arc::clone(&accounts);
        Ok(Some(accounts))
    }

    fn cached(&self) -> MutexGuard<'_, CachedAccounts> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a secret that holds JSON.
pub async fn read<T: DeserializeOwned>(client: &Client, secret_id: &str) -> Result<T, SecretsError> {
    let secret = client.get_secret_value().secret_id(secret_id).send().await.map_err(Box::new)?;
    parse(secret_id, secret.secret_string().unwrap_or_default())
}

/// The error says where the text is wrong, and never quotes it.
fn parse<T: DeserializeOwned>(secret_id: &str, text: &str) -> Result<T, SecretsError> {
    serde_json::from_str(text).map_err(|error| SecretsError::Malformed {
        secret_id: secret_id.to_owned(),
        line: error.line(),
        column: error.column(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
    use axum::Router;
    use secrecy::ExposeSecret;
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{report::Chain, start::StartError};

    pub(crate) const ONE: &str = "AC00000000000000000000000000000001";
    pub(crate) const TWO: &str = "AC00000000000000000000000000000002";

    /// A secret whose value changes with each reading; after the last one it cannot be read.
    pub(crate) async fn secrets(values: &[&str]) -> Secrets {
        let answer = |value: &&str| json!({"ARN": "arn", "Name": "twilio", "SecretString": value}).to_string();
        let client = secrets_manager(values.iter().map(answer).collect()).await;
        Secrets::load(client, "twilio".to_owned()).await.unwrap()
    }

    /// A Secrets Manager that gives these answers one after another.
    async fn secrets_manager(answers: Vec<String>) -> Client {
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
        let keys = accounts().signing_keys(Some(&ONE.parse().unwrap())).unwrap();
        assert_eq!(keys.auth_tokens.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(keys.shared_keys.len(), 1);
        assert!(accounts().signing_keys(Some(&"AC00000000000000000000000000000003".parse().unwrap())).is_none());
        assert_eq!(accounts().signing_keys(None).unwrap().auth_tokens.len(), 3);
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
        let error = StartError::from(Secrets::load(client, "twilio".to_owned()).await.unwrap_err());
        let shown = format!("{error:?} {}", Chain(&error));
        assert!(shown.contains("cannot be read") && !shown.contains("hidden-token"), "{shown}");
    }

    #[test]
    fn error_and_debug_do_not_show_the_secret() {
        let error =
            parse::<Accounts>("twilio", r#"{"accounts": {"AC1": {"auth_tokens": "hidden-token"}}}"#).unwrap_err();
        let shown = format!("{error} {error:?} {:?}", accounts());
        assert!(!shown.contains("hidden-token") && !shown.contains("\"a\"") && !shown.contains("\"p\""), "{shown}");
    }
}
