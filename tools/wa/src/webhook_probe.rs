//! A webhook that `wa` posts to the stack itself: are webhooks that a token signed accepted, and unsigned ones refused?
//!
//! It has no effect. The status function verifies the signature first (403 if it is wrong), and then answers 204 to a form with
//! nothing but its account, without reading or writing a table.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    Client,
    header::{CONTENT_TYPE, DATE},
};
use secrecy::SecretString;
use twilio_types::{base_url::BaseUrl, sid::AccountSid};
use twilio_webhook::{form::Form, signature::sign};

use crate::stack::STATUS_PATH;

/// A cold start takes a second; people wait longer than this only if something is wrong.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The stack's answer about a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureCheck {
    Accepted,
    Refused,
    /// This status tells neither.
    Unclear(u16),
}

#[derive(Debug, Clone, Copy)]
pub struct ProbeAnswer {
    pub signature: SignatureCheck,
    /// The clock of the stack's API, to the second.
    pub date: Option<Timestamp>,
}

/// The webhook was not answered.
#[derive(Debug, thiserror::Error)]
#[error("a webhook got no answer")]
pub struct ProbeError(#[from] reqwest::Error);

/// Posts a form with nothing but its account, signed with a token or not at all.
pub async fn probe(
    api_url: &BaseUrl,
    account_sid: &AccountSid,
    token: Option<&SecretString>,
) -> Result<ProbeAnswer, ProbeError> {
    let url = api_url.join(STATUS_PATH);
    let form: Form = [("AccountSid".to_owned(), account_sid.to_string())].into_iter().collect();
    let client = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
    let request = client.post(&url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(format!("AccountSid={account_sid}"));
    let request = match token {
        Some(token) => request.header("X-Twilio-Signature", sign(token, &url, &form)),
        None => request,
    };
    let response = request.send().await?;
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    let signature = match response.status().as_u16() {
        204 => SignatureCheck::Accepted,
        403 => SignatureCheck::Refused,
        other => SignatureCheck::Unclear(other),
    };
    Ok(ProbeAnswer { signature, date })
}
