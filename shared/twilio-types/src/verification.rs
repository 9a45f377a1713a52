//! The channels of one-time passwords.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A channel by which Verify sends a code to a phone number.
///
/// Source: Twilio, "Verifications resource", `Channel`. Verify has further channels, such as calls and e-mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerificationChannel {
    /// A message on WhatsApp, from a sender of the account.
    WhatsApp,
    /// A text message.
    Sms,
}

/// A text that is not a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a channel of verifications: expected whatsapp or sms")]
pub struct InvalidVerificationChannel;

impl VerificationChannel {
    /// The channel as Twilio writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WhatsApp => "whatsapp",
            Self::Sms => "sms",
        }
    }
}

impl fmt::Display for VerificationChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for VerificationChannel {
    type Err = InvalidVerificationChannel;

    /// Twilio writes the channel of an attempt in capitals too.
    fn from_str(text: &str) -> Result<Self, InvalidVerificationChannel> {
        let is = |channel: &Self| channel.as_str().eq_ignore_ascii_case(text);
        [Self::WhatsApp, Self::Sms].into_iter().find(is).ok_or(InvalidVerificationChannel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_read_in_small_and_in_capital_letters() {
        for (text, channel) in [("sms", VerificationChannel::Sms), ("WHATSAPP", VerificationChannel::WhatsApp)] {
            assert_eq!(text.parse(), Ok(channel));
        }
        assert_eq!("call".parse::<VerificationChannel>(), Err(InvalidVerificationChannel));
        assert_eq!(serde_json::to_string(&VerificationChannel::WhatsApp).unwrap(), "\"whatsapp\"");
    }
}
