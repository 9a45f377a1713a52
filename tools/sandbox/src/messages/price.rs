//! What Twilio charges for a message, and when its resource says so.

use jiff::{SignedDuration, Timestamp};
use twilio_types::{
    address::Channel,
    message_status::{MessageStatus, Stage},
};

use super::Message;

/// The currency of every price.
pub(crate) const PRICE_UNIT: &str = "USD";
/// Twilio's fee for a message on WhatsApp, in each direction. Source: Twilio, "WhatsApp pricing", November 2026. Meta's fee is
/// not in it: the sandbox knows no rate card.
const WHATSAPP: &str = "-0.00500";
/// An SMS of one segment to or from the United States. Source: Twilio, "SMS pricing for the United States", November 2026.
const SMS: &str = "-0.00830";
/// At Twilio a price "may not be immediately available" ("Messages resource", property `price`).
const DELAY: SignedDuration = SignedDuration::from_secs(5);

/// The price of a message; none until it has its last status and was priced, and for a message that was not sent.
pub(crate) fn price(message: &Message, now: Timestamp) -> Option<&'static str> {
    let is_sent = match message.status.stage() {
        Stage::Underway => false,
        Stage::Arrived => true,
        Stage::Lost => message.status == MessageStatus::Undelivered,
    };
    let priced_at = message.sent_at.filter(|_| is_sent)?.saturating_add(DELAY).unwrap_or(Timestamp::MAX);
    if now < priced_at {
        return None;
    }
    Some(if message.channel == Channel::Sms { SMS } else { WHATSAPP })
}

#[cfg(test)]
mod tests {
    use twilio_webhook::form::Form;

    use super::*;
    use crate::{api::create, config::Config, state::Sandbox};

    const SENT: &str = "2026-11-20T12:00:00Z";

    fn priced(status: MessageStatus, to: &str, seconds: i64) -> Option<&'static str> {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("To", to), ("MessagingServiceSid", "MG00000000000000000000000000000001"), ("Body", "hi")])
            .finish();
        let message = create::message(&sandbox, &Form::parse(form.as_bytes())).unwrap();
        let sent_at: Timestamp = SENT.parse().unwrap();
        let message = Message { status, sent_at: Some(sent_at), ..message };
        price(&message, sent_at + SignedDuration::from_secs(seconds))
    }

    #[test]
    fn price_follows_the_last_status_with_a_delay() {
        let whatsapp = "whatsapp:+14155550123";
        assert_eq!(priced(MessageStatus::Sent, whatsapp, 600), None);
        assert_eq!(priced(MessageStatus::Delivered, whatsapp, 4), None);
        assert_eq!(priced(MessageStatus::Delivered, whatsapp, 5), Some("-0.00500"));
        assert_eq!(priced(MessageStatus::Read, "+14155550123", 5), Some("-0.00830"));
        assert_eq!(priced(MessageStatus::Undelivered, whatsapp, 5), Some("-0.00500"));
    }

    #[test]
    fn message_that_was_not_sent_has_no_price() {
        for status in [MessageStatus::Failed, MessageStatus::Canceled] {
            assert_eq!(priced(status, "whatsapp:+14155550123", 600), None, "{status:?}");
        }
    }
}
