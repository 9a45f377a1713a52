//! What a refusal by Verify means, and what is done about it.

use twilio_types::error_code::{Class, ErrorCode};

/// Why Verify did not do what it was asked. Nothing was sent, and no code was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationRefusal {
    /// The service or the number does not have the channel: the next channel is tried.
    ChannelUnavailable,
    /// The code was sent as often as Verify allows: 5 times in the life of a verification (error 60203).
    TooManySends,
    /// The code was checked as often as Verify allows: 5 times (error 60202).
    TooManyChecks,
    /// Other limits: the service's own (60207), several requests for a number at once (60212), the account's (20429).
    TooManyRequests,
    /// Fraud Guard has blocked the number's prefix for 12 hours (60410).
    FraudGuard,
    /// The number's country is not allowed in the Geo-Permissions of Verify (60605).
    GeoPermissions,
    /// Another protection of Verify.
    Blocked,
    /// The person has opted out at Twilio (21610).
    OptedOut,
    /// The number cannot receive a code.
    InvalidRecipient,
    /// Another value of the request is none that Verify accepts (60200), such as a rate limit that the service does not have.
    InvalidParameter,
    /// There is no such verification, or no such service.
    NotFound,
    /// The operator must act: the service, the account or the template is not set up.
    Misconfigured,
}

/// Twilio, error 60200: "Invalid parameter".
const INVALID_PARAMETER: u32 = 60_200;

/// Twilio, error 60229: "Template translation was not found".
const NO_TRANSLATION: u32 = 60_229;

/// The parameter that the message of the error 60200 names, as in "Invalid parameter: To" or "Invalid parameter `To`: ...".
fn parameter(message: &str) -> Option<&str> {
    let is_letter = |char: char| char.is_ascii_alphabetic();
    let named = message.strip_prefix("Invalid parameter")?.trim_start_matches(|char| !is_letter(char));
    named.split(|char| !is_letter(char)).next()
}

impl VerificationRefusal {
    /// From Twilio's HTTP status and error code, and for the code 60200 from the message, which names the parameter.
    pub fn of(status: u16, code: Option<ErrorCode>, message: Option<&str>) -> Self {
        let number = code.map_or(0, ErrorCode::get);
        match (number, status) {
            (INVALID_PARAMETER, _) => match message.and_then(parameter) {
                Some("To") => Self::InvalidRecipient,
                // The account may not have access to it.
                Some("Channel") => Self::ChannelUnavailable,
                _ => Self::InvalidParameter,
            },
            (60203, _) => Self::TooManySends,
            (60202, _) => Self::TooManyChecks,
            // WhatsApp reports the channel's own errors by 63xxx (Twilio, "Error and Warning Dictionary").
            (60204 | 60223 | 60228 | 60229 | 60242 | 63_000..=63_999, _) => Self::ChannelUnavailable,
            (60410, _) => Self::FraudGuard,
            (60605, _) => Self::GeoPermissions,
            (60205 | 60436 | 21_211 | 21_614, _) => Self::InvalidRecipient,
            (_, 429) => Self::TooManyRequests,
            (_, 404) => Self::NotFound,
            _ => match code.map(ErrorCode::class) {
                Some(Class::SlowDown) => Self::TooManyRequests,
                Some(Class::Blocked) => Self::Blocked,
                Some(Class::OptedOut) => Self::OptedOut,
                Some(Class::FixRecipient) => Self::InvalidRecipient,
                _ => Self::Misconfigured,
            },
        }
    }

    /// Whether the same request without a locale may succeed. Verify answers 404 for a language that it does not have, and then the
    /// request should be repeated without one (Twilio, "Verify supported languages").
    pub fn may_be_about_locale(self, code: Option<ErrorCode>) -> bool {
        let has_no_translation = code.is_some_and(|code| code.get() == NO_TRANSLATION);
        has_no_translation || matches!(self, Self::NotFound | Self::InvalidParameter)
    }

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChannelUnavailable => "channel_unavailable",
            Self::TooManySends => "max_sends",
            Self::TooManyChecks => "max_checks",
            Self::TooManyRequests => "rate_limited",
            Self::FraudGuard => "fraud_guard",
            Self::GeoPermissions => "geo_permissions",
            Self::Blocked => "blocked",
            Self::OptedOut => "opted_out",
            Self::InvalidRecipient => "invalid_recipient",
            Self::InvalidParameter => "invalid_parameter",
            Self::NotFound => "not_found",
            Self::Misconfigured => "refused_by_twilio",
        }
    }

    /// What it means, for the person who calls the API.
    pub const fn message(self) -> &'static str {
        match self {
            Self::ChannelUnavailable => "no channel of the request is available for this number",
            Self::TooManySends => {
                "the code was sent 5 times, as often as Verify allows until the code is checked or expires"
            }
            Self::TooManyChecks => {
                "the code was checked 5 times, as often as Verify allows: send a new one after retry_at"
            }
            Self::TooManyRequests => "too many requests for Verify, for this number or by a rate limit of the service",
            Self::FraudGuard => "Verify's Fraud Guard has blocked the prefix of this number for 12 hours",
            Self::GeoPermissions => "the Geo-Permissions of Verify do not allow the country of this number",
            Self::Blocked => "Verify has blocked this request",
            Self::OptedOut => "the person has opted out, and receives no messages until they write START",
            Self::InvalidRecipient => "this number cannot receive a code on this channel",
            Self::InvalidParameter => "Verify does not accept a value of the request",
            Self::NotFound => {
                "there is no such verification any more: it was approved, expired, or was checked too often"
            }
            Self::Misconfigured => "Twilio refused the request, and the operator of this system must act: see the log",
        }
    }
}
