//! A message of Twilio's list, reduced to what it cost and what it is grouped by.

use domain::region::{Region, region_of_identity};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use twilio_client::MessageResource;
use twilio_types::{address::Address, message_status::ReportedStatus, sid::MessageSid};

use crate::{
    money::{Amount, Money},
    redaction::redacted_debug,
};

/// A message of the list.
pub(super) struct ChargedMessage {
    pub(super) sid: MessageSid,
    pub(super) at: Timestamp,
    pub(super) direction: Direction,
    pub(super) status: String,
    pub(super) channel: String,
    /// The person's country.
    pub(super) country: Option<Region>,
    /// The address of the business; none for a message that has no sender yet.
    pub(super) route: Option<String>,
    pub(super) charge: Charge,
}

redacted_debug!(ChargedMessage);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// What Twilio says that a message cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charge {
    /// Positive for what was spent.
    Spent(Money),
    NotPriced,
    /// Twilio's price is no amount in a currency.
    Unreadable,
}

impl ChargedMessage {
    /// None for a message without a time.
    pub(super) fn of(message: &MessageResource) -> Option<Self> {
        let is_inbound = message.direction == "inbound";
        let to = Some(message.to.as_str());
        let (person, route) = if is_inbound { (message.from.as_deref(), to) } else { (to, message.from.as_deref()) };
        let person: Option<Address> = person.and_then(|address| address.parse().ok());
        Some(Self {
            sid: message.sid.clone(),
            at: message.happened_at()?,
            direction: if is_inbound { Direction::Inbound } else { Direction::Outbound },
            status: word(&message.status),
            channel: person.as_ref().map(|person| person.channel.name().to_owned()).unwrap_or_default(),
            country: person.and_then(|person| region_of_identity(&person.identity)),
            route: route.map(str::to_owned),
            charge: charge(message.price.as_deref(), message.price_unit.as_deref()),
        })
    }

    /// The day in UTC.
    pub(super) fn day(&self) -> Date {
        self.at.to_zoned(TimeZone::UTC).date()
    }
}

fn word(status: &ReportedStatus) -> String {
    String::from(status.clone())
}

fn charge(price: Option<&str>, unit: Option<&str>) -> Charge {
    let Some(price) = price else { return Charge::NotPriced };
    let amount = price.parse().map(Amount::negated);
    let currency = unit.unwrap_or_default().parse();
    match (amount, currency) {
        (Ok(amount), Ok(currency)) => Charge::Spent(Money { amount, currency }),
        _ => Charge::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(changes: &[(&str, Value)]) -> ChargedMessage {
        let mut message = json!({
            "sid": "SM00000000000000000000000000000001", "status": "read", "to": "whatsapp:+5511912345678",
            "from": "whatsapp:+14155238886", "direction": "outbound-api", "date_sent": "Fri, 20 Nov 2026 23:59:59 +0000",
            "price": "-0.00500", "price_unit": "USD",
        });
        for (name, value) in changes {
            message[*name] = value.clone();
        }
        ChargedMessage::of(&serde_json::from_value(message).unwrap()).unwrap()
    }

    fn spent(changes: &[(&str, Value)]) -> Option<String> {
        if let Charge::Spent(money) = message(changes).charge { Some(money.to_string()) } else { None }
    }

    #[test]
    fn message_is_grouped_by_the_person_and_the_business() {
        let sent = message(&[]);
        assert_eq!(
            (sent.direction, sent.channel.as_str(), sent.status.as_str()),
            (Direction::Outbound, "whatsapp", "read")
        );
        assert_eq!(sent.country, "BR".parse().ok());
        assert_eq!(sent.route.as_deref(), Some("whatsapp:+14155238886"));
        assert_eq!(sent.day().to_string(), "2026-11-20");
        let received = message(&[
            ("direction", json!("inbound")),
            ("from", json!("whatsapp:GB.13491208655302741918")),
            ("to", json!("whatsapp:+14155238886")),
        ]);
        assert_eq!((received.direction, received.country), (Direction::Inbound, "GB".parse().ok()));
        assert_eq!(received.route.as_deref(), Some("whatsapp:+14155238886"));
        let sms = message(&[("to", json!("+447700900123")), ("from", json!("68849"))]);
        assert_eq!((sms.channel.as_str(), sms.country), ("sms", "GB".parse().ok()));
        assert_eq!(sms.route.as_deref(), Some("68849"));
    }

    #[test]
    fn charge_is_twilios_price_with_the_other_sign() {
        assert_eq!(spent(&[]).as_deref(), Some("0.005 USD"));
        assert_eq!(spent(&[("price", json!("0")), ("price_unit", json!("EUR"))]).as_deref(), Some("0.00 EUR"));
        assert_eq!(spent(&[("price", json!("0.0075"))]).as_deref(), Some("-0.0075 USD"), "a refund");
    }

    #[test]
    fn missing_price_is_not_zero() {
        assert_eq!(message(&[("price", json!(null)), ("price_unit", json!(null))]).charge, Charge::NotPriced);
        assert_eq!(message(&[("price", json!(null))]).charge, Charge::NotPriced);
        assert_eq!(message(&[("price", json!("free"))]).charge, Charge::Unreadable);
        assert_eq!(message(&[("price_unit", json!(null))]).charge, Charge::Unreadable);
    }
}
