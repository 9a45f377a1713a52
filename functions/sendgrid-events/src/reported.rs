//! What an event says of an attempt of one of our notifications.

use std::collections::BTreeSet;

use domain::{
    email::{
        EmailStatus,
        custom_args::{ACCOUNT, ATTEMPT, NOTIFICATION},
    },
    limits::Retention,
    notification::NotificationId,
};
use jiff::Timestamp;
use sendgrid_client::{EmailEvent, EventKind};
use stores::messages::StoredEmailEvent;
use twilio_types::sid::AccountSid;

/// The longest text of a receiving server that is stored.
const MAX_ANSWER_CHARS: usize = 500;

/// The longest id of an e-mail that is stored. Those of SendGrid have less than 100 characters.
const MAX_ID_CHARS: usize = 200;

/// SendGrid's reasons for not sending an e-mail, which hold no address.
///
/// Source: Twilio SendGrid, "Event Webhook Reference", dropped events.
const DROP_REASONS: [&str; 7] = [
    "Unsubscribed Address",
    "Bounced Address",
    "Spam Reporting Address",
    "Invalid",
    "Recipient List over Package Quota",
    "Invalid SMTPAPI header",
    "Spam Content (if spam checker app enabled)",
];

/// The item of an event; none if the event is about no attempt of ours, or says nothing of the delivery.
pub(crate) fn item_of(
    event: &EmailEvent,
    verified: &BTreeSet<AccountSid>,
    now: Timestamp,
    retention: Retention,
) -> Option<StoredEmailEvent> {
    let text = |name: &str| event.texts.get(name).cloned();
    let account_sid = text(ACCOUNT)?.parse().ok().filter(|account_sid| verified.contains(account_sid))?;
    let notification_id = NotificationId::try_from(text(NOTIFICATION)?).ok()?;
    let attempt = text(ATTEMPT)?.parse().ok()?;
    let status = status_of(&event.kind)?;
    let happened_at = event.timestamp.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let of = (account_sid, notification_id, attempt);
    let answer = event.reason.clone().or_else(|| text("response"));
    let mut item = StoredEmailEvent::new(of, status, happened_at.unwrap_or(now), now, retention);
    item.email_id = event.message_id.as_ref().map(|id| id.chars().take(MAX_ID_CHARS).collect());
    item.server_answer = answer.map(|answer| answer.chars().take(MAX_ANSWER_CHARS).collect());
    item.reason = reason_of(event, status);
    Some(item)
}

/// A click says that the person has the e-mail, as an opening does.
fn status_of(kind: &EventKind) -> Option<EmailStatus> {
    Some(match kind {
        EventKind::Processed => EmailStatus::Processed,
        EventKind::Deferred => EmailStatus::Deferred,
        EventKind::Delivered => EmailStatus::Delivered,
        EventKind::Open | EventKind::Click => EmailStatus::Opened,
        EventKind::Bounce => EmailStatus::Bounced,
        EventKind::Dropped => EmailStatus::Dropped,
        EventKind::Other(_) => return None,
    })
}

/// Why an e-mail was not delivered, without the free text of the receiving server, which often repeats the address.
fn reason_of(event: &EmailEvent, status: EmailStatus) -> Option<String> {
    match status {
        EmailStatus::Dropped => {
            let known = event.reason.as_deref().filter(|reason| DROP_REASONS.contains(reason));
            Some(known.map_or_else(
                || "SendGrid dropped the e-mail".to_owned(),
                |reason| format!("SendGrid dropped the e-mail: {reason}"),
            ))
        }
        EmailStatus::Bounced => {
            let kind = if event.bounce_type.as_deref() == Some("blocked") { "was blocked" } else { "bounced" };
            let code = event.texts.get("status").filter(|code| is_status_code(code));
            Some(code.map_or_else(|| format!("the e-mail {kind}"), |code| format!("the e-mail {kind}, status {code}")))
        }
        _ => None,
    }
}

/// An enhanced status code of SMTP, as in `5.1.1`. Source: RFC 3463.
fn is_status_code(text: &str) -> bool {
    const MAX_BYTES: usize = 11;
    text.len() <= MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";

    fn read(change: &Value) -> Option<StoredEmailEvent> {
        let mut event = json!({
            "email": "ava@example.com", "timestamp": 1_790_000_000, "event": "delivered", "sg_message_id": "14c5d75ce93.f",
            "response": "250 OK", "account_sid": ACCOUNT_SID, "notification_id": "order-1", "notification_attempt": "1",
        });
        event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let parsed = sendgrid_client::parse_events(json!([event]).to_string().as_bytes()).unwrap();
        let [event] = parsed.events.try_into().unwrap();
        let now = Timestamp::from_second(1_790_000_100).unwrap();
        item_of(&event, &BTreeSet::from([ACCOUNT_SID.parse().unwrap()]), now, Retention::default())
    }

    #[test]
    fn event_names_its_attempt_and_what_happened() {
        let delivered = read(&json!({})).unwrap();
        assert_eq!((delivered.notification_id.as_str(), delivered.attempt), ("order-1", 1));
        assert_eq!((delivered.email_status, delivered.reason), (EmailStatus::Delivered, None));
        assert_eq!(delivered.occurred_at.as_second(), 1_790_000_000);
        assert_eq!(delivered.email_id.as_deref(), Some("14c5d75ce93.f"));
        for (word, status) in [
            ("open", EmailStatus::Opened),
            ("click", EmailStatus::Opened),
            ("processed", EmailStatus::Processed),
            ("deferred", EmailStatus::Deferred),
        ] {
            assert_eq!(read(&json!({"event": word})).unwrap().email_status, status, "{word}");
        }
    }

    /// SendGrid counts its own tries in a field of this name.
    #[test]
    fn deferred_event_is_of_its_attempt_and_not_of_sendgrids() {
        let deferred = read(&json!({"event": "deferred", "attempt": "5", "response": "400 try again later"})).unwrap();
        assert_eq!((deferred.attempt, deferred.email_status), (1, EmailStatus::Deferred));
    }

    #[test]
    fn reason_holds_no_text_of_the_receiving_server() {
        let bounce = read(&json!({"event": "bounce", "type": "bounce", "status": "5.1.1",
                                  "reason": "550 no such user ava@example.com"}))
        .unwrap();
        assert_eq!(bounce.reason.as_deref(), Some("the e-mail bounced, status 5.1.1"));
        assert_eq!(bounce.server_answer.as_deref(), Some("550 no such user ava@example.com"));
        let blocked = read(&json!({"event": "bounce", "type": "blocked", "status": "ava@example.com"})).unwrap();
        assert_eq!(blocked.reason.as_deref(), Some("the e-mail was blocked"));
        let dropped = read(&json!({"event": "dropped", "reason": "Bounced Address"})).unwrap();
        assert_eq!(dropped.reason.as_deref(), Some("SendGrid dropped the e-mail: Bounced Address"));
        let odd = read(&json!({"event": "dropped", "reason": "ava@example.com is odd"})).unwrap();
        assert_eq!(odd.reason.as_deref(), Some("SendGrid dropped the e-mail"));
    }

    #[test]
    fn event_of_another_system_or_account_is_left_out() {
        for change in [
            json!({"account_sid": "AC00000000000000000000000000000002"}),
            json!({"account_sid": 1}),
            json!({"notification_id": ""}),
            json!({"notification_attempt": "-1"}),
            json!({"event": "group_unsubscribe"}),
            json!({"event": "account_status_change"}),
        ] {
            assert_eq!(read(&change), None, "{change}");
        }
    }
}
