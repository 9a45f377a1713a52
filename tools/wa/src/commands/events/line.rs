//! An event in one line, for people.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::output::readable;

/// How many characters of a message are shown.
const BODY_CHARS: usize = 60;

/// An event in short. The fields are the columns of CSV and TSV.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EventLine {
    pub(crate) time: String,
    pub(crate) event_type: String,
    /// A phone number or a user id, without the channel.
    pub(crate) contact: String,
    pub(crate) what: String,
}

/// Whether the texts of messages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodies {
    Hidden,
    Shown,
}

/// What a person wrote, in the JSON of an event. `raw` is the whole form.
const TEXTS: [&str; 11] = [
    "body",
    "raw",
    "button",
    "list_item",
    "flow",
    "flow_data",
    "interactive_data",
    "channel_metadata",
    "order",
    "reaction",
    "contacts",
];

/// The event without what a person wrote.
pub(super) fn without_texts(mut event: Value) -> Value {
    if let Some(fields) = event.as_object_mut() {
        fields.retain(|name, _| !TEXTS.contains(&name.as_str()));
    }
    event
}

impl EventLine {
    pub(crate) fn of(event: &Value, bodies: Bodies) -> Self {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let event_type = text("event_type");
        let contact = match event_type {
            "twilio_inbound" | "media_stored" | "media_failed" => text("from"),
            "twilio_status" | "email_status" | "notification_failed" | "notification_suppressed" => text("to"),
            _ => text("contact"),
        };
        let code = event.get("error_code").or_else(|| event.get("code")).and_then(Value::as_u64);
        let parts = match event_type {
            "twilio_inbound" => vec![text("message_sid").to_owned(), message(event, bodies)],
            "twilio_status" => {
                vec![text("status").to_owned(), text("message_sid").to_owned(), text("notification_id").to_owned()]
            }
            "media_stored" => {
                vec![text("message_sid").to_owned(), text("content_type").to_owned(), text("key").to_owned()]
            }
            "media_failed" => {
                vec![text("message_sid").to_owned(), text("reason").to_owned(), text("detail").to_owned()]
            }
            "email_status" => {
                vec![text("status").to_owned(), text("notification_id").to_owned(), text("reason").to_owned()]
            }
            "twilio_unknown" => vec![text("path").to_owned(), unreadable_parameters(event)],
            "contact_opted_out" | "contact_opted_in" => {
                vec![text("channel").to_owned(), text("scope").to_owned(), text("message_sid").to_owned()]
            }
            "contact_consent" => {
                vec![text("category").to_owned(), text("state").to_owned(), text("source").to_owned()]
            }
            _ => vec![text("notification_id").to_owned(), text("state").to_owned(), text("reason").to_owned()],
        };
        let code = code.map(|code| match event.get("error_title").and_then(Value::as_str) {
            Some(title) => format!("{code} {title}"),
            None => code.to_string(),
        });
        let what: Vec<_> = parts.into_iter().chain(code).filter(|part| !part.is_empty()).collect();
        Self {
            time: text("occurred_at").to_owned(),
            event_type: event_type.to_owned(),
            contact: without_channel(contact).to_owned(),
            what: what.join(" "),
        }
    }
}

impl fmt::Display for EventLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, event_type, contact, what } = self;
        write!(f, "{}  {event_type:<23}  {:<15}  {}", readable(time), readable(contact), readable(what))
    }
}

