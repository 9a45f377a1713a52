//! Consents, STOPs and STARTs in the evidence bucket, if there is one. What the bucket does not accept is kept on the queue of unpublished
//! records with an alarm, as the archive's events are, and the stream goes on.

use domain::{erasure::ErasureKey, evidence::EvidenceRecord};
use futures::future::join_all;
use serde_json::json;
use shared::{
    evidence::EvidenceBucket,
    queues::{MessageBody, NOTE_FORMAT},
    report::Chain,
};

use crate::{Prepared, fifo::PreparedEvent};

const REASON: &str = "the evidence bucket did not accept these records: write each as its object";

/// The schemas of the events that are evidence.
const SCHEMAS: [&str; 3] = ["contact.opted_out.v1", "contact.opted_in.v1", "contact.consent.v1"];

/// Records in one note. A record has at most 9 KB: its longest texts are a source of 200 characters and the ARN of a caller. So a note is
/// below the 1,048,576 bytes of a message (Amazon SQS API Reference, "`SendMessage`").
const NOTE_RECORDS: usize = 50;

/// Writes evidence.
#[derive(Debug)]
pub(crate) struct EvidenceWriter {
    pub(crate) bucket: EvidenceBucket,
    pub(crate) erasure: ErasureKey,
}

impl EvidenceWriter {
    /// Stores the evidence of these records, and gives the notes of what the bucket did not accept.
    pub(crate) async fn write(&self, done: &[Prepared]) -> Vec<MessageBody> {
        let records: Vec<_> =
            done.iter().flat_map(Prepared::events).filter_map(|event| record_of(event, &self.erasure)).collect();
        let answers = join_all(records.iter().map(|record| self.bucket.put(record))).await;
        let mut kept = Vec::new();
        for (record, answer) in records.iter().zip(answers) {
            let Err(error) = answer else { continue };
            tracing::error!(
                error = %Chain(&error),
                alarm = "unarchived",
                "the evidence bucket did not accept a record: it is on the queue of unpublished records"
            );
            kept.push(record);
        }
        kept.chunks(NOTE_RECORDS).map(note).collect()
    }
}

fn record_of(event: &PreparedEvent, erasure: &ErasureKey) -> Option<EvidenceRecord> {
    if !SCHEMAS.contains(&event.schema) {
        return None;
    }
    EvidenceRecord::of_event(&serde_json::from_str(event.message.body.as_str()).ok()?, erasure)
}

fn note(records: &[&EvidenceRecord]) -> MessageBody {
    MessageBody::json(json!({"format": NOTE_FORMAT.version(), "reason": REASON, "evidence": records}).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::unpublished::tests::prepared;

    #[test]
    fn only_events_of_contacts_are_evidence() {
        let erasure = ErasureKey::try_from("k".repeat(32)).unwrap();
        let mut record = prepared("1", Ok(&["a", "b"]));
        let events = record.events.as_mut().unwrap();
        events[1].schema = "contact.consent.v1";
        let body = json!({"event_type": "contact_consent", "event_id": "b", "occurred_at": "2026-11-20T09:00:00Z",
                          "account_sid": "AC00000000000000000000000000000001", "contact": "+14155550123"});
        for event in events.iter_mut() {
            event.message.body = MessageBody::json(body.to_string());
        }
        let found: Vec<_> = record.events().iter().map(|event| record_of(event, &erasure).is_some()).collect();
        assert_eq!(found, [false, true]);
    }

    #[test]
    fn note_holds_records_with_the_keys_of_their_objects() {
        let record = EvidenceRecord { key: "evidence/AC1/00/1.json".to_owned(), record: json!({"state": "given"}) };
        let note: Value = serde_json::from_str(note(&[&record]).as_str()).unwrap();
        assert_eq!(note["evidence"], json!([{"key": "evidence/AC1/00/1.json", "record": {"state": "given"}}]));
        assert!(note["archive_key"].is_null() && note["keys"].is_null());
    }
}
