//! One-time passwords by Verify.
//!
//! Source: Twilio, "Verifications resource" and "Verification Check resource".

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use twilio_types::{
    address::E164,
    sid::{VerificationSid, VerifyServiceSid},
    verification::VerificationChannel,
};

use crate::{AccountClient, ApiRequest, Product, TwilioError};

/// A verification to start. `Debug` shows neither the number nor the rate limits, which may hold an address.
#[derive(Clone)]
pub struct NewVerification {
    /// The phone number. A channel is no part of it.
    pub to: E164,
    /// The channel of the code.
    pub channel: VerificationChannel,
    /// The language of the message, as in `pt-BR`. None means that Verify chooses it by the number's country.
    pub locale: Option<String>,
    /// The values of the service's rate limits by their unique names, as in `end_user_ip_address`.
    pub rate_limits: BTreeMap<String, String>,
}

/// Which verification is meant. `Debug` does not show a number.
#[derive(Clone, PartialEq, Eq)]
pub enum VerificationTarget {
    /// By its SID.
    Sid(VerificationSid),
    /// The newest one of a phone number.
    To(E164),
}

/// A verification as Twilio shows it.
///
/// Its SID alone says that it exists. The rest is read as far as it can be, because an answer that this version does not
/// understand completely is still the answer to a request that succeeded. `Debug` does not show the number, which is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerificationResource {
    /// Its SID.
    pub sid: VerificationSid,
    /// `pending`, `approved`, `canceled`, `max_attempts_reached`, `deleted`, `failed`, `expired`, or a newer word.
    pub status: String,
    /// The channel of the last code.
    pub channel: Option<VerificationChannel>,
    /// When it was started.
    pub created_at: Option<Timestamp>,
    /// Each time that its code was sent. The answer to a check does not have them.
    pub sent_codes: Vec<SentCode>,
}

/// One time that the code of a verification was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentCode {
    /// To the second.
    pub at: Timestamp,
    /// None for a channel that this version does not know.
    pub channel: Option<VerificationChannel>,
}

impl fmt::Debug for NewVerification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewVerification").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl fmt::Debug for VerificationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sid(sid) => f.debug_tuple("Sid").field(sid).finish(),
            Self::To(_) => f.write_str("To(..)"),
        }
    }
}

impl VerificationResource {
    /// A verification, for tests of what is made of it.
    pub fn new(sid: VerificationSid, status: impl Into<String>) -> Self {
        Self { sid, status: status.into(), channel: None, created_at: None, sent_codes: Vec::new() }
    }
}

impl<'de> Deserialize<'de> for VerificationResource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let answer = Value::deserialize(deserializer)?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let sid = text(&answer, "sid").and_then(|sid| sid.parse().ok());
        let sent_code = |attempt: &Value| {
            let at = text(attempt, "time")?.parse().ok()?;
            Some(SentCode { at, channel: text(attempt, "channel").and_then(|channel| channel.parse().ok()) })
        };
        let attempts = answer.get("send_code_attempts").and_then(Value::as_array);
        Ok(Self {
            sid: sid.ok_or_else(|| D::Error::custom("sid: expected a verification's SID"))?,
            status: text(&answer, "status").unwrap_or_default(),
            channel: text(&answer, "channel").and_then(|channel| channel.parse().ok()),
            created_at: text(&answer, "date_created").and_then(|time| time.parse().ok()),
            sent_codes: attempts.into_iter().flatten().filter_map(sent_code).collect(),
        })
    }
}

impl NewVerification {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![("To", self.to.to_string()), ("Channel", self.channel.to_string())];
        parameters.extend(self.locale.clone().map(|locale| ("Locale", locale)));
        if !self.rate_limits.is_empty() {
            let limits = self.rate_limits.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            parameters.push(("RateLimits", Value::Object(limits.collect()).to_string()));
        }
        parameters
    }
}

const NOT_FOUND: u16 = 404;

impl AccountClient {
    /// Sends a code: a new one, or again the code of the number's pending verification, which keeps its SID. After
    /// [`TwilioError::Unknown`] the code may have been sent; [`VerificationResource::sent_codes`] says so.
    pub async fn start_verification(
        &self,
        service: &VerifyServiceSid,
        verification: &NewVerification,
    ) -> Result<VerificationResource, TwilioError> {
        let path = format!("/v2/Services/{service}/Verifications");
        self.call(ApiRequest::post(Product::Verify, path).form(verification.parameters())).await
    }