fn unreadable_parameters(event: &Value) -> String {
    let names = event.get("unreadable_parameters").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

fn message(event: &Value, bodies: Bodies) -> String {
    let body = event.get("body").and_then(Value::as_str).unwrap_or_default();
    let files = event.get("num_media").and_then(Value::as_u64).filter(|files| *files > 0);
    let files = files.map(|files| format!("[{files} files] ")).unwrap_or_default();
    if bodies == Bodies::Hidden {
        return if body.is_empty() { files } else { format!("{files}[{} characters]", body.chars().count()) };
    }
    let short: String = body.chars().take(BODY_CHARS).collect();
    let rest = if short.len() < body.len() { "…" } else { "" };
    format!("{files}{short}{rest}")
}

pub(crate) fn without_channel(address: &str) -> &str {
    address.split_once(':').map_or(address, |(_, identity)| identity)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_shown_with_its_contact_and_details() {
        let at = "2026-11-20T09:00:00Z";
        for (event, contact, what) in [
            (
                json!({"event_type": "media_stored", "from": "whatsapp:+14155550123", "message_sid": "MM1",
                       "content_type": "image/png", "key": "inbound/AC1/MM1/0"}),
                "+14155550123",
                "MM1 image/png inbound/AC1/MM1/0",
            ),
            (
                json!({"event_type": "media_failed", "from": "whatsapp:+14155550123", "message_sid": "MM1",
                       "reason": "empty", "detail": "the file is empty"}),
                "+14155550123",
                "MM1 empty the file is empty",
            ),
            (
                json!({"event_type": "twilio_inbound", "from": "whatsapp:+14155550123", "message_sid": "SM1",
                       "body": "Where is my order?", "num_media": 0}),
                "+14155550123",
                "SM1 Where is my order?",
            ),
            (
                json!({"event_type": "twilio_status", "to": "whatsapp:+14155550123", "message_sid": "SM1",
                       "notification_id": "order-1", "status": "failed", "error_code": 63016, "error_title": "Outside"}),
                "+14155550123",
                "failed SM1 order-1 63016 Outside",
            ),
            (
                json!({"event_type": "email_status", "to": "+14155550123", "notification_id": "order-1",
                       "status": "bounced", "reason": "the e-mail bounced"}),
                "+14155550123",
                "bounced order-1 the e-mail bounced",
            ),
            (json!({"event_type": "contact_opted_out", "contact": "US.1", "channel": "whatsapp"}), "US.1", "whatsapp"),
            (
                json!({"event_type": "notification_suppressed", "to": "+14155550123", "notification_id": "order-1",
                       "state": "suppressed", "reason": "the recipient has opted out", "code": null}),
                "+14155550123",
                "order-1 suppressed the recipient has opted out",
            ),
            (
                json!({"event_type": "twilio_unknown", "path": "/twilio/inbound",
                       "unreadable_parameters": ["MessageSid", "From"]}),
                "",
                "/twilio/inbound MessageSid,From",
            ),
            (json!({"event_type": "of_another_version"}), "", ""),
        ] {
            let mut dated = event.clone();
            dated["occurred_at"] = json!(at);
            let line = EventLine::of(&dated, Bodies::Shown);
            assert_eq!((line.time.as_str(), line.contact.as_str(), line.what.as_str()), (at, contact, what), "{event}");
        }
    }

    #[test]
    fn a_line_has_no_control_characters() {
        let event = json!({"event_type": "twilio_inbound", "from": "whatsapp:+14155550123", "message_sid": "SM1",
                           "body": "\u{1b}[2J", "occurred_at": "2026-11-20T09:00:00.123456789Z"});
        let shown = "2026-11-20T09:00:00Z  twilio_inbound           +14155550123     SM1 \u{fffd}[2J";
        assert_eq!(EventLine::of(&event, Bodies::Shown).to_string(), shown);
    }

    #[test]
    fn a_long_message_is_shortened() {
        let event = json!({"event_type": "twilio_inbound", "body": "é".repeat(100), "num_media": 2});
        let line = EventLine::of(&event, Bodies::Shown);
        assert_eq!(line.what, format!("[2 files] {}…", "é".repeat(60)));
    }

    #[test]
    fn a_text_is_hidden_unless_it_is_asked_for() {
        let event = json!({"event_type": "twilio_inbound", "message_sid": "SM1", "body": "secret words", "num_media": 1,
                           "raw": {"Body": "secret words"}, "button": {"text": "secret words", "payload": "secret words"},
                           "flow": {"name": "secret words"}, "order": {"text": "secret words"},
                           "reaction": {"emoji": "secret words"}, "contacts": [{"name": "secret words"}],
                           "channel_metadata": "secret words", "from": "whatsapp:+14155550123"});
        assert_eq!(EventLine::of(&event, Bodies::Hidden).what, "SM1 [1 files] [12 characters]");
        assert_eq!(EventLine::of(&event, Bodies::Shown).what, "SM1 [1 files] secret words");
        let hidden = without_texts(event);
        assert!(!hidden.to_string().contains("secret words"), "{hidden}");
        assert_eq!(hidden["from"], "whatsapp:+14155550123");
    }
}
