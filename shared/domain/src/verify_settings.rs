//! What an account sets for one-time passwords by Twilio Verify.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use twilio_types::{sid::VerifyServiceSid, verification::VerificationChannel};

/// The settings of an account for one-time passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VerifySettings {
    /// The Verify service of the account. None means that the account sends no one-time passwords by Verify.
    pub service_sid: Option<VerifyServiceSid>,
    /// The channels in the order in which they are tried.
    pub channels: VerifyChannels,
    /// For how long a code is valid.
    pub code_minutes: CodeMinutes,
}

/// The channels of an account: at least one, and none twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<VerificationChannel>", into = "Vec<VerificationChannel>")]
pub struct VerifyChannels(Vec<VerificationChannel>);

/// Not a list of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected whatsapp, sms, or both, in the order in which they are tried")]
pub struct InvalidChannels;

impl VerifyChannels {
    pub fn as_slice(&self) -> &[VerificationChannel] {
        &self.0
    }
}

impl Default for VerifyChannels {
    fn default() -> Self {
        Self(vec![VerificationChannel::WhatsApp, VerificationChannel::Sms])
    }
}

impl TryFrom<Vec<VerificationChannel>> for VerifyChannels {
    type Error = InvalidChannels;

    fn try_from(channels: Vec<VerificationChannel>) -> Result<Self, InvalidChannels> {
        let mut distinct = channels.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if channels.is_empty() || distinct.len() != channels.len() { Err(InvalidChannels) } else { Ok(Self(channels)) }
    }
}

impl From<VerifyChannels> for Vec<VerificationChannel> {
    fn from(channels: VerifyChannels) -> Self {
        channels.0
    }
}

impl std::str::FromStr for VerifyChannels {
    type Err = InvalidChannels;

    /// As the template's parameter has them: `whatsapp,sms`.
    fn from_str(text: &str) -> Result<Self, InvalidChannels> {
        let channels = text.split(',').map(|name| name.trim().parse().map_err(|_| InvalidChannels));
        channels.collect::<Result<Vec<_>, _>>()?.try_into()
    }
}

/// For how long the codes of a Verify service are valid: 10 minutes, unless Twilio has changed it on request to between 2
/// minutes and 24 hours. Source: Twilio, "Rate Limits and Timeouts" of Verify. Verify's API does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct CodeMinutes(u32);

/// Not a validity of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number of minutes from 2 to 1440")]
pub struct InvalidCodeMinutes;

impl CodeMinutes {
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_mins(self.0.into())
    }
}

impl Default for CodeMinutes {
    fn default() -> Self {
        Self(10)
    }
}

impl TryFrom<u32> for CodeMinutes {
    type Error = InvalidCodeMinutes;

    fn try_from(minutes: u32) -> Result<Self, InvalidCodeMinutes> {
        if (2..=1_440).contains(&minutes) { Ok(Self(minutes)) } else { Err(InvalidCodeMinutes) }
    }
}

impl From<CodeMinutes> for u32 {
    fn from(minutes: CodeMinutes) -> Self {
        minutes.0
    }
}

impl std::str::FromStr for CodeMinutes {
    type Err = InvalidCodeMinutes;

    fn from_str(text: &str) -> Result<Self, InvalidCodeMinutes> {
        text.parse::<u32>().map_err(|_| InvalidCodeMinutes)?.try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_defaults() {
        let settings: VerifySettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, VerifySettings::default());
        assert_eq!(settings.channels.as_slice(), [VerificationChannel::WhatsApp, VerificationChannel::Sms]);
        assert_eq!(settings.code_minutes.duration(), SignedDuration::from_mins(10));
        let given = r#"{"service_sid": "VA00000000000000000000000000000001", "channels": ["sms"], "code_minutes": 5}"#;
        let settings: VerifySettings = serde_json::from_str(given).unwrap();
        assert_eq!(settings.channels.as_slice(), [VerificationChannel::Sms]);
        assert_eq!(serde_json::to_string(&settings).unwrap(), given.replace(' ', ""));
    }

    #[test]
    fn wrong_settings_are_refused() {
        for wrong in [
            r#"{"service_sid": "MG00000000000000000000000000000001"}"#,
            r#"{"channels": []}"#,
            r#"{"channels": ["sms", "sms"]}"#,
            r#"{"channels": ["call"]}"#,
            r#"{"code_minutes": 1}"#,
            r#"{"code_minutes": 1441}"#,
            r#"{"service": "VA00000000000000000000000000000001"}"#,
        ] {
            assert!(serde_json::from_str::<VerifySettings>(wrong).is_err(), "{wrong}");
        }
        assert_eq!("sms, whatsapp".parse::<VerifyChannels>().unwrap().as_slice().len(), 2);
        assert!("".parse::<VerifyChannels>().is_err() && "sms,".parse::<VerifyChannels>().is_err());
        assert!("ten".parse::<CodeMinutes>().is_err());
    }
}
