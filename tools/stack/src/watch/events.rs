//! Published events as timeline entries.

use sandbox::{EntryCause, TimelineEvent, TimelineOutcome};
use serde_json::Value;
use twilio_types::message_status::MessageStatus;

use super::messages;

/// The timeline entry of an event; none for a JSON value without an event type.
pub(super) fn timeline_event(event: &Value) -> Option<TimelineEvent> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let owned = |name: &str| text(name).map(str::to_owned);
    let event_type = text("event_type")?;
    let reason = || text("reason").unwrap_or("no reason given");
    let (words, outcome, person) = match event_type {
        "twilio_inbound" => (inbound(event), TimelineOutcome::Good, owned("from")),
        "twilio_status" => (status(event), outcome(event), owned("to")),
        "email_status" => {
            (format!("e-mail {}", text("status").unwrap_or_default()), TimelineOutcome::Neutral, recipient(event))
        }
        "twilio_unknown" => (unknown(event), TimelineOutcome::Bad, None),
        "media_stored" => (stored_file(event), TimelineOutcome::Good, owned("from")),
        "media_failed" => (failed_file(event), TimelineOutcome::Bad, owned("from")),
        "contact_opted_out" => (preference(event), TimelineOutcome::Refused, contact(event)),
        "contact_opted_in" => (preference(event), TimelineOutcome::Good, contact(event)),
        "contact_consent" => (consent(event), TimelineOutcome::Neutral, contact_on_whatsapp(event)),
        "notification_suppressed" => (reason().to_owned(), TimelineOutcome::Refused, recipient(event)),
        "notification_failed" => (reason().to_owned(), TimelineOutcome::Bad, recipient(event)),
        _ => (String::new(), TimelineOutcome::Neutral, None),
    };
    let of = text("notification_id").map(|id| format!("{id}: ")).unwrap_or_default();
    let summary = format!("{event_type}: {of}{words}");
    // An event about what was found later has Twilio's time.
    let is_found = event.get("recovered").and_then(Value::as_bool).unwrap_or_default();
    Some(TimelineEvent {
        person,
        message_sid: owned("message_sid"),
        notification_id: owned("notification_id"),
        details: event.clone(),
        at: text("occurred_at").filter(|_| !is_found).and_then(|at| at.parse().ok()),
        cause: cause(event_type, event),
        ..TimelineEvent::new("event", outcome, summary.trim_end_matches([':', ' ']))
    })
}

/// What an event goes back to. None for what follows from its message or its notification.
fn cause(event_type: &str, event: &Value) -> Option<EntryCause> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    match (event_type, text("message_sid")) {
        ("twilio_inbound" | "media_stored" | "media_failed", Some(sid)) => Some(EntryCause::webhook(sid)),
        ("twilio_status", Some(sid)) => Some(EntryCause::callback(sid, text("status").unwrap_or_default())),
        ("contact_opted_out" | "contact_opted_in", Some(sid)) if text("origin") == Some("message") => {
            Some(EntryCause::webhook(sid))
        }
        ("contact_consent", _) => text("evidence").map(EntryCause::contact_change),
        ("contact_opted_out" | "contact_opted_in", None) => text("event_id").map(EntryCause::contact_change),
        _ => None,
    }
}

/// What a person wrote, and what was attached to it.
fn inbound(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let files = match event.get("num_media").and_then(Value::as_u64) {
        None | Some(0) => String::new(),
        Some(1) => " with a file".to_owned(),
        Some(number) => format!(" with {number} files"),
    };
    let place = if event.get("location").is_some_and(Value::is_object) { " with a location" } else { "" };
    let opt_out = if event.get("possible_opt_out").is_some() { ", perhaps an opt-out" } else { "" };
    format!("{} wrote \"{}\"{files}{place}{opt_out}", text("from"), text("body"))
}

