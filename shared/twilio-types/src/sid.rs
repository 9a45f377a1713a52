//! Twilio's string identifiers (SIDs): a two-letter prefix and 32 hexadecimal digits.
//!
//! Source: Twilio, "What is a String Identifier (SID)?", and the patterns in Twilio's `OpenAPI` description.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A text that is not a SID of the expected kind. The error leaves the text out, because it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {kind}: expected {expected} and 32 hexadecimal digits, got {length} characters")]
pub struct InvalidSid {
    kind: &'static str,
    expected: &'static str,
    length: usize,
}

const HEX_DIGITS: usize = 32;

fn is_sid(text: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|hex| hex.len() == HEX_DIGITS && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $prefixes:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The SID as Twilio writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidSid;

            fn from_str(text: &str) -> Result<Self, InvalidSid> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidSid;

            fn try_from(text: String) -> Result<Self, InvalidSid> {
                if is_sid(&text, &$prefixes) {
                    Ok(Self(text))
                } else {
                    Err(InvalidSid { kind: $kind, expected: $expected, length: text.chars().count() })
                }
            }
        }

        impl From<$name> for String {
            fn from(sid: $name) -> String {
                sid.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

sid!(
    /// A Twilio account or subaccount, `AC...`.
    AccountSid, "an account SID", "AC", ["AC"]
);
sid!(
    /// A message, `SM...` or `MM...`. The prefix says nothing reliable about its type.
    MessageSid, "a message SID", "SM or MM", ["SM", "MM"]
);
sid!(
    /// A messaging service, `MG...`: a pool of senders.
    MessagingServiceSid, "a messaging service SID", "MG", ["MG"]
);
sid!(
    /// A content template, `HX...`.
    ContentSid, "a content SID", "HX", ["HX"]
);
sid!(
    /// A file of a message, `ME...`.
    MediaSid, "a media SID", "ME", ["ME"]
);
sid!(
    /// A REST API key, `SK...`.
    ApiKeySid, "an API key SID", "SK", ["SK"]
);
sid!(
    /// A service of Verify, `VA...`: the name, the length of the codes and the senders of one-time passwords.
    VerifyServiceSid, "a Verify service SID", "VA", ["VA"]
);
sid!(
    /// A verification of Verify, `VE...`: one phone number that proves that it received a code.
    VerificationSid, "a verification SID", "VE", ["VE"]
);
sid!(
    /// A flow of Twilio Studio, `FW...`.
    FlowSid, "a flow SID", "FW", ["FW"]
);
sid!(
    /// An execution of a flow of Twilio Studio, `FN...`.
    ExecutionSid, "an execution SID", "FN", ["FN"]
);

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdefABCDEF0123456789";

    #[test]
    fn a_message_sid_is_a_prefix_and_32_hexadecimal_digits() {
        for good in [format!("SM{HEX}"), format!("MM{HEX}")] {
            assert_eq!(good.parse::<MessageSid>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "SM",
            "SM123",
            &format!("AC{HEX}"),
            &format!("sm{HEX}"),
            &format!("SM{HEX}0"),
            &format!("SM{}g", &HEX[1..]),
        ] {
            assert!(bad.parse::<MessageSid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_error_names_the_expected_form_and_hides_the_input() {
        let error = "secret-thing".parse::<AccountSid>().unwrap_err().to_string();
        assert_eq!(error, "not an account SID: expected AC and 32 hexadecimal digits, got 12 characters");
    }

    #[test]
    fn serde_reads_and_writes_the_plain_text() {
        let sid: ContentSid = serde_json::from_str(&format!("\"HX{HEX}\"")).unwrap();
        assert_eq!(serde_json::to_string(&sid).unwrap(), format!("\"HX{HEX}\""));
        assert!(serde_json::from_str::<ContentSid>("\"HX\"").is_err());
    }
}
