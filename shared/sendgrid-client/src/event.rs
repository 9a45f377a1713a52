//! The events of the Event Webhook: a JSON array, in which each object is one event.
//!
//! Source: Twilio SendGrid, "Event Webhook Reference".

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

/// What happened to an e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    Processed,
    /// The receiving server asks to try later, which SendGrid does for up to three days.
    Deferred,
    Delivered,
    /// The receiving server refuses it: for good (`bounce`), or for now (`blocked`), and SendGrid tries no more.
    Bounce,
    /// SendGrid does not send it: the address is on a list, or the e-mail is invalid.
    Dropped,
    Open,
    Click,
    /// A word that is not known here, or an event that says nothing of the delivery.
    Other(String),
}

impl EventKind {
    /// SendGrid's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Processed => "processed",
            Self::Deferred => "deferred",
            Self::Delivered => "delivered",
            Self::Bounce => "bounce",
            Self::Dropped => "dropped",
            Self::Open => "open",
            Self::Click => "click",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for EventKind {
    fn from(word: &str) -> Self {
        match word {
            "processed" => Self::Processed,
            "deferred" => Self::Deferred,
            "delivered" => Self::Delivered,
            "bounce" => Self::Bounce,
            "dropped" => Self::Dropped,
            "open" => Self::Open,
            "click" => Self::Click,
            other => Self::Other(other.chars().take(64).collect()),
        }
    }
}

/// An event.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailEvent {
    pub kind: EventKind,
    /// When it happened, in seconds since 1970.
    pub timestamp: Option<i64>,
    /// The same for an event that comes twice.
    pub event_id: Option<String>,
    /// Begins with the `X-Message-Id` of the answer to the request. A late bounce has none.
    pub message_id: Option<String>,
    /// What the receiving server or SendGrid says: free text, which may hold the address.
    pub reason: Option<String>,
    /// Of a bounce: `bounce` or `blocked`.
    pub bounce_type: Option<String>,
    /// All other fields with a text, among them the custom arguments of the request.
    pub texts: BTreeMap<String, String>,
}

impl fmt::Debug for EmailEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailEvent").field("kind", &self.kind).field("event_id", &self.event_id).finish_non_exhaustive()
    }
}

/// The body is not a JSON array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON array of events")]
pub struct InvalidEvents;

/// The events of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParsedEvents {
    pub events: Vec<EmailEvent>,
    /// How many entries are no event: no object, or one without a text in `event`.
    pub unreadable: usize,
}

/// Reads the body of a request. An entry that is no event is counted, and the others are read.
pub fn parse_events(body: &[u8]) -> Result<ParsedEvents, InvalidEvents> {
    let items: Vec<Value> = serde_json::from_slice(body).map_err(|_| InvalidEvents)?;
    let mut parsed = ParsedEvents::default();
    for item in items {
        let event = if let Value::Object(item) = item { EmailEvent::read(item) } else { None };
        match event {
            Some(event) => parsed.events.push(event),
            None => parsed.unreadable += 1,
        }
    }
    Ok(parsed)
}

impl EmailEvent {
    fn read(item: Map<String, Value>) -> Option<Self> {
        let timestamp = item.get("timestamp").and_then(Value::as_i64);
        let text = |(name, value)| match value {
            Value::String(text) => Some((name, text)),
            _ => None,
        };
        let mut texts: BTreeMap<String, String> = item.into_iter().filter_map(text).collect();
        Some(Self {
            kind: texts.remove("event")?.as_str().into(),
            timestamp,
            event_id: texts.remove("sg_event_id"),
            message_id: texts.remove("sg_message_id"),
            reason: texts.remove("reason"),
            bounce_type: texts.remove("type"),
            texts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_with_their_custom_arguments() {
        let body = br#"[
            {"email": "ava@example.com", "timestamp": 1513299569, "event": "bounce", "sg_event_id": "e1",
             "sg_message_id": "14c5d75ce93.filter0001", "reason": "550 no such user", "type": "bounce",
             "notification": "order-1", "attempt": "1", "pool": {"id": 1}},
            {"event": "brand_new", "sg_event_id": "e2"}
        ]"#;
        let [bounce, other] = parse_events(body).unwrap().events.try_into().unwrap();
        assert_eq!((&bounce.kind, bounce.timestamp), (&EventKind::Bounce, Some(1_513_299_569)));
        assert_eq!(bounce.texts["notification"], "order-1");
        assert_eq!(
            (bounce.reason.as_deref(), bounce.bounce_type.as_deref()),
            (Some("550 no such user"), Some("bounce"))
        );
        assert_eq!(other.kind, EventKind::Other("brand_new".to_owned()));
        assert!(!format!("{bounce:?}").contains("ava@"));
    }

    #[test]
    fn what_is_no_list_of_events_is_refused() {
        for body in ["", "{}", "1", "[{\"event\": \"open\"}"] {
            assert_eq!(parse_events(body.as_bytes()), Err(InvalidEvents), "{body}");
        }
        assert_eq!(parse_events(b"[]"), Ok(ParsedEvents::default()));
    }

    #[test]
    fn entry_that_is_no_event_does_not_hide_the_others() {
        let parsed = parse_events(br#"[1, {"event": "open"}, {}, {"event": 1}, {"event": "click"}, null]"#).unwrap();
        let kinds: Vec<_> = parsed.events.into_iter().map(|event| event.kind).collect();
        assert_eq!((kinds, parsed.unreadable), (vec![EventKind::Open, EventKind::Click], 4));
    }
}
