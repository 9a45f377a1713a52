//! The auth tokens of one account in the stack's secret. Nothing else in the secret is changed.

use std::collections::HashSet;

use aws_sdk_secretsmanager::Client;
use domain::{digest::sha256_hex, json};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use twilio_types::sid::AccountSid;

use crate::error::CommandError;

pub(super) struct TokenStore {
    client: Client,
    arn: String,
    account_sid: AccountSid,
}

/// The secret as it was read.
pub(super) struct AccountTokens {
    /// The account's auth tokens, in their order.
    pub(super) tokens: Vec<SecretString>,
    /// The account's API key: its SID and its secret.
    pub(super) api_key: Option<(String, SecretString)>,
    /// When this version of the secret was stored.
    pub(super) stored_at: Timestamp,
    version: Option<String>,
    text: SecretString,
}

impl TokenStore {
    pub(super) fn new(client: Client, arn: String, account_sid: AccountSid) -> Self {
        Self { client, arn, account_sid }
    }

    pub(super) async fn read(&self) -> Result<AccountTokens, CommandError> {
        let answer = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let answer = answer.map_err(|error| CommandError::of_sdk("reading the stack's Twilio secret", error))?;
        let text = answer.secret_string.unwrap_or_default();
        let tokens = tokens(&text, &self.account_sid)?;
        let api_key = api_key(&text, &self.account_sid)?;
        // Without a date, the secret may have been stored just now.
        let stored_at = answer.created_date.and_then(|at| Timestamp::from_second(at.secs()).ok());
        let stored_at = stored_at.unwrap_or_else(Timestamp::now);
        Ok(AccountTokens { tokens, api_key, stored_at, version: answer.version_id, text: SecretString::from(text) })
    }

    /// Stores a token before those that the secret holds now, unless it is among them.
    pub(super) async fn ensure(&self, token: &SecretString) -> Result<(), CommandError> {
        let secret = self.read().await?;
        if secret.contains(token) {
            return Ok(());
        }
        let tokens: Vec<_> = [token].into_iter().chain(&secret.tokens).cloned().collect();
        self.write(&secret, &tokens).await
    }

    /// Replaces the tokens that were read by these, unless the secret has changed since.
    pub(super) async fn write(&self, before: &AccountTokens, tokens: &[SecretString]) -> Result<(), CommandError> {
        let tokens = tokens.iter().map(|token| Value::from(token.expose_secret())).collect();
        self.replace(before, vec![("auth_tokens", tokens)]).await
    }

    /// Replaces the API key that was read by this one, unless the secret has changed since.
    pub(super) async fn write_api_key(
        &self,
        before: &AccountTokens,
        sid: &str,
        secret: &SecretString,
    ) -> Result<(), CommandError> {
        let fields = vec![("api_key_sid", sid.into()), ("api_key_secret", secret.expose_secret().into())];
        self.replace(before, fields).await
    }

    async fn replace(&self, before: &AccountTokens, fields: Vec<(&str, Value)>) -> Result<(), CommandError> {
        if self.read().await?.version != before.version {
            let remedy = "find out by whom, then run this again: it continues from what it finds";
            return Err(CommandError::refused(format!("the secret was changed meanwhile: {remedy}")));
        }
        let text = with_fields(before.text.expose_secret(), &self.account_sid, fields)?;
        let put = self.client.put_secret_value().secret_id(&self.arn).secret_string(text).send().await;
        put.map(drop).map_err(|error| CommandError::of_sdk("storing the stack's Twilio secret", error))
    }
}

impl AccountTokens {
    /// Whether the secret has not changed between the two reads.
    pub(super) fn is_same_version(&self, later: &Self) -> bool {
        self.version == later.version && self.text.expose_secret() == later.text.expose_secret()
    }

    pub(super) fn contains(&self, token: &SecretString) -> bool {
        self.tokens.iter().any(|own| own.expose_secret() == token.expose_secret())
    }
}

/// Identifies a token without showing it: the first characters of its SHA-256.
pub(super) fn fingerprint(token: &SecretString) -> String {
    let digest = sha256_hex(token.expose_secret().as_bytes());
    format!("#{}", digest.get(..4).unwrap_or_default())
}

/// The error never repeats a part of the secret.
fn malformed(what: &str) -> CommandError {
    CommandError::refused(format!("the secret: {what}: see docs/deploy.md, \"The secret\""))
}