fn status(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let (status, current) = (text("status"), text("current_status"));
    // A status that is not known changes nothing.
    let late =
        if status == current || current.is_empty() { String::new() } else { format!(", and is {current} already") };
    let code = event.get("error_code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
    format!("{status}{late}{}", messages::error(code))
}

fn outcome(event: &Value) -> TimelineOutcome {
    let status = event.get("status").and_then(Value::as_str).and_then(|status| status.parse::<MessageStatus>().ok());
    status.map_or(TimelineOutcome::Neutral, |status| messages::outcome(status.stage()))
}

/// Where a person's file is stored, and by which hash it is recognised.
fn stored_file(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let bytes = event.get("bytes").and_then(Value::as_u64).unwrap_or_default();
    let cards = match event.get("contacts").and_then(Value::as_array).map_or(0, Vec::len) {
        0 => String::new(),
        1 => ", with a contact card".to_owned(),
        number => format!(", with {number} contact cards"),
    };
    let sha256 = text("sha256");
    let begin = sha256.get(..8).unwrap_or(sha256);
    format!("{} of {bytes} bytes as {}, SHA-256 {begin}...{cards}", text("content_type"), text("key"))
}

fn failed_file(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let index = event.get("index").and_then(Value::as_u64).unwrap_or_default();
    format!("file {index} was not stored, {}: {}", text("reason"), text("detail"))
}

/// What a form lacks that is neither a message nor a status.
fn unknown(event: &Value) -> String {
    let missing = event.get("unreadable_parameters").and_then(Value::as_array);
    let missing: Vec<_> = missing.into_iter().flatten().filter_map(Value::as_str).collect();
    format!("a form without a readable {}", missing.join(", "))
}

fn preference(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let scope = text("scope").map(|scope| format!(", {scope}")).unwrap_or_default();
    let code = event.get("code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
    format!(
        "{} on {}{scope}{}",
        text("contact").unwrap_or_default(),
        text("channel").unwrap_or_default(),
        messages::error(code)
    )
}

fn consent(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{} for {}, {}", text("contact"), text("category"), text("state"))
}

/// A consent holds for every channel.
fn contact_on_whatsapp(event: &Value) -> Option<String> {
    Some(format!("whatsapp:{}", event.get("contact")?.as_str()?))
}

fn contact(event: &Value) -> Option<String> {
    let (channel, contact) = (event.get("channel")?.as_str()?, event.get("contact")?.as_str()?);
    Some(if channel == "sms" { contact.to_owned() } else { format!("{channel}:{contact}") })
}

fn recipient(event: &Value) -> Option<String> {
    Some(format!("whatsapp:{}", event.get("to")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn event_of_each_type_has_a_summary_and_an_outcome() {
        let ava = "whatsapp:+14155550123";
        let cases = [
            (
                json!({"event_type": "twilio_inbound", "from": ava, "body": "Hi", "num_media": 0, "location": null}),
                TimelineOutcome::Good,
                "twilio_inbound: whatsapp:+14155550123 wrote \"Hi\"",
            ),
            (
                json!({"event_type": "twilio_inbound", "from": ava, "body": "", "num_media": 2, "possible_opt_out": true}),
                TimelineOutcome::Good,
                "twilio_inbound: whatsapp:+14155550123 wrote \"\" with 2 files, perhaps an opt-out",
            ),
            (
                json!({"event_type": "twilio_status", "to": ava, "status": "sent", "current_status": "read",
                       "notification_id": "order-1", "error_code": null}),
                TimelineOutcome::Neutral,
                "twilio_status: order-1: sent, and is read already",
            ),
            (
                json!({"event_type": "twilio_status", "to": ava, "status": "failed", "current_status": "failed",
                       "notification_id": null, "error_code": 63016}),
                TimelineOutcome::Bad,
                "twilio_status: failed, error 63016 (Free-form outside the allowed window)",
            ),
            (
                json!({"event_type": "contact_opted_out", "contact": "+14155550123", "channel": "whatsapp"}),
                TimelineOutcome::Refused,
                "contact_opted_out: +14155550123 on whatsapp",
            ),
            (
                json!({"event_type": "contact_consent", "contact": "+14155550123", "category": "marketing", "state": "given"}),
                TimelineOutcome::Neutral,
                "contact_consent: +14155550123 for marketing, given",
            ),
            (
                json!({"event_type": "notification_suppressed", "notification_id": "order-1", "to": "+14155550123",
                       "reason": "the recipient has opted out"}),
                TimelineOutcome::Refused,
                "notification_suppressed: order-1: the recipient has opted out",
            ),
            (
                json!({"event_type": "twilio_status", "to": ava, "status": "expired", "current_status": null}),
                TimelineOutcome::Neutral,
                "twilio_status: expired",
            ),
            (json!({"event_type": "something_new"}), TimelineOutcome::Neutral, "something_new"),
        ];
        for (event, outcome, summary) in cases {
            let entry = timeline_event(&event).unwrap();
            assert_eq!((entry.summary.as_str(), entry.outcome), (summary, outcome));
            if summary != "something_new" {
                assert_eq!(entry.person.as_deref(), Some(ava));
            }
            assert_eq!(entry.details, event);
        }
        assert_eq!(timeline_event(&json!("no event")), None);
    }

    #[test]
    fn file_of_a_person_is_shown_with_its_key_or_its_reason() {
        let stored = json!({
            "event_type": "media_stored", "from": "whatsapp:+14155550123", "content_type": "image/png", "bytes": 62,
            "key": "inbound/AC1/MM1/0", "sha256": "0011223344", "contacts": [{"name": "Ada"}],
        });
        let failed = json!({
            "event_type": "media_failed", "from": "whatsapp:+14155550123", "index": 1, "reason": "empty",
            "detail": "the file is empty",
        });
        let stored_words = "image/png of 62 bytes as inbound/AC1/MM1/0, SHA-256 00112233..., with a contact card";
        let failed_words = "file 1 was not stored, empty: the file is empty";
        for (event, outcome, words) in
            [(stored, TimelineOutcome::Good, stored_words), (failed, TimelineOutcome::Bad, failed_words)]
        {
            let entry = timeline_event(&event).unwrap();
            let summary = format!("{}: {words}", event["event_type"].as_str().unwrap());
            assert_eq!((entry.summary, entry.outcome), (summary, outcome));
            assert_eq!(entry.person.as_deref(), Some("whatsapp:+14155550123"));
        }
    }

    #[test]
    fn event_has_its_time_and_what_it_goes_back_to() {
        let at = "2026-11-20T09:00:00Z";
        let cases = [
            (json!({"event_type": "twilio_inbound"}), Some(EntryCause::webhook("SM1"))),
            (json!({"event_type": "twilio_status", "status": "read"}), Some(EntryCause::callback("SM1", "read"))),
            (json!({"event_type": "contact_opted_out", "origin": "message"}), Some(EntryCause::webhook("SM1"))),
            (json!({"event_type": "contact_opted_out", "origin": "error_code"}), None),
            (json!({"event_type": "media_stored"}), Some(EntryCause::webhook("SM1"))),
            (
                json!({"event_type": "contact_opted_in", "event_id": "e1", "message_sid": null}),
                Some(EntryCause::contact_change("e1")),
            ),
            (json!({"event_type": "notification_failed", "notification_id": "order-1"}), None),
        ];
        for (fields, cause) in cases {
            let mut event = json!({"message_sid": "SM1", "occurred_at": at});
            event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let entry = timeline_event(&event).unwrap();
            assert_eq!((entry.cause, entry.at), (cause, at.parse().ok()), "{event}");
        }
        let found = json!({"event_type": "twilio_inbound", "occurred_at": at, "recovered": true});
        assert_eq!(timeline_event(&found).unwrap().at, None);
    }

    #[test]
    fn form_that_is_not_understood_has_an_entry() {
        let event = json!({"event_type": "twilio_unknown", "unreadable_parameters": ["MessageSid", "From"]});
        let entry = timeline_event(&event).unwrap();
        assert_eq!(entry.summary, "twilio_unknown: a form without a readable MessageSid, From");
        assert_eq!((entry.outcome, entry.person), (TimelineOutcome::Bad, None));
    }
}
