//! What a message will cost at Twilio and Meta, by the rules that count on its day.

use domain::{
    notification::{Category, FallbackChannel},
    region::Region,
};
use jiff::civil::{Date, date};

use super::{PriceKind, PriceTable};
use crate::money::Money;

/// Since this day Meta charges for free-form messages, and for utility templates inside the service window. Source: the
/// changes of 1 October 2026, as reported by several providers (docs/costs.md, "What WhatsApp charges").
const CHARGED_IN_WINDOW: Date = date(2026, 10, 1);

/// What kind of content a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageKind {
    Template,
    /// A text or a file, which only an open service window lets through.
    FreeForm,
    /// A flow, whose messages are not known here.
    Flow,
}

/// A message that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedMessage {
    pub channel: FallbackChannel,
    pub country: Option<Region>,
    /// The template's own category where it is known: Meta charges by that.
    pub category: Category,
    pub kind: MessageKind,
    pub window_is_open: bool,
}

/// A fee for one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fee {
    Free,
    Charged(Money),
    /// No price is known for it.
    Unknown,
}

/// What a message costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageFees {
    pub twilio: Fee,
    pub meta: Fee,
}

impl PlannedMessage {
    /// The fees of the message if it is delivered on this day.
    pub fn fees(self, prices: &PriceTable, on: Date) -> MessageFees {
        let charged = |kind| prices.price(kind, self.country, on).map_or(Fee::Unknown, Fee::Charged);
        match (self.channel, self.kind) {
            (_, MessageKind::Flow) => MessageFees { twilio: Fee::Unknown, meta: Fee::Unknown },
            (FallbackChannel::WhatsApp, _) => {
                let meta = self.meta_kind(on).map_or(Fee::Free, charged);
                MessageFees { twilio: charged(PriceKind::Twilio), meta }
            }
            (FallbackChannel::Sms, _) => MessageFees { twilio: charged(PriceKind::Sms), meta: Fee::Free },
            // SendGrid charges by the month.
            (FallbackChannel::Email, _) => MessageFees { twilio: Fee::Unknown, meta: Fee::Free },
        }
    }

    /// The rate that Meta charges; none for a message that is free.
    fn meta_kind(self, on: Date) -> Option<PriceKind> {
        let is_charged_in_window = on >= CHARGED_IN_WINDOW;
        match (self.kind, self.category) {
            (MessageKind::Template, Category::Marketing | Category::Authentication) => {
                Some(PriceKind::Meta(self.category))
            }
            (MessageKind::Template, _) => {
                (is_charged_in_window || !self.window_is_open).then_some(PriceKind::Meta(Category::Utility))
            }
            _ => is_charged_in_window.then_some(PriceKind::Meta(Category::Service)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: &str = "\
country,category,price,currency
BR,marketing,0.06,USD
BR,utility,0.008,USD
BR,authentication,0.009,USD
BR,service,0.007,USD
US,sms,0.0083,USD
";
    const BEFORE: Date = date(2026, 9, 30);
    const AFTER: Date = date(2026, 10, 1);

    fn message(kind: MessageKind, category: Category, window_is_open: bool) -> PlannedMessage {
        let country = "BR".parse().ok();
        PlannedMessage { channel: FallbackChannel::WhatsApp, country, category, kind, window_is_open }
    }

    fn shown(fee: Fee) -> String {
        match fee {
            Fee::Free => "free".to_owned(),
            Fee::Charged(money) => money.to_string(),
            Fee::Unknown => "unknown".to_owned(),
        }
    }

    fn fees(message: PlannedMessage, on: Date) -> (String, String) {
        let prices = PriceTable::built_in().unwrap().with_file(PRICES.as_bytes()).unwrap();
        let MessageFees { twilio, meta } = message.fees(&prices, on);
        (shown(twilio), shown(meta))
    }

    #[test]
    fn meta_charges_by_category_window_and_day() {
        use Category::{Authentication, Marketing, Service, Utility};
        use MessageKind::{FreeForm, Template};
        for (kind, category, window_is_open, before, after) in [
            (Template, Marketing, false, "0.06 USD", "0.06 USD"),
            (Template, Marketing, true, "0.06 USD", "0.06 USD"),
            (Template, Utility, false, "0.008 USD", "0.008 USD"),
            (Template, Utility, true, "free", "0.008 USD"),
            (Template, Authentication, true, "0.009 USD", "0.009 USD"),
            (Template, Service, false, "0.008 USD", "0.008 USD"),
            (FreeForm, Service, true, "free", "0.007 USD"),
            (FreeForm, Marketing, true, "free", "0.007 USD"),
        ] {
            let message = message(kind, category, window_is_open);
            for (on, expected) in [(BEFORE, before), (AFTER, after)] {
                let expected = ("0.005 USD".to_owned(), expected.to_owned());
                assert_eq!(fees(message, on), expected, "{kind:?} {category:?} {window_is_open} {on}");
            }
        }
    }

    #[test]
    fn fee_without_a_price_is_unknown_and_not_free() {
        let elsewhere =
            PlannedMessage { country: "DE".parse().ok(), ..message(MessageKind::Template, Category::Utility, false) };
        assert_eq!(fees(elsewhere, AFTER), ("0.005 USD".to_owned(), "unknown".to_owned()));
        let flow = message(MessageKind::Flow, Category::Utility, true);
        assert_eq!(fees(flow, AFTER), ("unknown".to_owned(), "unknown".to_owned()));
        for (channel, country, expected) in [
            (FallbackChannel::Sms, "US", "0.0083 USD"),
            (FallbackChannel::Sms, "BR", "unknown"),
            (FallbackChannel::Email, "US", "unknown"),
        ] {
            let message = PlannedMessage {
                channel,
                country: country.parse().ok(),
                ..message(MessageKind::FreeForm, Category::Utility, false)
            };
            assert_eq!(fees(message, AFTER), (expected.to_owned(), "free".to_owned()), "{channel:?} {country}");
        }
    }
}
