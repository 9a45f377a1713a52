//! Which texts Twilio may forget. Pure.

use jiff::{SignedDuration, Timestamp};
use stores::notifications::StoredNotification;
use twilio_client::MessageResource;
use twilio_types::{message_status::Stage, sid::MessageSid};

use crate::found::{INBOUND, is_final};

/// Longer than a message with an unknown outcome is looked for by its text: a message is tried for four hours at most.
pub(crate) const MINIMUM_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Where it stands that a message is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// In Messages.
    Received,
    /// In the notification that owns it.
    Sent,
}

/// Where to look whether the text of a message may be deleted; none if it has none, or if it must stay whatever is stored here.
/// A message from or to a sender that is not ours is another system's.
pub(crate) fn record_of(message: &MessageResource, is_ours: impl Fn(&str) -> bool, now: Timestamp) -> Option<Record> {
    let has_text = message.body.as_deref().is_some_and(|body| !body.is_empty());
    let is_old = message.happened_at().is_some_and(|at| now.duration_since(at) >= MINIMUM_AGE);
    if !has_text || !is_old {
        return None;
    }
    if message.direction == INBOUND {
        return is_ours(&message.to).then_some(Record::Received);
    }
    let is_from_us = message.from.as_deref().is_some_and(is_ours);
    (is_from_us && is_final(&message.status)).then_some(Record::Sent)
}

/// Whether a notification knows how its message ended.
pub(crate) fn is_settled(stored: &StoredNotification, message_sid: &MessageSid) -> bool {
    let mut attempts = stored.progress.attempts.iter();
    let of_message = attempts.find(|attempt| attempt.message_sid.as_ref() == Some(message_sid));
    of_message.and_then(|attempt| attempt.status).is_some_and(|status| status.stage() != Stage::Underway)
}

/// Whether the text of an inbound message was deleted at Twilio as it is here: that is a change of the message, later than any
/// other. A message with files may never have had a text, and is one without it too.
pub(crate) fn is_redacted(message: &MessageResource) -> bool {
    let is_empty = message.body.as_deref().unwrap_or_default().is_empty() && message.num_media == 0;
    let changed_after = message.changed_at().zip(message.happened_at()).map(|(changed, at)| changed.duration_since(at));
    is_empty && changed_after.is_some_and(|after| after >= MINIMUM_AGE)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SENDER: &str = "whatsapp:+14155238886";

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn message(change: &Value) -> MessageResource {
        let mut message = json!({
            "sid": "SM00000000000000000000000000000001", "status": "received", "direction": "inbound",
            "from": "whatsapp:+14155550123", "to": SENDER, "body": "STOP",
            "date_created": "Fri, 20 Nov 2026 09:00:00 +0000", "date_sent": "Fri, 20 Nov 2026 09:00:00 +0000",
            "date_updated": "Fri, 20 Nov 2026 09:00:00 +0000"
        });
        message.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(message).unwrap()
    }

    fn sent(status: &str, from: &str) -> Value {
        json!({"direction": "outbound-api", "status": status, "from": from, "to": "whatsapp:+14155550123"})
    }

    #[test]
    fn text_is_deleted_of_old_ended_messages_of_our_senders() {
        let record = |change: &Value, now: &str| record_of(&message(change), |address| address == SENDER, at(now));
        let later = "2026-11-21T09:00:00Z";
        let cases = [
            (json!({}), Some(Record::Received)),
            (json!({"to": "whatsapp:+14155238887"}), None),
            (json!({"body": ""}), None),
            (json!({"body": null}), None),
            (json!({"date_sent": null, "date_created": null}), None),
            (sent("delivered", SENDER), Some(Record::Sent)),
            (sent("read", SENDER), Some(Record::Sent)),
            (sent("failed", SENDER), Some(Record::Sent)),
            (sent("sent", SENDER), None),
            (sent("scheduled", SENDER), None),
            (sent("teleported", SENDER), None),
            (sent("delivered", "whatsapp:+14155238887"), None),
        ];
        for (change, expected) in cases {
            assert_eq!(record(&change, later), expected, "{change}");
            assert_eq!(record(&change, "2026-11-21T08:59:59Z"), None, "it is too young: {change}");
        }
    }

    #[test]
    fn message_whose_text_went_a_day_later_is_redacted() {
        let cases = [
            (json!({"body": "", "date_updated": "Sat, 21 Nov 2026 09:00:00 +0000"}), true),
            (json!({"body": null, "date_updated": "Sat, 21 Nov 2026 09:00:00 +0000"}), true),
            (json!({"date_updated": "Sat, 21 Nov 2026 09:00:00 +0000"}), false),
            // A picture without a text.
            (json!({"body": "", "num_media": "1", "date_updated": "Sat, 21 Nov 2026 09:00:00 +0000"}), false),
            // A location has no text.
            (json!({"body": "", "date_updated": "Fri, 20 Nov 2026 10:00:00 +0000"}), false),
            (json!({"body": "", "date_updated": null}), false),
        ];
        for (change, expected) in cases {
            assert_eq!(is_redacted(&message(&change)), expected, "{change}");
        }
    }
}
