use domain::{notification::FallbackChannel, progress::Outcome};
use serde_json::json;

use super::*;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const MESSAGE: &str = "SM00000000000000000000000000000001";

fn event(event_type: &str, fields: &Value) -> ArchivedEvent {
    let mut event = json!({
        "event_type": event_type, "schema": "x.v1", "event_id": "id", "account_sid": ACCOUNT,
        "occurred_at": "2026-11-20T09:00:00Z", "received_at": "2026-11-20T09:00:00Z",
    });
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ArchivedEvent::read(event).unwrap()
}

fn scopes(event_type: &str, fields: &Value, configured: OptOutScope) -> Option<Vec<Scope>> {
    let mut fields = fields.clone();
    fields.as_object_mut().unwrap().extend(
        json!({"contact": "+14155550123", "channel": "whatsapp", "message_sid": MESSAGE}).as_object().unwrap().clone(),
    );
    match event(event_type, &fields).fact(configured).unwrap() {
        ArchivedFact::Preference(preference) => Some(preference.scopes),
        _ => None,
    }
}

#[test]
fn opt_out_without_its_scopes_covers_everything() {
    let sender = Scope::Sender("whatsapp:+14155238886".to_owned());
    let exact = json!({"scopes": ["whatsapp:+14155238886"]});
    for (fields, configured, opted_out, opted_in) in [
        (json!({}), OptOutScope::All, Some(vec![Scope::All]), Some(vec![Scope::All])),
        (json!({}), OptOutScope::Sender, Some(vec![Scope::All]), None),
        (json!({"scope": "sender"}), OptOutScope::All, Some(vec![Scope::All]), None),
        (
            json!({"scope": "marketing"}),
            OptOutScope::Sender,
            Some(vec![Scope::Marketing]),
            Some(vec![Scope::Marketing]),
        ),
        (exact, OptOutScope::All, Some(vec![sender.clone()]), Some(vec![sender])),
    ] {
        assert_eq!(scopes("contact_opted_out", &fields, configured), opted_out, "{fields}");
        assert_eq!(scopes("contact_opted_in", &fields, configured), opted_in, "{fields}");
    }
}

#[test]
fn status_names_the_message_of_its_notification() {
    let status = json!({"notification_id": "order-1", "attempt": 1, "message_sid": MESSAGE,
                        "to": "whatsapp:+14155550123", "status": "sent", "raw": {"MessageSid": MESSAGE}});
    let status = event("twilio_status", &status);
    let news = status.notification().unwrap().unwrap();
    assert_eq!(news.recipient, "+14155550123".parse().ok());
    assert_eq!((news.messages[0].attempt, news.messages[0].channel), (Some(1), FallbackChannel::WhatsApp));
    assert_eq!(status.group(), format!("{ACCOUNT}#+14155550123"));
    let fact = status.fact(OptOutScope::All).unwrap();
    assert!(matches!(fact, ArchivedFact::Status { origin: Some(CallbackOrigin { attempt: 1, .. }), .. }));
}

#[test]
fn status_of_an_earlier_release_proves_the_message_alone() {
    let status = json!({"notification_id": "order-1", "message_sid": MESSAGE, "raw": {"MessageSid": MESSAGE}});
    let status = event("twilio_status", &status);
    assert_eq!(status.notification().unwrap().unwrap().messages[0].attempt, None);
    assert!(matches!(status.fact(OptOutScope::All).unwrap(), ArchivedFact::Other));
    assert_eq!(status.group(), format!("{ACCOUNT}#{MESSAGE}"));
}

#[test]
fn failed_notification_names_each_of_its_messages() {
    let attempt = |sid: Option<&str>| {
        json!({"route": 0, "channel": "sms", "claimed_at": "2026-11-20T08:59:59Z", "at": "2026-11-20T09:00:02Z",
               "outcome": "failed", "message_sid": sid})
    };
    let failed = json!({"notification_id": "order-1", "to": "+14155550123", "outcome": "undelivered",
                        "reason": null, "attempts": [attempt(None), attempt(Some(MESSAGE))]});
    let news = event("notification_failed", &failed).notification().unwrap().unwrap();
    assert_eq!(news.messages.iter().map(|message| message.attempt).collect::<Vec<_>>(), [Some(1)]);
    assert_eq!(news.end, Some((Outcome::Undelivered, None)));
    assert!(event("twilio_inbound", &failed).notification().unwrap().is_none());
}

#[test]
fn consent_is_read_with_its_place_and_without_its_text() {
    let facet = "consent#marketing#2026-11-20T09:00:00.000Z#0a37";
    let consent = json!({"contact": "+14155550123", "category": "marketing", "state": "withdrawn", "source": "form",
                         "text_sha256": "00ff", "recorded_at": "2026-11-20T09:00:01Z", "evidence": facet});
    let archived = event("contact_consent", &consent);
    assert!(archived.is_of_contact());
    assert_eq!(archived.group(), format!("{ACCOUNT}#+14155550123"));
    let ArchivedFact::Consent(recorded) = archived.fact(OptOutScope::All).unwrap() else { panic!() };
    assert_eq!((recorded.facet.as_str(), recorded.contact.address()), (facet, "+14155550123"));
    assert_eq!(recorded.evidence.text_digest().as_deref(), Some("00ff"));
    assert_eq!(recorded.evidence.at, archived.occurred_at);
    assert!(event("contact_consent", &json!({"contact": "+14155550123"})).fact(OptOutScope::All).is_err());
}
