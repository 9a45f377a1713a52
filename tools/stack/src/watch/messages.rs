//! Items of the Messages table as timeline entries.

use domain::preference::Preference;
use sandbox::{EntryCause, TimelineEvent, TimelineOutcome};
use stores::messages::{MediaOutcome, MessageEvent, Source, StoredEmailEvent, StoredForm, StoredMedia, StoredMessage};
use twilio_types::{error_code::ErrorCode, message_status::Stage};
use twilio_webhook::form::Form;

use super::{short, streams::ItemChange};

pub(super) fn timeline_event(change: &ItemChange) -> Option<TimelineEvent> {
    if StoredForm::is_in(&change.new) {
        return Some(form_event(change));
    }
    if StoredMedia::is_in(&change.new) {
        return media_event(change);
    }
    if StoredEmailEvent::is_in(&change.new) {
        return email_event(change);
    }
    let stored: StoredMessage = change.read()?;
    let key = format!("{} {}", stored.subject(), stored.event);
    // `raw` is left out, because the webhook's entry on the timeline shows the form.
    let details = change.details("Messages", &key, &["raw", "raw_more", "expires_at"]);
    let form = Form::from(stored.raw);
    let of = short(stored.message_sid.as_str());
    let found = if stored.source == Source::Reconcile { ", found at Twilio after its webhook was lost" } else { "" };
    let sid = &stored.message_sid;
    let (what, outcome, person, cause) = match stored.event {
        MessageEvent::Inbound => (
            format!("inbound of {of} stored{}", preference(stored.preference)),
            TimelineOutcome::Good,
            "From",
            EntryCause::webhook(sid),
        ),
        MessageEvent::Status(status) | MessageEvent::AttemptStatus(_, status) => (
            format!("status {status} of {of} stored{}", error(stored.error_code)),
            outcome(status.stage()),
            "To",
            EntryCause::callback(sid, status),
        ),
    };
    Some(TimelineEvent {
        person: form.get_filled(person).map(str::to_owned),
        message_sid: Some(sid.to_string()),
        notification_id: stored.notification_id.map(String::from),
        details,
        // What was found has Twilio's time, and was stored when it is shown.
        at: (stored.source == Source::Webhook).then_some(stored.received_at),
        cause: Some(cause),
        ..TimelineEvent::new("item", outcome, format!("Messages: {what}{found}"))
    })
}

/// The entry of a file that a person sent. Its person and its message are known by the message's SID.
fn media_event(change: &ItemChange) -> Option<TimelineEvent> {
    let media: StoredMedia = change.read()?;
    let of = short(media.message_sid.as_str());
    let (what, outcome) = match &media.outcome {
        MediaOutcome::Stored { .. } => ("is stored in the media bucket".to_owned(), TimelineOutcome::Good),
        MediaOutcome::Failed { reason, .. } => (format!("is not stored, {reason}"), TimelineOutcome::Bad),
    };
    let key = format!("{} media#{}", media.subject(), media.index);
    Some(TimelineEvent {
        person: Some(media.from.clone()),
        message_sid: Some(media.message_sid.to_string()),
        details: change.details("Messages", &key, &["expires_at"]),
        at: Some(media.decided_at),
        cause: Some(EntryCause::webhook(&media.message_sid)),
        ..TimelineEvent::new("item", outcome, format!("Messages: file {} of {of} {what}", media.index))
    })
}

/// The entry of a report on an e-mail.
fn email_event(change: &ItemChange) -> Option<TimelineEvent> {
    let stored: StoredEmailEvent = change.read()?;
    let status = stored.email_status;
    let summary = format!("Messages: e-mail {status} of {} stored", stored.notification_id);
    Some(TimelineEvent {
        notification_id: Some(stored.notification_id.to_string()),
        details: change.details("Messages", &stored.subject().to_string(), &["server_answer", "expires_at"]),
        at: Some(stored.received_at),
        ..TimelineEvent::new("item", outcome(status.message_status().stage()), summary)
    })
}

/// The entry of a form that is neither a message nor a status.
fn form_event(change: &ItemChange) -> TimelineEvent {
    let path = change.text("path").unwrap_or_default();
    let subject = change.text("subject").unwrap_or_default();
    let summary = format!("Messages: a form to {path} stored that is neither a message nor a status");
    TimelineEvent {
        details: change.details("Messages", subject, &["raw", "raw_more", "expires_at"]),
        at: change.text("received_at").and_then(|at| at.parse().ok()),
        ..TimelineEvent::new("item", TimelineOutcome::Bad, summary)
    }
}

fn preference(preference: Option<Preference>) -> &'static str {
    match preference {
        Some(Preference::OptedOut) => ", recognised as STOP",
        Some(Preference::OptedIn) => ", recognised as START",
        None => "",
    }
}

/// An error code with its title, or an empty string.
pub(super) fn error(code: Option<u32>) -> String {
    let Some(code) = code else { return String::new() };
    let title = code.to_string().parse::<ErrorCode>().ok().and_then(ErrorCode::title);
    title.map_or_else(|| format!(", error {code}"), |title| format!(", error {code} ({title})"))
}

