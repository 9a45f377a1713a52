//! The record of a consent, a STOP or a START for a bucket that forgets nothing before its time.
//!
//! It names the person by the hash that names an erased person, so that it need not be deleted with the person: without the key of
//! the hash no record leads to a person. It has the fields of the event that are listed here, and no other: no reason, which an operator
//! wrote and which may name the person, and no id or sequence of the event, which may have the number in it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{contact_key::ContactKey, erasure::ErasureKey};

/// The format of a record.
const SCHEMA: &str = "evidence.v1";

/// The beginning of all keys.
pub const PREFIX: &str = "evidence/";

/// The fields of `docs/schema/contact.*.schema.json` that a record has.
const FIELDS: [&str; 17] = [
    "event_type",
    "account_sid",
    "occurred_at",
    "channel",
    "origin",
    "message_sid",
    "scope",
    "scopes",
    "code",
    "recorded_by",
    "category",
    "state",
    "source",
    "text_sha256",
    "text_version",
    "locale",
    "recorded_at",
];

/// A record, and the key of its object. The same event has the same key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRecord {
    pub key: String,
    pub record: Value,
}

impl EvidenceRecord {
    /// The record of an event; none if the event is no evidence.
    pub fn of_event(event: &Value, erasure: &ErasureKey) -> Option<Self> {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        if !matches!(text("event_type")?, "contact_opted_out" | "contact_opted_in" | "contact_consent") {
            return None;
        }
        let contact = ContactKey::stored(&format!("{}#{}", text("account_sid")?, text("contact")?));
        let fields = FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), event.get(*name)?.clone())));
        let mut record: Map<String, Value> = fields.collect();
        record.insert("schema".to_owned(), SCHEMA.into());
        record.insert("person".to_owned(), erasure.hash(&contact).into());
        let (at, id) = (text("occurred_at")?, erasure.hash_of_event(text("event_id")?));
        Some(Self { key: format!("{}{at}-{id}.json", prefix_of(&contact, erasure)), record: record.into() })
    }
}

/// The beginning of the keys of all records of an identity.
pub fn prefix_of(contact: &ContactKey, erasure: &ErasureKey) -> String {
    let account_sid = contact.as_str().split('#').next().unwrap_or_default();
    format!("{PREFIX}{account_sid}/{}/", erasure.hash(contact))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn erasure() -> ErasureKey {
        "k".repeat(32).try_into().unwrap()
    }

    fn opt_out() -> Value {
        json!({
            "event_type": "contact_opted_out", "schema": "contact.opted_out.v1",
            "event_id": "AC00000000000000000000000000000001#+14155550123#whatsapp#2026-11-20T09:00:00Z.contact_opted_out",
            "account_sid": "AC00000000000000000000000000000001", "occurred_at": "2026-11-20T09:00:00Z",
            "sequence": "2026-11-20T09:00:00.000000Z#+14155550123", "contact": "+14155550123", "channel": "whatsapp",
            "origin": "request", "scope": "all", "scopes": ["all"], "reason": "asked by Ava, +14155550123",
            "recorded_by": "arn:aws:iam::123456789012:user/help-desk",
        })
    }

    #[test]
    fn record_names_the_person_by_the_hash_alone() {
        let found = EvidenceRecord::of_event(&opt_out(), &erasure()).unwrap();
        let contact = ContactKey::stored("AC00000000000000000000000000000001#+14155550123");
        assert!(found.key.starts_with(&prefix_of(&contact, &erasure())), "{}", found.key);
        assert_eq!(found.record["person"], erasure().hash(&contact));
        assert_eq!(found.record["scopes"], json!(["all"]));
        let text = format!("{} {}", found.key, found.record);
        assert!(!text.contains("4155550123") && !text.contains("Ava"), "{text}");
    }

    #[test]
    fn each_event_has_one_key_and_each_person_one_prefix() {
        let key = |event: &Value| EvidenceRecord::of_event(event, &erasure()).unwrap().key;
        let mut other = opt_out();
        other["event_id"] = json!("another");
        assert_eq!(key(&opt_out()), key(&opt_out()));
        assert_ne!(key(&opt_out()), key(&other));
        other["contact"] = json!("+14155550124");
        assert_ne!(key(&opt_out()).split('/').nth(2), key(&other).split('/').nth(2));
    }

    #[test]
    fn event_of_a_message_is_no_evidence() {
        let mut event = opt_out();
        event["event_type"] = json!("twilio_inbound");
        assert_eq!(EvidenceRecord::of_event(&event, &erasure()), None);
        assert_eq!(EvidenceRecord::of_event(&json!({"event_type": "contact_consent"}), &erasure()), None);
    }
}