    /// Fetches a verification; none if there is none, or none any more. Twilio deletes one that is approved, that has expired,
    /// or whose code was checked too often.
    pub async fn fetch_verification(
        &self,
        service: &VerifyServiceSid,
        target: &VerificationTarget,
    ) -> Result<Option<VerificationResource>, TwilioError> {
        let which = match target {
            VerificationTarget::Sid(sid) => sid.to_string(),
            VerificationTarget::To(to) => to.to_string().replace('+', "%2B"),
        };
        let path = format!("/v2/Services/{service}/Verifications/{which}");
        match self.call(ApiRequest::get(Product::Verify, path)).await {
            Err(TwilioError::Rejected(response)) if response.status == NOT_FOUND => Ok(None),
            found => found.map(Some),
        }
    }

    /// Checks the code that a person entered. A wrong code is no error: the verification stays `pending`. One that does not
    /// exist any more is [`TwilioError::Rejected`] with the status 404.
    pub async fn check_verification(
        &self,
        service: &VerifyServiceSid,
        target: &VerificationTarget,
        code: &SecretString,
    ) -> Result<VerificationResource, TwilioError> {
        let target = match target {
            VerificationTarget::Sid(sid) => ("VerificationSid", sid.to_string()),
            VerificationTarget::To(to) => ("To", to.to_string()),
        };
        let form = [target, ("Code", code.expose_secret().to_owned())];
        let path = format!("/v2/Services/{service}/VerificationCheck");
        self.call(ApiRequest::post(Product::Verify, path).form(form)).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SID: &str = "VE00000000000000000000000000000001";

    #[test]
    fn a_verification_is_read_with_the_times_of_its_codes() {
        let read: VerificationResource = serde_json::from_value(json!({
            "sid": SID, "to": "+14155550123", "status": "pending", "channel": "sms", "valid": false,
            "date_created": "2026-11-20T09:00:00Z",
            "send_code_attempts": [
                {"time": "2026-11-20T09:00:00Z", "channel": "WHATSAPP", "attempt_sid": "VL1"},
                {"time": "2026-11-20T09:00:30Z", "channel": "carrier-pigeon", "attempt_sid": "VL2"},
            ],
        }))
        .unwrap();
        assert_eq!(read.channel, Some(VerificationChannel::Sms));
        assert_eq!(read.created_at, "2026-11-20T09:00:00Z".parse().ok());
        let channels = read.sent_codes.iter().map(|sent| sent.channel).collect::<Vec<_>>();
        assert_eq!(channels, [Some(VerificationChannel::WhatsApp), None]);
        assert!(!format!("{read:?}").contains("4155550123"));
    }

    #[test]
    fn an_answer_that_names_a_verification_is_never_an_error() {
        let odd = json!({"sid": SID, "status": 7, "date_created": "yesterday", "send_code_attempts": "none"});
        assert_eq!(serde_json::from_value::<VerificationResource>(odd).unwrap().sid.as_str(), SID);
        assert!(serde_json::from_value::<VerificationResource>(json!({"status": "pending"})).is_err());
    }

    #[test]
    fn the_parameters_are_those_of_twilio_and_debug_hides_them() {
        let new = NewVerification {
            to: "+14155550123".parse().unwrap(),
            channel: VerificationChannel::WhatsApp,
            locale: Some("pt-BR".to_owned()),
            rate_limits: [("end_user_ip_address".to_owned(), "192.0.2.1".to_owned())].into(),
        };
        let expected = [
            ("To", "+14155550123"),
            ("Channel", "whatsapp"),
            ("Locale", "pt-BR"),
            ("RateLimits", r#"{"end_user_ip_address":"192.0.2.1"}"#),
        ];
        assert_eq!(new.parameters(), expected.map(|(name, value)| (name, value.to_owned())));
        let shown = format!("{new:?} {:?}", VerificationTarget::To(new.to.clone()));
        assert!(!shown.contains("4155550123") && !shown.contains("192.0.2.1"), "{shown}");
    }
}
