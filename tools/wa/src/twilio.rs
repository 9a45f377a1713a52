//! Twilio's REST API as an operator needs it: every product, the answer as it is, and what Twilio says when it refuses.
//!
//! `twilio_client` is what the functions call, with what is certain after each error; this is for people who read the
//! answer.

use std::{env, fmt, time::Duration};

use reqwest::{Client, Method, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use shared::{report::Chain, secrets::Accounts};
use twilio_client::Credentials;
use twilio_types::{base_url::BaseUrl, error_code::ErrorCode, sid::AccountSid};

use crate::exit::CommandError;

/// Somebody waits in front of it, over whatever network there is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A page of a thousand messages takes Twilio some seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A part of Twilio, each with a host of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Messages and their media.
    Api,
    /// Messaging Services and senders.
    Messaging,
    /// Templates.
    Content,
    /// Auth tokens.
    Accounts,
}

impl Product {
    const fn host(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Messaging => "messaging",
            Self::Content => "content",
            Self::Accounts => "accounts",
        }
    }

    /// Where the product is, beside Twilio's `api`. A stand-in has one host for all of them.
    fn base_url(self, api: &BaseUrl) -> String {
        match api.as_str().strip_prefix("https://api.") {
            Some(rest) if rest.ends_with("twilio.com") => format!("https://{}.{rest}", self.host()),
            _ => api.to_string(),
        }
    }
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// Nothing.
    None,
    /// A query.
    Query(&'a [(&'a str, String)]),
    /// A form, as most of Twilio takes it.
    Form(&'a [(&'a str, String)]),
    /// JSON.
    Json(&'a Value),
}

/// Twilio, on behalf of one account.
#[derive(Debug, Clone)]
pub struct Twilio {
    http: Client,
    api: BaseUrl,
    /// The account.
    pub account_sid: AccountSid,
    credentials: Credentials,
}

/// Why Twilio did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TwilioFailure {
    /// It answered that it will not.
    #[error("{0}")]
    Refused(Refusal),
    /// It gave no answer, or one that is none of Twilio's.
    #[error("no answer from Twilio: {0}")]
    NoAnswer(String),
}

/// What Twilio said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Twilio's code.
    pub code: Option<ErrorCode>,
    /// Its own words.
    pub message: Option<String>,
    /// `Twilio-Request-Id`, for Twilio's support.
    pub request_id: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Twilio refused it: HTTP {}", self.status)?;
        match self.code.map(|code| (code, code.title())) {
            Some((code, Some(title))) => write!(f, ", code {code} ({title})")?,
            Some((code, None)) => write!(f, ", code {code}")?,
            None => {}
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if let Some(code) = self.code {
            write!(f, " (https://www.twilio.com/docs/api/errors/{code})")?;
        }
        Ok(())
    }
}

impl From<TwilioFailure> for CommandError {
    fn from(failure: TwilioFailure) -> Self {
        let text = failure.to_string();
        match failure {
            TwilioFailure::NoAnswer(_) => Self::NoAnswer(text),
            TwilioFailure::Refused(refusal) => match refusal.status {
                404 => Self::NotFound(text),
                429 | 500..=599 => Self::NoAnswer(text),
                _ => Self::Refused(text),
            },
        }
    }
}

impl Twilio {
    /// An account's API.
    pub fn new(api: BaseUrl, account_sid: AccountSid, credentials: Credentials) -> Result<Self, CommandError> {
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // The credentials go to no other host than the one they are meant for.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("wa/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| CommandError::NoAnswer(format!("the HTTP client cannot be built: {}", Chain(&error))))?;
        Ok(Self { http, api, account_sid, credentials })
    }

    /// The same account with other credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// The path of one of the account's own resources, as in `Messages.json`.
    pub fn of_account(&self, resource: &str) -> String {
        format!("/2010-04-01/Accounts/{}/{resource}", self.account_sid)
    }

