//! What the system under test has published about the people who opted out.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::timeline::TimelineEvent;

/// The opt-outs that the system keeps, by the person's home.
#[derive(Debug, Default)]
pub(crate) struct SystemOptOuts(HashMap<String, BTreeMap<PublishedScope, PublishedOptOut>>);

/// What an opt-out covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct PublishedScope {
    /// The widest scope comes first, and is the one that is shown.
    is_marketing: bool,
    is_sms: bool,
    channel: String,
}

#[derive(Debug)]
struct PublishedOptOut {
    at: Option<Timestamp>,
    message_sid: Option<String>,
}

impl SystemOptOuts {
    /// Notes an event of type `contact_opted_out` or `contact_opted_in`. `home` gives the home of a person's address on
    /// WhatsApp.
    pub(crate) fn note(&mut self, event: &TimelineEvent, home: impl Fn(&str) -> String) {
        let text = |name: &str| event.details.get(name).and_then(Value::as_str);
        let opts_out = match (event.kind.as_str(), text("event_type")) {
            ("event", Some("contact_opted_out")) => true,
            ("event", Some("contact_opted_in")) => false,
            _ => return,
        };
        let Some(person) = &event.person else { return };
        // The number of an SMS is that of the phone on the page.
        let address = if person.contains(':') { person.clone() } else { format!("whatsapp:{person}") };
        let channel = text("channel").unwrap_or("whatsapp").to_owned();
        let is_marketing = text("scope") == Some("marketing");
        let scope = PublishedScope { is_marketing, is_sms: channel == "sms", channel };
        let of_person = self.0.entry(home(&address)).or_default();
        if opts_out {
            let message_sid = event.message_sid.clone();
            of_person.insert(scope, PublishedOptOut { at: event.at, message_sid });
        } else {
            // A person who opts in to everything opts in to marketing.
            of_person.retain(|other, _| other.channel != scope.channel || (is_marketing && !other.is_marketing));
        }
    }

    /// The widest opt-out of the person with this home, or null.
    pub(crate) fn shown(&self, home: &str) -> Value {
        let widest = self.0.get(home).and_then(BTreeMap::first_key_value);
        widest.map_or(Value::Null, |(scope, PublishedOptOut { at, message_sid })| {
            json!({
                "by": "system", "text": scope.text(), "channel": scope.channel, "at": at, "message_sid": message_sid,
            })
        })
    }
}

impl PublishedScope {
    fn text(&self) -> &'static str {
        match self {
            Self { is_marketing: true, .. } => "opted out of marketing",
            Self { is_sms: true, .. } => "opted out of SMS",
            _ => "opted out",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::TimelineOutcome;

    const AVA: &str = "whatsapp:+14155550123";

    fn event(person: &str, details: Value) -> TimelineEvent {
        TimelineEvent::new("event", TimelineOutcome::Neutral, "").of(person, Some("SM1")).with(details)
    }

    #[test]
    fn opt_out_holds_until_the_same_is_opted_in() {
        let mut opt_outs = SystemOptOuts::default();
        let steps = [
            ("+14155550123", json!({"event_type": "contact_opted_out", "channel": "sms"}), "opted out of SMS"),
            (
                AVA,
                json!({"event_type": "contact_opted_out", "channel": "whatsapp", "scope": "marketing"}),
                "opted out of SMS",
            ),
            ("+14155550123", json!({"event_type": "contact_opted_in", "channel": "sms"}), "opted out of marketing"),
            (AVA, json!({"event_type": "contact_opted_out", "channel": "whatsapp"}), "opted out"),
            (AVA, json!({"event_type": "contact_opted_in", "channel": "whatsapp", "scope": "marketing"}), "opted out"),
            (AVA, json!({"event_type": "twilio_inbound", "channel": "whatsapp"}), "opted out"),
        ];
        for (person, details, text) in steps {
            opt_outs.note(&event(person, details.clone()), str::to_owned);
            let shown = opt_outs.shown(AVA);
            assert_eq!(
                (&shown["by"], &shown["text"], &shown["message_sid"]),
                (&json!("system"), &json!(text), &json!("SM1")),
                "{details}"
            );
        }
        opt_outs.note(&event(AVA, json!({"event_type": "contact_opted_in"})), str::to_owned);
        assert_eq!(opt_outs.shown(AVA), Value::Null);
        assert_eq!(opt_outs.shown("whatsapp:+14155550124"), Value::Null);
    }
}
