//! Addresses of people and senders: a channel, and a phone number or another identity on it.
//!
//! `Display` and serde write the whole number. `Debug` masks it, because logs and error messages are made of `Debug`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

mod recipient;
mod user_id;
mod variants;

pub use recipient::Recipient;
pub use user_id::UserId;

/// A phone number in the form of ITU-T E.164: `+`, a country code that does not begin with 0, at most 15 digits in all.
///
/// Whether the number is assigned to anybody is not checked: that needs a table of metadata, which takes 70 ms to load.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct E164(String);

/// The shortest number accepted, country code included: St Helena's four-digit numbers with +290 have seven digits.
const MIN_DIGITS: usize = 7;
/// ITU-T E.164, 6.1: "the maximum number of digits".
const MAX_DIGITS: usize = 15;

/// A text that is not an address. The error leaves the text out, because it may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAddress {
    /// Not a phone number in E.164 form.
    #[error("not an E.164 phone number: expected + and 7 to 15 digits, the first not 0, as in +14155550123")]
    PhoneNumber,
    /// An empty text, or one that is too long for an address.
    #[error("not an address: expected an E.164 phone number or an id of 1 to 256 characters")]
    Contact,
    /// Not the address of a sender on WhatsApp.
    #[error("not a WhatsApp address: expected whatsapp:+ and digits, as in whatsapp:+14155238886")]
    WhatsApp,
    /// Not a WhatsApp user id.
    #[error(
        "not a WhatsApp user id: expected two letters, a dot and 1 to 128 letters or digits, as in \
         US.13491208655302741918, or US.ENT. and the id of a parent"
    )]
    UserId,
    /// Neither a phone number nor a WhatsApp user id.
    #[error(
        "not a recipient: expected an E.164 phone number, as in +14155550123, or a WhatsApp user id, as in \
         US.13491208655302741918"
    )]
    Recipient,
}

impl E164 {
    /// The number with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for E164 {
    /// Shows the first three and the last two characters, as in `E164(+14*******23)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.0.len().saturating_sub(5);
        let shown = |range: std::ops::Range<usize>| self.0.get(range).unwrap_or_default();
        write!(f, "E164({}{}{})", shown(0..3), "*".repeat(hidden), shown(3 + hidden..self.0.len()))
    }
}

impl FromStr for E164 {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let digits = text.strip_prefix('+').ok_or(InvalidAddress::PhoneNumber)?;
        let well_formed = (MIN_DIGITS..=MAX_DIGITS).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidAddress::PhoneNumber) }
    }
}

impl TryFrom<String> for E164 {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl From<E164> for String {
    fn from(number: E164) -> String {
        number.0
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The channel of an address: the prefix before its colon, or SMS if it has no prefix.
///
/// Source: Twilio, "Messages resource", parameter `To`: "channel address".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Channel {
    /// `whatsapp:`
    WhatsApp,
    /// No prefix.
    Sms,
    /// Any other, such as `messenger` or `rcs`, in lower case. Twilio adds channels, so every name is accepted.
    Other(String),
}

impl Channel {
    /// The channel of a prefix, in any letter case. None if the text cannot be the name of a channel.
    fn of_prefix(prefix: &str) -> Option<Self> {
        let is_name = (1..=MAX_CHANNEL_BYTES).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if !is_name {
            return None;
        }
        let name = prefix.to_ascii_lowercase();
        Some(if name == Self::WhatsApp.name() { Self::WhatsApp } else { Self::Other(name) })
    }

    /// The name of the channel, in lower case.
    pub fn name(&self) -> &str {
        match self {
            Self::WhatsApp => "whatsapp",
            Self::Sms => "sms",
            Self::Other(name) => name,
        }
    }
}

/// A person or a sender without the channel. A WhatsApp user who has a username may withhold the number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Reached by phone number.
    Phone(E164),
    /// Reached by WhatsApp user id.
    User(UserId),
    /// Reached by a short code, an alphanumeric sender id or another channel's id, which is compared as it is. An
    /// alphanumeric sender id may have spaces and `+ - _ &`.
    ///
    /// Source: Twilio, "Alphanumeric Sender ID for Twilio Programmable Messaging".
    Opaque(String),
}

impl Identity {
    /// The number or the id.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Phone(number) => number.as_str(),
            Self::User(id) => id.as_str(),
            Self::Opaque(id) => id,
        }
    }

    /// Parses the identity of a channel that has no WhatsApp user ids, where an id of their form is another's.
    fn on_another_channel(text: &str) -> Result<Self, InvalidAddress> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Phone(number));
        }
        let is_id = !text.is_empty() && text.chars().nth(MAX_ID_CHARS).is_none();
        if is_id { Ok(Self::Opaque(text.to_owned())) } else { Err(InvalidAddress::Contact) }
    }
}