    /// Calls a path, perhaps with a query in it, and gives the answer's JSON; null where the answer has no body.
    pub async fn call(
        &self,
        method: Method,
        product: Product,
        path: &str,
        payload: Payload<'_>,
    ) -> Result<Value, TwilioFailure> {
        let url = format!("{}{path}", product.base_url(&self.api));
        let request = self.http.request(method, url);
        let request = match payload {
            Payload::None => request,
            Payload::Query(query) => request.query(query),
            Payload::Form(form) => request.form(form),
            Payload::Json(json) => request.json(json),
        };
        self.answer(request).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Value, TwilioFailure> {
        let no_answer = |error: reqwest::Error| TwilioFailure::NoAnswer(Chain(&error).to_string());
        let Credentials { username, password } = &self.credentials;
        let request = request.basic_auth(username, Some(password.expose_secret()));
        let response = request.send().await.map_err(no_answer)?;
        let status = response.status();
        let request_id = response.headers().get("twilio-request-id").and_then(|id| id.to_str().ok());
        let request_id = request_id.map(str::to_owned);
        let body = response.bytes().await.map_err(no_answer)?;
        if status.is_success() && body.is_empty() {
            return Ok(Value::Null);
        }
        let value = serde_json::from_slice(&body);
        if status.is_success() {
            return value.map_err(|_| TwilioFailure::NoAnswer(format!("HTTP {status}, and a body that is no JSON")));
        }
        let said = value.ok().and_then(|value| Said::deserialize(value).ok()).unwrap_or_default();
        Err(TwilioFailure::Refused(Refusal {
            status: status.as_u16(),
            code: said.code,
            message: said.message,
            request_id,
        }))
    }
}

/// Twilio's error JSON. Source: Twilio, "Twilio's response".
#[derive(Default, Deserialize)]
struct Said {
    code: Option<ErrorCode>,
    message: Option<String>,
}

/// The credentials of this process's environment, by the names that Twilio's own tools read: an API key, or the auth
/// token. They go before the stack's secret, for the account that `TWILIO_ACCOUNT_SID` names.
pub fn credentials_in_environment(account_sid: &AccountSid) -> Option<Credentials> {
    credentials_in(account_sid, |name| env::var(name).ok().filter(|value| !value.is_empty()))
}

fn credentials_in(account_sid: &AccountSid, variable: impl Fn(&str) -> Option<String>) -> Option<Credentials> {
    if variable("TWILIO_ACCOUNT_SID")? != account_sid.as_str() {
        return None;
    }
    let pair = |username, password| Credentials { username, password: SecretString::from(password) };
    let key = variable("TWILIO_API_KEY").zip(variable("TWILIO_API_SECRET"));
    let token = || Some((account_sid.to_string(), variable("TWILIO_AUTH_TOKEN")?));
    key.or_else(token).map(|(username, password)| pair(username, password))
}

/// The account's credentials in the stack's secret.
pub fn credentials_in_secret(accounts: &Accounts, account_sid: &AccountSid) -> Result<Credentials, CommandError> {
    accounts.credentials(account_sid).ok_or_else(|| {
        let remedy =
            "see docs/deploy.md, \"The secret\", or set TWILIO_ACCOUNT_SID, TWILIO_API_KEY and TWILIO_API_SECRET";
        CommandError::Refused(format!("the stack's secret has no credentials for {account_sid}: {remedy}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";

    #[test]
    fn each_product_has_its_host_and_a_stand_in_has_one_for_all() {
        for (api, product, expected) in [
            ("https://api.twilio.com", Product::Messaging, "https://messaging.twilio.com"),
            ("https://api.dublin.ie1.twilio.com", Product::Accounts, "https://accounts.dublin.ie1.twilio.com"),
            ("https://api.twilio.com", Product::Api, "https://api.twilio.com"),
            ("http://127.0.0.1:8090", Product::Content, "http://127.0.0.1:8090"),
            ("https://api.example.com", Product::Content, "https://api.example.com"),
        ] {
            assert_eq!(product.base_url(&api.parse().unwrap()), expected);
        }
    }

    #[test]
    fn the_environment_counts_for_the_account_that_it_names() {
        let read = |variables: &[(&str, &str)]| {
            let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            credentials_in(&ACCOUNT.parse().unwrap(), find).map(|found| found.username)
        };
        let account = ("TWILIO_ACCOUNT_SID", ACCOUNT);
        let key = [("TWILIO_API_KEY", "SK1"), ("TWILIO_API_SECRET", "s")];
        assert_eq!(read(&[account, key[0], key[1], ("TWILIO_AUTH_TOKEN", "t")]).as_deref(), Some("SK1"));
        assert_eq!(read(&[account, key[0], ("TWILIO_AUTH_TOKEN", "t")]).as_deref(), Some(ACCOUNT));
        assert_eq!(read(&[("TWILIO_ACCOUNT_SID", "AC2"), key[0], key[1]]), None);
        assert_eq!(read(&[account]), None);
    }

    #[test]
    fn a_refusal_says_what_to_look_up_and_ends_with_its_code() {
        let refusal = |status, code: &str| Refusal {
            status,
            code: code.parse().ok(),
            message: Some("The requested resource was not found".to_owned()),
            request_id: None,
        };
        let text = refusal(404, "20404").to_string();
        assert!(text.starts_with("Twilio refused it: HTTP 404, code 20404"), "{text}");
        assert!(text.ends_with("(https://www.twilio.com/docs/api/errors/20404)"), "{text}");
        for (status, code) in [(404, 3), (401, 4), (400, 4), (429, 5), (503, 5)] {
            assert_eq!(CommandError::from(TwilioFailure::Refused(refusal(status, ""))).code(), code);
        }
    }

    #[test]
    fn the_secret_half_of_credentials_is_never_shown() {
        let credentials = Credentials { username: ACCOUNT.to_owned(), password: "hidden-half".to_owned().into() };
        let twilio = Twilio::new("http://127.0.0.1:1".parse().unwrap(), ACCOUNT.parse().unwrap(), credentials).unwrap();
        assert!(!format!("{twilio:?}").contains("hidden-half"));
    }
}
