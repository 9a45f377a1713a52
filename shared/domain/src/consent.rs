//! Consent: what a person agreed to for a category of messages, and the evidence of it.

use std::{fmt, net::IpAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::sid::AccountSid;

use crate::{digest::sha256_hex, notification::Category};

mod parse;

pub use parse::InvalidConsent;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    Given,
    /// The person does not agree now, whether or not they ever did.
    Withdrawn,
}

impl ConsentState {
    /// The word in the Contacts table and in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// The current consent of a contact for a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    pub category: Category,
    pub state: ConsentState,
    /// When the person gave or withdrew it.
    pub at: Timestamp,
    /// The version of the text that the person agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_version: Option<String>,
    /// The facet of the contact that holds the evidence.
    pub evidence: String,
}

/// The evidence that consent was given or withdrawn. It never expires.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentEvidence {
    pub category: Category,
    pub state: ConsentState,
    /// When the person gave or withdrew consent, to the millisecond.
    pub at: Timestamp,
    /// Where the person did so, as in `checkout-form`.
    pub source: String,
    /// The text that the person agreed to, word for word. Present if consent was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// SHA-256 of the text, where the evidence was brought back from the archive of events, which has no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_sha256: Option<String>,
    /// The version of the text, by which its publisher knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_version: Option<String>,
    /// The language of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The person's IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The person's browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// When it was recorded here.
    pub recorded_at: Timestamp,
    /// The ARN of the IAM identity that recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_by: Option<String>,
}

impl ConsentEvidence {
    /// The evidence of a withdrawal without a form, such as a STOP.
    pub fn withdrawal(category: Category, at: Timestamp, source: &str, recorded_at: Timestamp) -> Self {
        Self {
            category,
            state: ConsentState::Withdrawn,
            at,
            source: source.to_owned(),
            text: None,
            text_sha256: None,
            text_version: None,
            locale: None,
            ip: None,
            user_agent: None,
            recorded_at,
            recorded_by: None,
        }
    }

    /// SHA-256 of the text that the person agreed to. Who has the text can prove by it that it was this one.
    pub fn text_digest(&self) -> Option<String> {
        self.text.as_ref().map(|text| sha256_hex(text.as_bytes())).or_else(|| self.text_sha256.clone())
    }
}

impl fmt::Debug for ConsentEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentEvidence")
            .field("category", &self.category)
            .field("state", &self.state)
            .field("at", &self.at)
            .field("recorded_at", &self.recorded_at)
            .finish_non_exhaustive()
    }
}

/// A request to record consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRequest {
    /// None means the configured account.
    pub account_sid: Option<AccountSid>,
    pub evidence: ConsentEvidence,
}

impl ConsentRequest {
    /// Reads the body of a request. `recorded_by` is the ARN of the caller, if it is known.
    pub fn parse(body: &str, now: Timestamp, recorded_by: Option<String>) -> Result<Self, InvalidConsent> {
        parse::request(body, now, recorded_by)
    }
}

#[cfg(test)]
mod tests;