/// A longer text is not an id: the longest that is known, a WhatsApp user id, has 135 characters. With this limit an id fits
/// into the key of a table.
const MAX_ID_CHARS: usize = 256;
/// A longer prefix is not the name of a channel: the longest that is known is `messenger`.
const MAX_CHANNEL_BYTES: usize = 32;

impl fmt::Debug for Identity {
    /// Shows a phone number as [`E164`] does, and nothing of an id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(number) => f.debug_tuple("Phone").field(number).finish(),
            Self::User(id) => f.debug_tuple("User").field(id).finish(),
            Self::Opaque(_) => f.debug_tuple("Opaque").finish_non_exhaustive(),
        }
    }
}

impl FromStr for Identity {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        text.parse().map(Self::User).or_else(|_| Self::on_another_channel(text))
    }
}

impl From<E164> for Identity {
    fn from(number: E164) -> Self {
        Self::Phone(number)
    }
}

impl From<UserId> for Identity {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

/// An address as Twilio writes it in `From` and `To`: `whatsapp:+14155550123`, `whatsapp:US.1234`, `+14155550123`.
///
/// Every text of 1 to 256 characters is one, so that no message is lost because of its sender. A text without a channel's
/// prefix and an id after it is an id on SMS as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The channel on which the identity is reached.
    pub channel: Channel,
    /// The person or sender.
    pub identity: Identity,
}