fn parse(text: &str) -> Result<Value, CommandError> {
    json::value(text).map_err(|problem| malformed(&problem.to_string()))
}

/// Each token once: one that is listed twice is not a primary and a secondary token.
fn tokens(text: &str, account_sid: &AccountSid) -> Result<Vec<SecretString>, CommandError> {
    let secret = parse(text)?;
    let account = secret.pointer(&format!("/accounts/{account_sid}"));
    let Some(tokens) = account.and_then(|account| account.get("auth_tokens")) else { return Ok(Vec::new()) };
    let tokens = tokens.as_array().ok_or_else(|| malformed("auth_tokens: expected a list of texts"))?;
    let texts: Option<Vec<_>> = tokens.iter().map(Value::as_str).collect();
    let texts = texts.ok_or_else(|| malformed("auth_tokens: expected a list of texts"))?;
    let mut seen = HashSet::new();
    Ok(texts.into_iter().filter(|text| seen.insert(*text)).map(SecretString::from).collect())
}

/// The API key, if the secret has both its SID and its secret.
fn api_key(text: &str, account_sid: &AccountSid) -> Result<Option<(String, SecretString)>, CommandError> {
    let secret = parse(text)?;
    let account = secret.pointer(&format!("/accounts/{account_sid}"));
    let field = |name: &str| account?.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(field("api_key_sid").zip(field("api_key_secret").map(SecretString::from)))
}

/// The secret with other values of these fields of the account. Everything else in it is kept.
fn with_fields(text: &str, account_sid: &AccountSid, fields: Vec<(&str, Value)>) -> Result<String, CommandError> {
    let mut secret = parse(text)?;
    let account = secret.pointer_mut(&format!("/accounts/{account_sid}")).and_then(Value::as_object_mut);
    let account = account.ok_or_else(|| malformed(&format!("it has no {account_sid}")))?;
    account.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Ok(secret.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";

    #[test]
    fn a_write_changes_the_accounts_tokens_alone() {
        let account: AccountSid = ACCOUNT.parse().unwrap();
        let secret = |tokens: Value| {
            json!({"accounts": {
                ACCOUNT: {"auth_tokens": tokens, "shared_keys": {"k": "s"}, "api_key_sid": "SK1"},
                "AC00000000000000000000000000000002": {"auth_tokens": ["c"]}}})
        };
        let before = secret(json!(["a"])).to_string();
        let after = with_fields(&before, &account, vec![("auth_tokens", json!(["b", "a"]))]).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), secret(json!(["b", "a"])));
        let read = tokens(&after, &account).unwrap();
        assert_eq!(read.iter().map(secrecy::ExposeSecret::expose_secret).collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn an_api_key_is_replaced_and_nothing_else() {
        let account: AccountSid = ACCOUNT.parse().unwrap();
        let before =
            json!({"accounts": {ACCOUNT: {"auth_tokens": ["a"], "api_key_sid": "SK1", "api_key_secret": "s"}}});
        let fields = vec![("api_key_sid", json!("SK2")), ("api_key_secret", json!("t"))];
        let after = with_fields(&before.to_string(), &account, fields).unwrap();
        let (sid, secret) = api_key(&after, &account).unwrap().unwrap();
        assert_eq!((sid.as_str(), secret.expose_secret()), ("SK2", "t"));
        assert_eq!(tokens(&after, &account).unwrap().len(), 1);
        let without = json!({"accounts": {ACCOUNT: {"auth_tokens": ["a"], "api_key_sid": "SK1"}}}).to_string();
        assert!(api_key(&without, &account).unwrap().is_none(), "a SID alone is no key");
    }

    #[test]
    fn a_token_that_is_listed_twice_counts_once() {
        let secret = json!({"accounts": {ACCOUNT: {"auth_tokens": ["b", "a", "b", "a"]}}}).to_string();
        let read = tokens(&secret, &ACCOUNT.parse().unwrap()).unwrap();
        assert_eq!(read.iter().map(secrecy::ExposeSecret::expose_secret).collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn an_error_does_not_repeat_the_secret() {
        let account = ACCOUNT.parse().unwrap();
        for text in [
            "hidden",
            r#"{"accounts": {"hidden": 1}, "accounts": {}}"#,
            r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": "hidden"}}}"#,
        ] {
            let error = tokens(text, &account).unwrap_err().to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
        assert!(tokens(r#"{"accounts": {}}"#, &account).unwrap().is_empty());
    }
}
