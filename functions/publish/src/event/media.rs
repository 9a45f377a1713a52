//! The event of a file that a person sent.

use domain::{media::MediaKey, media_failure::MediaFailure, trace_id::TraceId};
use serde::Serialize;
use serde_json::Value;
use stores::messages::{MediaOutcome, StoredMedia};
use twilio_types::sid::MessageSid;

use super::{Detail, Event, sequence};

#[derive(Clone, Serialize)]
pub(super) struct MediaDetail {
    message_sid: MessageSid,
    /// The file's place in `media` of the message's event.
    index: u32,
    from: String,
    to: String,
    claimed_content_type: Option<String>,
    #[serde(flatten)]
    outcome: MediaOutcomeDetail,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum MediaOutcomeDetail {
    Stored {
        key: MediaKey,
        content_type: String,
        bytes: u64,
        sha256: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        contacts: Vec<Value>,
    },
    Failed {
        reason: MediaFailure,
        detail: String,
        content_type: Option<String>,
    },
}

impl Event {
    /// A file that a person sent is stored, or cannot be.
    pub(crate) fn media(media: StoredMedia) -> Self {
        let event_id = format!("{}.media.{}", media.message_sid, media.index);
        let (event_type, schema, outcome) = match media.outcome.clone() {
            MediaOutcome::Stored { key, content_type, bytes, sha256, contacts } => (
                "media_stored",
                "media.stored.v1",
                MediaOutcomeDetail::Stored { key, content_type, bytes, sha256, contacts },
            ),
            MediaOutcome::Failed { reason, detail, content_type } => {
                ("media_failed", "media.failed.v1", MediaOutcomeDetail::Failed { reason, detail, content_type })
            }
        };
        Self {
            event_type,
            schema,
            sequence: sequence(media.decided_at, &event_id),
            trace_id: Some(TraceId::of_message(&media.account_sid, &media.message_sid)),
            event_id,
            group: media.contact().as_str().to_owned(),
            account_sid: media.account_sid,
            occurred_at: media.decided_at,
            detail: Detail::Media(Box::new(MediaDetail {
                message_sid: media.message_sid,
                index: media.index,
                from: media.from,
                to: media.to,
                claimed_content_type: media.claimed_content_type,
                outcome,
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(outcome: &Value) -> Value {
        let media = json!({
            "event": "media#1", "account_sid": "AC00000000000000000000000000000001",
            "message_sid": "MM00000000000000000000000000000001", "index": 1, "person": "AC1#+14155550123",
            "from": "whatsapp:+14155550123", "to": "whatsapp:+14155238886", "decided_at": "2026-11-20T09:00:03Z",
            "expires_at": 1_795_000_000, "claimed_content_type": "text/x-vcard", "outcome": outcome,
        });
        let event = Event::media(serde_json::from_value(media).unwrap());
        assert_eq!(event.group(), "AC1#+14155550123", "as the events of the messages of this person");
        serde_json::from_str(&event.to_json().unwrap()).unwrap()
    }

    #[test]
    fn stored_file_has_its_key_its_hash_and_its_cards() {
        let cards = json!([{"name": "Ada", "phones": [{"number": "+14155550199", "wa_id": "14155550199"}]}]);
        let event = event(&json!({"stored": {
            "key": "inbound/AC1/MM1/1", "content_type": "text/vcard", "bytes": 62, "sha256": "00ff", "contacts": cards,
        }}));
        let expected = json!({
            "event_type": "media_stored", "schema": "media.stored.v1",
            "event_id": "MM00000000000000000000000000000001.media.1",
            "account_sid": "AC00000000000000000000000000000001", "occurred_at": "2026-11-20T09:00:03Z",
            "sequence": "2026-11-20T09:00:03.000000Z#MM00000000000000000000000000000001.media.1",
            "trace_id": "ca687cec96040a3c79048d2d7382aa46",
            "message_sid": "MM00000000000000000000000000000001", "index": 1, "from": "whatsapp:+14155550123",
            "to": "whatsapp:+14155238886", "claimed_content_type": "text/x-vcard", "key": "inbound/AC1/MM1/1",
            "content_type": "text/vcard", "bytes": 62, "sha256": "00ff",
            "contacts": cards,
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn failed_file_has_its_reason() {
        let event = event(&json!({"failed": {"reason": "type_mismatch", "detail": "no", "content_type": "image/png"}}));
        assert_eq!((&event["event_type"], &event["schema"]), (&json!("media_failed"), &json!("media.failed.v1")));
        assert_eq!((&event["reason"], &event["detail"]), (&json!("type_mismatch"), &json!("no")));
        assert_eq!(event["content_type"], "image/png");
        assert!(event.get("key").is_none() && event.get("contacts").is_none(), "{event}");
    }
}
