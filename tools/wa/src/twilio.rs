//! What an operator's calls to Twilio need beyond the client: where the credentials come from, how long a person waits, and
//! what a refusal says.

use std::{env, fmt::Write as _, time::Duration};

use secrecy::SecretString;
use shared::secrets::Accounts;
use twilio_client::{Credentials, ErrorResponse, HttpClientError, TwilioClient, TwilioError};
use twilio_types::{base_url::BaseUrl, sid::AccountSid};

use crate::{call_log::print_twilio_call, error::CommandError};

/// A person waits for the connection, over any kind of network.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A page of a thousand messages takes Twilio some seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A client for Twilio at this base URL. With `debug` each call is printed.
pub fn client(base_url: BaseUrl, debug: bool) -> Result<TwilioClient, HttpClientError> {
    let builder = TwilioClient::builder(base_url)
        .connect_timeout(CONNECT_TIMEOUT)
        .request_timeout(REQUEST_TIMEOUT)
        .user_agent(concat!("wa/", env!("CARGO_PKG_VERSION")));
    if debug { builder.observer(print_twilio_call).build() } else { builder.build() }
}

/// What Twilio answered, for people: with its own words, which the client itself never shows, and where its code is
/// explained.
pub fn refusal(response: &ErrorResponse) -> String {
    let mut text = format!("Twilio refused it: HTTP {}", response.status);
    // Writing to a String cannot fail.
    let _ = match response.code.map(|code| (code, code.title())) {
        Some((code, Some(title))) => write!(text, ", code {code} ({title})"),
        Some((code, None)) => write!(text, ", code {code}"),
        None => Ok(()),
    };
    if let Some(message) = &response.message {
        let _ = write!(text, ": {message}");
    }
    if let Some(code) = response.code {
        let _ = write!(text, " (https://www.twilio.com/docs/api/errors/{code})");
    }
    text
}

impl From<TwilioError> for CommandError {
    fn from(error: TwilioError) -> Self {
        if let Some(response) = error.response() {
            return match response.status {
                404 => Self::not_found(refusal(response)),
                429 | 500..=599 => Self::no_answer(refusal(response)),
                _ => Self::refused(refusal(response)),
            };
        }
        let none = Self::no_answer("no usable answer from Twilio");
        match error {
            TwilioError::NotDone { source: Some(cause), .. } | TwilioError::Unknown { source: Some(cause), .. } => {
                none.because(cause)
            }
            _ => none,
        }
    }
}

impl From<HttpClientError> for CommandError {
    fn from(error: HttpClientError) -> Self {
        Self::no_answer("Twilio cannot be called").because(error)
    }
}

/// The credentials of this process's environment, under the names that Twilio's own tools read: an API key, or else the auth
/// token. They take precedence over the stack's secret, for the account that `TWILIO_ACCOUNT_SID` names.
pub fn credentials_in_environment(account_sid: &AccountSid) -> Option<Credentials> {
    credentials_in(account_sid, |name| env::var(name).ok().filter(|value| !value.is_empty()))
}

fn credentials_in(account_sid: &AccountSid, variable: impl Fn(&str) -> Option<String>) -> Option<Credentials> {
    if variable("TWILIO_ACCOUNT_SID")? != account_sid.as_str() {
        return None;
    }
    match variable("TWILIO_API_KEY").zip(variable("TWILIO_API_SECRET")) {
        Some((username, secret)) => Some(Credentials { username, password: SecretString::from(secret) }),
        None => Some(Credentials::auth_token(account_sid, SecretString::from(variable("TWILIO_AUTH_TOKEN")?))),
    }
}

/// The account's credentials in the stack's secret.
pub fn credentials_in_secret(accounts: &Accounts, account_sid: &AccountSid) -> Result<Credentials, CommandError> {
    accounts.credentials(account_sid).ok_or_else(|| {
        let remedy =
            "see docs/deploy.md, \"The secret\", or set TWILIO_ACCOUNT_SID, TWILIO_API_KEY and TWILIO_API_SECRET";
        CommandError::refused(format!("the stack's secret has no credentials for {account_sid}: {remedy}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";

    #[test]
    fn environment_credentials_are_for_the_named_account() {
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
    fn an_answer_of_twilio_ends_with_its_code() {
        for (status, code) in [(404, 3), (401, 4), (400, 4), (302, 4), (429, 5), (503, 5)] {
            let response = ErrorResponse::new(status, None);
            assert_eq!(CommandError::from(TwilioError::Rejected(response)).code(), code, "{status}");
        }
        let lost = TwilioError::Unknown { response: None, source: None };
        assert_eq!(CommandError::from(lost).code(), 5);
    }

    #[test]
    fn a_refusal_has_twilios_words_and_leads_to_their_explanation() {
        let mut response = ErrorResponse::new(404, "20404".parse().ok());
        response.message = Some("The requested resource was not found".to_owned());
        let text = refusal(&response);
        assert!(text.starts_with("Twilio refused it: HTTP 404, code 20404"), "{text}");
        assert!(text.contains(": The requested resource was not found ("), "{text}");
        assert!(text.ends_with("(https://www.twilio.com/docs/api/errors/20404)"), "{text}");
        assert_eq!(refusal(&ErrorResponse::new(502, None)), "Twilio refused it: HTTP 502");
    }
}