impl Address {
    /// A person on WhatsApp: an [`E164`] number, a [`UserId`] or a [`Recipient`].
    pub fn whatsapp(person: impl Into<Identity>) -> Self {
        Self { channel: Channel::WhatsApp, identity: person.into() }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let named = text.split_once(':').filter(|(_, id)| !id.is_empty());
        let named = named.and_then(|(prefix, id)| Some((Channel::of_prefix(prefix)?, id)));
        match named {
            None => Ok(Self { channel: Channel::Sms, identity: text.parse()? }),
            Some((Channel::WhatsApp, id)) => Ok(Self { channel: Channel::WhatsApp, identity: id.parse()? }),
            Some((channel, id)) => Ok(Self { channel, identity: Identity::on_another_channel(id)? }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.channel {
            Channel::Sms => f.write_str(self.identity.as_str()),
            _ => write!(f, "{}:{}", self.channel.name(), self.identity.as_str()),
        }
    }
}

/// A sender on WhatsApp: always a phone number.
///
/// Source: Twilio, "Senders API": a WhatsApp sender's `sender_id` is `whatsapp:` and an E.164 number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WhatsAppSender(E164);

impl TryFrom<String> for WhatsAppSender {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        let number = text.strip_prefix("whatsapp:").ok_or(InvalidAddress::WhatsApp)?;
        number.parse().map(Self).map_err(|_| InvalidAddress::WhatsApp)
    }
}

impl From<WhatsAppSender> for String {
    fn from(sender: WhatsAppSender) -> String {
        sender.to_string()
    }
}

impl fmt::Display for WhatsAppSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "whatsapp:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn e164_accepts_plus_and_seven_to_fifteen_digits() {
        for good in ["+14155550123", "+2902345", "+861234567890123"] {
            assert_eq!(good.parse::<E164>().unwrap().as_str(), good);
        }
        for text in
            ["", "+", "14155550123", "+04155550123", "+141555", "+1 415 555 0123", "+1234567890123456", "+١٤١٥٥٥٥٠١٢٣"]
        {
            assert_eq!(text.parse::<E164>(), Err(InvalidAddress::PhoneNumber), "{text}");
        }
    }

    #[test]
    fn an_address_is_parsed_and_written_as_twilio_writes_it() {
        let cases = [
            ("whatsapp:+14155550123", Channel::WhatsApp, Identity::Phone("+14155550123".parse().unwrap())),
            (
                "whatsapp:US.13491208655302741918",
                Channel::WhatsApp,
                Identity::User("US.13491208655302741918".parse().unwrap()),
            ),
            ("whatsapp:US.ENT.1349", Channel::WhatsApp, Identity::User("US.ENT.1349".parse().unwrap())),
            ("+14155550123", Channel::Sms, Identity::Phone("+14155550123".parse().unwrap())),
            ("12345", Channel::Sms, Identity::Opaque("12345".into())),
            ("messenger:108", Channel::Other("messenger".into()), Identity::Opaque("108".into())),
            ("rcs:my.agent", Channel::Other("rcs".into()), Identity::Opaque("my.agent".into())),
        ];
        for (text, channel, identity) in cases {
            let address: Address = text.parse().unwrap();
            assert_eq!(address, Address { channel, identity });
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn an_identity_is_a_number_before_a_user_id_before_another_id() {
        let identity = |text: &str| text.parse::<Identity>().unwrap();
        assert!(matches!(identity("+14155550123"), Identity::Phone(_)));
        assert_eq!(identity("us.1349"), Identity::User("US.1349".parse().unwrap()));
        assert_eq!(identity("12345"), Identity::Opaque("12345".to_owned()));
        let person: Recipient = "US.1349".parse().unwrap();
        assert_eq!(Address::whatsapp(person).to_string(), "whatsapp:US.1349");
    }

    #[test]
    fn debug_masks_numbers_and_hides_ids() {
        let shown = |text: &str| format!("{:?}", text.parse::<Address>().unwrap());
        assert_eq!(
            shown("whatsapp:+14155550123"),
            "Address { channel: WhatsApp, identity: Phone(E164(+14*******23)) }"
        );
        assert_eq!(shown("+2902345"), "Address { channel: Sms, identity: Phone(E164(+29***45)) }");
        assert_eq!(shown("whatsapp:US.13491208"), "Address { channel: WhatsApp, identity: User(UserId(..)) }");
        assert_eq!(shown("messenger:108"), "Address { channel: Other(\"messenger\"), identity: Opaque(..) }");
        let sender = WhatsAppSender::try_from("whatsapp:+14155238886".to_owned()).unwrap();
        assert_eq!(format!("{sender:?}"), "WhatsAppSender(E164(+14*******86))");
    }

    #[test]
    fn an_address_without_an_identity_is_refused() {
        for text in ["", &"x".repeat(257), &format!("whatsapp:{}", "x".repeat(257))] {
            assert_eq!(text.parse::<Address>(), Err(InvalidAddress::Contact), "{text:?}");
        }
    }

    #[test]
    fn a_channel_is_recognised_in_any_letter_case() {
        let number = Identity::Phone("+14155550123".parse().unwrap());
        for (text, channel, written) in [
            ("WhatsApp:+14155550123", Channel::WhatsApp, "whatsapp:+14155550123"),
            ("WHATSAPP:+14155550123", Channel::WhatsApp, "whatsapp:+14155550123"),
            ("RCS:+14155550123", Channel::Other("rcs".into()), "rcs:+14155550123"),
            ("Apple-Messages:+14155550123", Channel::Other("apple-messages".into()), "apple-messages:+14155550123"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address, Address { channel, identity: number.clone() }, "{text}");
            assert_eq!(address.to_string(), written);
        }
    }

    #[test]
    fn a_sender_of_any_form_is_an_address_on_sms() {
        for text in ["ACME Inc", "A&B-Shop_1", "68849", "a: b", "we ird:x", ":x", "whatsapp:", "\u{7}", " "] {
            let address: Address = text.parse().unwrap();
            let expected = match text {
                "a: b" => Address { channel: Channel::Other("a".into()), identity: Identity::Opaque(" b".into()) },
                _ => Address { channel: Channel::Sms, identity: Identity::Opaque(text.into()) },
            };
            assert_eq!((&address, address.to_string().as_str()), (&expected, text));
        }
    }

    proptest! {
        /// No text of a length that fits into a key is refused, and an address is written as a text that gives it again.
        #[test]
        fn every_text_of_at_most_256_characters_is_an_address(
            prefix in prop_oneof![Just(String::new()), "(?i)(whatsapp|rcs|sms|messenger):", "[\\PC]{0,20}:"],
            id in prop_oneof![any::<String>(), "\\+[1-9][0-9]{6,14}", "[a-z]{2}\\.(ENT\\.)?[a-zA-Z0-9]{1,99}"],
        ) {
            let text = format!("{prefix}{id}");
            prop_assume!((1..=256).contains(&text.chars().count()));
            let address: Address = text.parse().unwrap();
            prop_assert!(!address.identity.as_str().is_empty());
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn a_sender_is_a_phone_number_on_whatsapp() {
        assert_eq!(
            WhatsAppSender::try_from("whatsapp:+14155238886".to_owned()).unwrap().to_string(),
            "whatsapp:+14155238886"
        );
        for text in ["+14155238886", "whatsapp:US.1", "sms:+14155238886"] {
            assert_eq!(WhatsAppSender::try_from(text.to_owned()), Err(InvalidAddress::WhatsApp), "{text}");
        }
    }
}