/// The outcome that the timeline shows for a message status.
pub(super) fn outcome(stage: Stage) -> TimelineOutcome {
    match stage {
        Stage::Lost => TimelineOutcome::Bad,
        Stage::Arrived => TimelineOutcome::Good,
        Stage::Underway => TimelineOutcome::Neutral,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::watch::tests::change;

    const SID: &str = "SM0000000000000000000000000000beef";

    fn item(event: &str, fields: &Value) -> Value {
        let mut item = json!({
            "message_sid": SID, "event": event, "expires_at": 1_795_000_000,
            "account_sid": "AC00000000000000000000000000000001", "received_at": "2026-11-20T09:00:00Z",
            "raw": {"From": "whatsapp:+14155550123", "To": "whatsapp:+14155550199", "Body": "Hi"},
        });
        item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        item
    }

    #[test]
    fn file_of_a_message_has_an_entry() {
        let stored = json!({"stored": {"key": "inbound/1", "content_type": "image/png", "bytes": 62, "sha256": "00"}});
        let failed = json!({"failed": {"reason": "too_large", "detail": "no"}});
        let fields = json!({
            "index": 0, "person": "AC1#+14155550123", "from": "whatsapp:+14155550123", "to": "whatsapp:+14155550199",
            "decided_at": "2026-11-20T09:00:03Z",
        });
        for (outcome, good, what) in [
            (stored, TimelineOutcome::Good, "is stored in the media bucket"),
            (failed, TimelineOutcome::Bad, "is not stored, too_large"),
        ] {
            let mut item = item("media#0", &fields);
            item["outcome"] = outcome;
            let entry = timeline_event(&change(None, &item)).unwrap();
            assert_eq!((entry.summary, entry.outcome), (format!("Messages: file 0 of SM...00beef {what}"), good));
            assert_eq!(entry.cause, Some(EntryCause::webhook(SID)));
        }
    }

    #[test]
    fn message_item_has_a_summary_and_an_outcome() {
        let cases = [
            ("inbound", json!({}), TimelineOutcome::Good, "inbound of SM...00beef stored"),
            (
                "inbound",
                json!({"preference": "opted_out"}),
                TimelineOutcome::Good,
                "inbound of SM...00beef stored, recognised as STOP",
            ),
            (
                "inbound",
                json!({"preference": "opted_in"}),
                TimelineOutcome::Good,
                "inbound of SM...00beef stored, recognised as START",
            ),
            (
                "SM0000000000000000000000000000beef#sent",
                json!({"notification_id": "order-1", "attempt": 0}),
                TimelineOutcome::Neutral,
                "status sent of SM...00beef stored",
            ),
            ("status#read", json!({}), TimelineOutcome::Good, "status read of SM...00beef stored"),
            (
                "status#failed",
                json!({"error_code": 99_999, "source": "reconcile"}),
                TimelineOutcome::Bad,
                "status failed of SM...00beef stored, error 99999, found at Twilio after its webhook was lost",
            ),
        ];
        for (event, fields, outcome, words) in cases {
            let entry = timeline_event(&change(None, &item(event, &fields))).unwrap();
            assert_eq!((entry.summary, entry.outcome), (format!("Messages: {words}"), outcome));
            let inbound = event == "inbound";
            assert_eq!(entry.person.unwrap(), if inbound { "whatsapp:+14155550123" } else { "whatsapp:+14155550199" });
            assert_eq!(entry.message_sid.unwrap(), "SM0000000000000000000000000000beef");
            let status =
                words.strip_prefix("status ").and_then(|words| words.split_once(' ')).map(|(status, _)| status);
            let cause = status.map_or(EntryCause::webhook(SID), |status| EntryCause::callback(SID, status));
            assert_eq!(entry.cause, Some(cause));
            let is_found = fields["source"] == "reconcile";
            assert_eq!(entry.at, (!is_found).then_some("2026-11-20T09:00:00Z".parse().unwrap()), "{words}");
            assert_eq!(entry.notification_id, fields["notification_id"].as_str().map(str::to_owned));
            let subject =
                fields["notification_id"].as_str().map_or("SM0000000000000000000000000000beef", |_| "order-1#0");
            assert_eq!(entry.details["key"], format!("AC00000000000000000000000000000001#{subject} {event}"));
            assert_eq!(entry.details["item"]["raw"], Value::Null);
        }
    }

    #[test]
    fn form_of_no_message_has_an_entry_without_its_values() {
        let fields = json!({"subject": "AC1#form#00", "path": "/twilio/inbound"});
        let entry = timeline_event(&change(None, &item("unknown", &fields))).unwrap();
        assert_eq!(
            (entry.summary.as_str(), entry.outcome),
            ("Messages: a form to /twilio/inbound stored that is neither a message nor a status", TimelineOutcome::Bad)
        );
        assert_eq!((entry.person, entry.message_sid, &entry.details["item"]["raw"]), (None, None, &Value::Null));
    }

    #[test]
    fn unreadable_message_item_has_no_entry() {
        assert_eq!(timeline_event(&change(None, &item("lost", &json!({})))), None);
    }
}
