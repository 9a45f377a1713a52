//! The account's API keys at Twilio. Source: Twilio, "REST API: Key Resource v1".

use jiff::{Timestamp, fmt::rfc2822};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use twilio_client::{AccountClient, ApiRequest, Credentials, Product, TwilioError};

use super::plan::ListedKey;
use crate::{error::CommandError, twilio::refusal};

const KEYS: &str = "/v1/Keys";
/// More keys than an account has.
const MAX_PAGES: usize = 20;

/// Twilio's API with credentials that may change API keys: the auth token, or a main key.
pub(super) struct KeysAtTwilio {
    account: AccountClient,
}

/// A key whose secret Twilio shows this once.
#[derive(Deserialize)]
pub(super) struct CreatedKey {
    pub(super) sid: String,
    pub(super) secret: SecretString,
}

#[derive(Deserialize)]
struct KeyPage {
    keys: Vec<KeySummary>,
    meta: KeyPageMeta,
}

#[derive(Deserialize)]
struct KeyPageMeta {
    next_page_url: Option<String>,
}

#[derive(Deserialize)]
struct KeySummary {
    sid: String,
    friendly_name: Option<String>,
    date_created: Option<String>,
}

#[derive(Deserialize)]
struct KeyDetails {
    policy: Option<Value>,
}

impl KeysAtTwilio {
    pub(super) fn new(account: AccountClient) -> Self {
        Self { account }
    }

    /// All keys of the account.
    pub(super) async fn list(&self) -> Result<Vec<ListedKey>, CommandError> {
        let account_sid = self.account.account_sid().to_string();
        let first =
            ApiRequest::get(Product::Iam, KEYS).query([("AccountSid", account_sid.as_str()), ("PageSize", "1000")]);
        let (mut request, mut keys) = (first, Vec::new());
        for _ in 0..MAX_PAGES {
            let page: KeyPage = self.account.call(request).await.map_err(explained)?;
            keys.extend(page.keys.into_iter().map(listed));
            let next = page.meta.next_page_url;
            let next = next.as_deref().and_then(|url| url.split_once("://")).and_then(|(_, rest)| rest.split_once('/'));
            let Some((_, path)) = next else { break };
            request = ApiRequest::get(Product::Iam, format!("/{path}"));
        }
        Ok(keys)
    }

    /// The permissions of a restricted key; none for another.
    pub(super) async fn policy(&self, sid: &str) -> Result<Option<Value>, CommandError> {
        let key: KeyDetails =
            self.account.call(ApiRequest::get(Product::Iam, format!("{KEYS}/{sid}"))).await.map_err(explained)?;
        Ok(key.policy.filter(|policy| !policy.is_null()))
    }

    /// Creates a standard key, or a restricted one with these permissions.
    pub(super) async fn create(&self, name: &str, policy: Option<Value>) -> Result<CreatedKey, CommandError> {
        let account_sid = self.account.account_sid().to_string();
        let mut form = vec![("AccountSid", account_sid), ("FriendlyName", name.to_owned())];
        if let Some(policy) = policy {
            form.extend([("KeyType", "restricted".to_owned()), ("Policy", policy.to_string())]);
        }
        self.account.call(ApiRequest::post(Product::Iam, KEYS).form(form)).await.map_err(explained)
    }

    pub(super) async fn delete(&self, sid: &str) -> Result<(), CommandError> {
        match self.account.call::<Value>(ApiRequest::delete(Product::Iam, format!("{KEYS}/{sid}"))).await {
            Ok(_) => Ok(()),
            // It was deleted meanwhile.
            Err(TwilioError::Rejected(response)) if response.status == 404 => Ok(()),
            Err(error) => Err(explained(error)),
        }
    }

    /// Whether Twilio accepts a key for what the functions do.
    pub(super) async fn accepts(&self, sid: &str, secret: &SecretString) -> Result<bool, CommandError> {
        let credentials = Credentials { username: sid.to_owned(), password: secret.clone() };
        let account = self.account.clone().with_credentials(credentials);
        let request = ApiRequest::get(Product::Api, account.resource_path("Messages.json")).query([("PageSize", "1")]);
        match account.call::<Value>(request).await {
            Ok(_) => Ok(true),
            Err(TwilioError::Unauthorized(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn listed(KeySummary { sid, friendly_name, date_created }: KeySummary) -> ListedKey {
    let created_at = date_created.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(&date).ok());
    // A key without a date may have been created just now.
    ListedKey { sid, name: friendly_name.unwrap_or_default(), created_at: created_at.unwrap_or(Timestamp::MAX) }
}

fn explained(error: TwilioError) -> CommandError {
    match &error {
        TwilioError::Unauthorized(response) => CommandError::refused(format!(
            "{}: API keys are read and changed with the account's auth token, or with a main key",
            refusal(response)
        )),
        _ => error.into(),
    }
}
