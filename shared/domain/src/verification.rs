//! One-time passwords by Twilio Verify: the requests, what is stored of a verification, and what a refusal means.
//!
//! Verify makes the code, sends it and checks it. The code that a person enters passes through here once, on its way to Verify:
//! it is in no table, no log, no `Debug` and no error.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use twilio_types::{
    address::E164,
    error_code::ErrorCode,
    sid::{AccountSid, VerificationSid},
    verification::VerificationChannel,
};

use crate::{digest::sha256_hex, limits::MAX_NOTIFICATION_ID_CHARS, verify_settings::VerifySettings};

mod refusal;
mod request;

pub use refusal::VerificationRefusal;
pub use request::InvalidVerificationRequest;

/// How long a verification is stored, and therefore how long its id is recognised: a client has given up long before.
pub const VERIFICATION_RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// The idempotency key of a verification within its account: 1 to 128 characters, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerificationId(String);

/// Not a valid id of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 128 characters, without control characters")]
pub struct InvalidVerificationId;

impl TryFrom<String> for VerificationId {
    type Error = InvalidVerificationId;

    fn try_from(text: String) -> Result<Self, InvalidVerificationId> {
        let length = text.chars().count();
        let well_formed = (1..=MAX_NOTIFICATION_ID_CHARS).contains(&length) && !text.chars().any(char::is_control);
        if well_formed { Ok(Self(text)) } else { Err(InvalidVerificationId) }
    }
}

impl From<VerificationId> for String {
    fn from(id: VerificationId) -> String {
        id.0
    }
}

impl fmt::Display for VerificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request to send a one-time password: `POST /verifications`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerificationRequest {
    pub id: VerificationId,
    pub to: E164,
    /// None means the channels of the account in their order.
    pub channel: Option<VerificationChannel>,
    /// The language of the message, as in `pt-BR`.
    pub locale: Option<String>,
    /// The values of the service's rate limits by their names.
    pub rate_limits: BTreeMap<String, String>,
    /// None means the configured account.
    pub account_sid: Option<AccountSid>,
}

impl fmt::Debug for VerificationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationRequest")
            .field("id", &self.id)
            .field("channel", &self.channel)
            .field("account_sid", &self.account_sid)
            .finish_non_exhaustive()
    }
}

impl VerificationRequest {
    /// Tells this request from another one with the same id. Only the digest is stored, and not the
    /// number.
    pub fn digest(&self) -> String {
        let Self { id, to, channel, locale, rate_limits, account_sid: _ } = self;
        sha256_hex(json!([id, to, channel, locale, rate_limits]).to_string().as_bytes())
    }

    /// The channels to try, in their order.
    pub fn channels<'a>(&'a self, settings: &'a VerifySettings) -> &'a [VerificationChannel] {
        match &self.channel {
            Some(channel) => std::slice::from_ref(channel),
            None => settings.channels.as_slice(),
        }
    }
}

/// A request to check a code: `POST /verifications/check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRequest {
    pub target: CheckTarget,
    pub code: OneTimeCode,
    /// None means the configured account.
    pub account_sid: Option<AccountSid>,
}

/// Which verification a code is for.
#[derive(Clone, PartialEq, Eq)]
pub enum CheckTarget {
    /// By the id of the request that sent the code.
    Id(VerificationId),
    Sid(VerificationSid),
    /// The newest one of a number.
    To(E164),
}

impl fmt::Debug for CheckTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.debug_tuple("Id").field(id).finish(),
            Self::Sid(sid) => f.debug_tuple("Sid").field(sid).finish(),
            Self::To(_) => f.write_str("To(..)"),
        }
    }
}

/// A code as a person entered it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(String);

impl OneTimeCode {
    /// For the request to Verify alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(..)")
    }
}

/// A verification whose code was sent. It is stored, and is the answer to its request and to each repetition of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentVerification {
    pub sid: VerificationSid,
    /// Verify's word when the code was sent: `pending`.
    pub status: String,
    /// The channel of the code.
    pub channel: VerificationChannel,
    /// Each channel that was tried, in order. The last one sent the code.
    pub attempts: Vec<ChannelAttempt>,
    pub sent_at: Timestamp,
    /// Until when the code is valid.
    pub valid_until: Timestamp,
}

/// A channel that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelAttempt {
    pub channel: VerificationChannel,
    pub result: ChannelResult,
    /// Why Twilio refused the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twilio_code: Option<ErrorCode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelResult {
    Sent,
    /// The service, or the number, does not have the channel.
    Unavailable,
}

/// How far the clocks of Twilio and AWS may differ. Twilio shows the time of a code to the second.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// Whether a code that was sent at this time belongs to a request to Verify that began then.
///
/// Two requests for the same number at the same time cannot be told apart, and need not be: Verify sends both of them the same
/// code, of the same verification.
pub fn was_sent_by(began_at: Timestamp, sent_at: Timestamp) -> bool {
    sent_at.saturating_add(CLOCK_TOLERANCE).is_ok_and(|sent_at| sent_at >= began_at)
}

#[cfg(test)]
mod tests;
