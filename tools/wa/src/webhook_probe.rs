//! A webhook of our own to the stack: whether it lets in what is signed with a token, and keeps out what is not.
//!
//! It has no effect. `functions/status` checks the signature first (`shared::webhook::WebhookVerifier`: 403 where it is
//! wrong), and then refuses a form without `MessageSid` with 400, before anything is read from a table or written to one.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    Client,
    header::{CONTENT_TYPE, DATE},
};
use secrecy::SecretString;
use shared::report::Chain;
use twilio_types::{base_url::BaseUrl, sid::AccountSid};
use twilio_webhook::{form::Form, signature::sign};

/// A cold start takes a second, and whoever waits does so in front of a terminal.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The route that takes status callbacks.
pub const STATUS_PATH: &str = "/twilio/status";

/// What the stack made of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    /// The signature counts.
    Accepted,
    /// It does not.
    Refused,
    /// Neither was said: by this status.
    Unclear(u16),
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct ProbeAnswer {
    /// What it says of the signature.
    pub door: SignatureCheck,
    /// The other side's clock, to the second.
    pub date: Option<Timestamp>,
}

/// Posts a form that says nothing, signed with a token or not at all. An error is one line for people.
pub async fn probe(
    api_url: &BaseUrl,
    account_sid: &AccountSid,
    token: Option<&SecretString>,
) -> Result<ProbeAnswer, String> {
    let url = api_url.join(STATUS_PATH);
    let form: Form = [("AccountSid".to_owned(), account_sid.to_string())].into_iter().collect();
    let client = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| Chain(&error).to_string())?;
    let request = client.post(&url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(format!("AccountSid={account_sid}"));
    let request = match token {
        Some(token) => request.header("X-Twilio-Signature", sign(token, &url, &form)),
        None => request,
    };
    let response = request.send().await.map_err(|error| Chain(&error).to_string())?;
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    let door = match response.status().as_u16() {
        400 => SignatureCheck::Accepted,
        403 => SignatureCheck::Refused,
        other => SignatureCheck::Unclear(other),
    };
    Ok(ProbeAnswer { door, date })
}
