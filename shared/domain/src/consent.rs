//! Consent: what a person agreed to for a category of messages, and the proof of it.

use std::{fmt, net::IpAddr};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use twilio_types::sid::AccountSid;

use crate::notification::Category;

mod parse;

pub use parse::InvalidConsent;

/// The two ends of an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// The person agreed.
    Given,
    /// The person agreed once, or never, and does not now.
    Withdrawn,
}

impl ConsentState {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What holds now for a contact and a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The messages it is about.
    pub category: Category,
    /// Given or withdrawn.
    pub state: ConsentState,
    /// Since when.
    pub at: Timestamp,
    /// The proof: the facet of the contact that holds it.
    pub evidence: String,
}

impl Consent {
    /// Whether messages of the category may be sent on it. With an age, only for so long after it was given.
    pub fn is_living(&self, now: Timestamp, max_age: Option<SignedDuration>) -> bool {
        self.state == ConsentState::Given && max_age.is_none_or(|max_age| now.duration_since(self.at) <= max_age)
    }
}

/// The proof that consent was given or withdrawn, kept for good.
///
/// It holds where and from which device a person agreed, so `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentEvidence {
    /// The messages it is about.
    pub category: Category,
    /// Given or withdrawn.
    pub state: ConsentState,
    /// When, to the millisecond.
    pub at: Timestamp,
    /// Where it came from, as in `checkout-form`.
    pub source: String,
    /// What was agreed to, word for word. Always there where consent was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The language of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// With which browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// When we were told.
    pub recorded_at: Timestamp,
    /// Who told us, by the ARN that API Gateway let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_by: Option<String>,
}

impl ConsentEvidence {
    /// The proof of a withdrawal that nobody had to fill in a form for, such as a STOP.
    pub fn withdrawal(category: Category, at: Timestamp, source: &str, recorded_at: Timestamp) -> Self {
        Self {
            category,
            state: ConsentState::Withdrawn,
            at,
            source: source.to_owned(),
            text: None,
            locale: None,
            ip: None,
            user_agent: None,
            recorded_at,
            recorded_by: None,
        }
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

/// What another system asks to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRequest {
    /// The account; else the configured one.
    pub account_sid: Option<AccountSid>,
    /// What happened.
    pub evidence: ConsentEvidence,
}

impl ConsentRequest {
    /// Reads the body of a request of somebody, if it is known who that is.
    pub fn parse(body: &str, now: Timestamp, recorded_by: Option<String>) -> Result<Self, InvalidConsent> {
        parse::request(body, now, recorded_by)
    }
}

#[cfg(test)]
mod tests;
