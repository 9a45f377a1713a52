//! Whom a message may be sent to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{E164, Identity, InvalidAddress, UserId};

/// A person to whom a message may be sent: by phone number, or by WhatsApp user id where the number is not known.
/// Twilio writes a user id with the prefix `whatsapp:`, which is accepted. It is not accepted before a number, because a
/// number is reached by SMS too.
///
/// Source: Twilio, "Key Concepts and Terms for the WhatsApp Business Platform", WhatsApp usernames: `To` may be
/// `whatsapp:` and a user id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Recipient {
    /// Reached on WhatsApp and by SMS.
    Phone(E164),
    /// Reached on WhatsApp alone.
    User(UserId),
}

impl Recipient {
    /// The number or the user id, without a channel.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Phone(number) => number.as_str(),
            Self::User(id) => id.as_str(),
        }
    }

    /// The phone number, if it is known.
    pub fn number(&self) -> Option<&E164> {
        match self {
            Self::Phone(number) => Some(number),
            Self::User(_) => None,
        }
    }

    /// The WhatsApp user id, if that is how the person is named.
    pub fn user_id(&self) -> Option<&UserId> {
        match self {
            Self::Phone(_) => None,
            Self::User(id) => Some(id),
        }
    }
}

impl FromStr for Recipient {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let by_number = text.parse().map(Self::Phone);
        let id = text.strip_prefix("whatsapp:").unwrap_or(text);
        by_number.or_else(|_| id.parse().map(Self::User)).map_err(|_| InvalidAddress::Recipient)
    }
}

impl TryFrom<String> for Recipient {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<E164> for Recipient {
    fn from(number: E164) -> Self {
        Self::Phone(number)
    }
}

impl From<UserId> for Recipient {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

impl From<Recipient> for Identity {
    fn from(recipient: Recipient) -> Self {
        match recipient {
            Recipient::Phone(number) => Self::Phone(number),
            Recipient::User(id) => Self::User(id),
        }
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> String {
        match recipient {
            Recipient::Phone(number) => number.into(),
            Recipient::User(id) => id.into(),
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_a_number_or_a_user_id() {
        let person: Recipient = "+14155550123".parse().unwrap();
        assert_eq!((person.number().map(E164::as_str), person.user_id()), (Some("+14155550123"), None));
        let person: Recipient = "us.ENT.1349".parse().unwrap();
        assert_eq!((person.number(), person.user_id().map(UserId::as_str)), (None, Some("US.ENT.1349")));
        for (text, bare) in [("whatsapp:US.1349", "US.1349"), ("whatsapp:US.ENT.1349", "US.ENT.1349")] {
            assert_eq!(text.parse::<Recipient>().unwrap().as_str(), bare);
        }
        for text in [
            "",
            "14155550123",
            "12345",
            "ACME",
            "whatsapp:",
            "whatsapp:+14155550123",
            "whatsapp:whatsapp:US.1349",
            "sms:US.1349",
        ] {
            assert_eq!(text.parse::<Recipient>(), Err(InvalidAddress::Recipient), "{text}");
        }
    }

    #[test]
    fn serde_writes_a_recipient_as_a_string_and_debug_masks_it() {
        for (text, shown) in [("+14155550123", "Phone(E164(+14*******23))"), ("US.1349", "User(UserId(..))")] {
            let recipient: Recipient = serde_json::from_value(text.into()).unwrap();
            assert_eq!(serde_json::to_value(&recipient).unwrap(), text);
            assert_eq!(recipient.to_string(), text);
            assert_eq!(format!("{recipient:?}"), shown);
            assert_eq!(Identity::from(recipient), text.parse().unwrap());
        }
    }
}
