//! A message as Twilio shows it.

use std::fmt;

use jiff::{Timestamp, fmt::rfc2822};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use twilio_types::{
    error_code::ErrorCode,
    message_status::ReportedStatus,
    sid::{MessageSid, MessagingServiceSid},
};

/// A message as Twilio shows it. `Debug` shows neither what it says nor to whom.
///
/// Source: Twilio, "Messages resource", "Message properties".
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct MessageResource {
    /// The message's SID.
    pub sid: MessageSid,
    /// How far it has come, in a word that may not be known here.
    pub status: ReportedStatus,
    /// The recipient, as in `whatsapp:+14155550123`.
    pub to: String,
    /// The sender; none as long as a Messaging Service has not chosen it.
    pub from: Option<String>,
    /// What it says; empty for media, and after its text was deleted at Twilio.
    pub body: Option<String>,
    /// How many files it has.
    #[serde(default, deserialize_with = "count")]
    pub num_media: u32,
    /// The Messaging Service through which it was sent or received.
    pub messaging_service_sid: Option<MessagingServiceSid>,
    /// Why it failed.
    pub error_code: Option<ErrorCode>,
    /// `inbound`, `outbound-api`, `outbound-reply` or `outbound-call`.
    pub direction: String,
    /// When it was created, in the form of RFC 2822, as in `Thu, 24 Aug 2023 05:01:45 +0000`.
    pub date_created: Option<String>,
    /// When it was sent or received, in the same form; none before.
    pub date_sent: Option<String>,
    /// When it last changed, in the same form.
    pub date_updated: Option<String>,
    /// What Twilio charged for it: a decimal number that is negative for a charge, as in `-0.00500`. None until Twilio has
    /// priced the message, which may be long after its last status.
    #[serde(default, deserialize_with = "decimal")]
    pub price: Option<String>,
    /// The currency of the price by its ISO 4217 code, as in `USD`.
    #[serde(default, deserialize_with = "decimal")]
    pub price_unit: Option<String>,
}

impl fmt::Debug for MessageResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageResource")
            .field("sid", &self.sid)
            .field("status", &self.status)
            .field("direction", &self.direction)
            .field("error_code", &self.error_code)
            .finish_non_exhaustive()
    }
}

impl MessageResource {
    /// When it was created, to the second.
    pub fn created_at(&self) -> Option<Timestamp> {
        time(self.date_created.as_deref())
    }

    /// When it was sent or received, or, as long as it was not, when it was created. To the second.
    pub fn happened_at(&self) -> Option<Timestamp> {
        time(self.date_sent.as_deref()).or_else(|| self.created_at())
    }

    /// When it last changed, to the second.
    pub fn changed_at(&self) -> Option<Timestamp> {
        time(self.date_updated.as_deref()).max(self.happened_at())
    }
}

/// A message that Twilio has created.
///
/// Its SID alone says that it exists, and that a second try would make a second message. So an answer that this version
/// cannot read completely, for example because a code is not a number, is still the answer to a request that succeeded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreatedMessage {
    /// The message's SID.
    pub sid: MessageSid,
    /// The message as Twilio shows it; none if that cannot be read completely.
    pub resource: Option<MessageResource>,
}

impl<'de> Deserialize<'de> for CreatedMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let answer = Value::deserialize(deserializer)?;
        let sid = answer.get("sid").cloned().map(serde_json::from_value);
        let sid = sid.and_then(Result::ok).ok_or_else(|| D::Error::custom("sid: expected a message's SID"))?;
        Ok(Self { sid, resource: serde_json::from_value(answer).ok() })
    }
}

/// Source: Twilio, "Messages resource": dates are RFC 2822, in GMT.
fn time(text: Option<&str>) -> Option<Timestamp> {
    Some(rfc2822::parse(text?).ok()?.timestamp())
}

/// A text, or a number as a text. Any other value counts as none: a price of an unknown form must not hide the message.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// Twilio writes this number as text.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Text(String),
        Number(u32),
        None(()),
    }
    match Count::deserialize(deserializer)? {
        Count::Text(text) => text.parse().map_err(|_| D::Error::custom("num_media: expected a number")),
        Count::Number(number) => Ok(number),
        Count::None(()) => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_read_and_debug_shows_no_address_and_no_text() {
        let resource: MessageResource = serde_json::from_value(json!({
            "sid": "SM00000000000000000000000000000001", "status": "received", "to": "whatsapp:+14155238886",
            "from": "whatsapp:+14155550123", "body": "secret words", "num_media": "2", "messaging_service_sid": null,
            "error_code": null, "direction": "inbound", "date_created": "Thu, 24 Aug 2023 05:01:40 +0000",
            "date_sent": "Thu, 24 Aug 2023 05:01:45 +0000", "date_updated": "Thu, 24 Aug 2023 05:01:50 +0000"
        }))
        .unwrap();
        assert_eq!(resource.num_media, 2);
        assert_eq!(resource.created_at(), "2023-08-24T05:01:40Z".parse().ok());
        assert_eq!(resource.happened_at(), "2023-08-24T05:01:45Z".parse().ok());
        assert_eq!(resource.changed_at(), "2023-08-24T05:01:50Z".parse().ok());
        let shown = format!("{resource:?}");
        assert!(!shown.contains("secret") && !shown.contains("4155550123"), "{shown}");
    }

    #[test]
    fn price_of_any_form_leaves_a_message_readable() {
        let message = json!({"sid": "SM00000000000000000000000000000001", "status": "read", "to": "whatsapp:+14155550123",
                             "direction": "outbound-api"});
        let of = |price: Value, unit: Value| {
            let mut message = message.clone();
            message["price"] = price;
            message["price_unit"] = unit;
            let resource: MessageResource = serde_json::from_value(message).unwrap();
            (resource.price, resource.price_unit)
        };
        let usd = || Some("USD".to_owned());
        assert_eq!(of(json!("-0.00500"), json!("USD")), (Some("-0.00500".to_owned()), usd()));
        assert_eq!(of(json!(-0.005), json!("USD")), (Some("-0.005".to_owned()), usd()));
        assert_eq!(of(json!(null), json!(null)), (None, None));
        assert_eq!(of(json!({"amount": 1}), json!(true)), (None, None));
        let absent: MessageResource = serde_json::from_value(message.clone()).unwrap();
        assert_eq!((absent.price, absent.price_unit), (None, None));
    }
}
