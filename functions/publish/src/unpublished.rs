//! What can never be published: it is set aside by itself, with an alarm, and the next record goes on.

use domain::trace_id::TraceId;
use serde_json::json;
use shared::{
    log::{loggable_event_id, traced, untraced},
    queues::{MessageBody, NOTE_FORMAT, Publication},
    report::Chain,
};

use crate::{Prepared, fifo::PreparedEvent, record::RecordLocation};

/// An event that SQS or EventBridge can never accept, or a record of which no event can be made.
pub(crate) struct Unpublished<'a> {
    pub(crate) location: &'a RecordLocation,
    /// The event that can never be published; it is in the archive.
    event_id: Option<&'a str>,
    trace_id: Option<&'a TraceId>,
    /// Why, without anything that a person said.
    reason: String,
}

impl<'a> Unpublished<'a> {
    /// An event that is published, and that neither the archive nor a note can hold.
    pub(crate) fn not_archived(location: &'a RecordLocation, event: &'a PreparedEvent) -> Self {
        Self::event(location, event, "the archive did not accept this event, which is published".to_owned())
    }

    fn event(location: &'a RecordLocation, event: &'a PreparedEvent, reason: String) -> Self {
        Self { location, event_id: Some(&event.id), trace_id: event.trace_id.as_ref(), reason }
    }

    pub(crate) fn event_id(&self) -> Option<&str> {
        self.event_id
    }

    /// Logs it with an alarm, in the trace of its event.
    pub(crate) fn log(&self) {
        self.trace_id.map_or_else(untraced, traced).in_scope(|| self.log_in_trace());
    }

    fn log_in_trace(&self) {
        let (sequence_number, reason) = (&self.location.sequence_number, &self.reason);
        match self.event_id {
            Some(event_id) => {
                tracing::error!(
                    sequence_number,
                    event_id = loggable_event_id(event_id),
                    reason,
                    alarm = "unpublished",
                    "an event is set aside: it can never be published"
                );
            }
            None => {
                tracing::error!(
                    sequence_number,
                    reason,
                    alarm = "unpublished",
                    "a stream record is set aside: no event can be made of it"
                );
            }
        }
    }

    /// The note for an operator. It points at the event and does not hold it, so that SQS always accepts the note:
    /// an event is a line of the archive's object `archive_key`, and what the record says is in the item with these keys.
    pub(crate) fn note(&self, archive_key: Option<&str>) -> MessageBody {
        let RecordLocation { stream, sequence_number, keys, .. } = self.location;
        let note = json!({
            "format": NOTE_FORMAT.version(),
            "reason": self.reason,
            "table": self.location.table(),
            "keys": keys,
            "stream": stream,
            "sequence_number": sequence_number,
            "event_id": self.event_id,
            "archive_key": self.event_id.and(archive_key),
        });
        MessageBody::json(note.to_string())
    }
}

/// Gives how many of the records, from the first on, need no retry, and what of them can never be published.
pub(crate) fn settle<'a>(prepared: &'a [Prepared], publication: &Publication) -> (usize, Vec<Unpublished<'a>>) {
    let mut unpublished = Vec::new();
    let mut first_event = 0;
    for (index, record) in prepared.iter().enumerate() {
        let location = &record.location;
        let end = first_event + record.events().len();
        if end > publication.decided {
            return (index, unpublished);
        }
        if let Err(error) = &record.events {
            let reason = Chain(error).to_string();
            unpublished.push(Unpublished { location, event_id: None, trace_id: None, reason });
        }
        for (place, event) in (first_event..).zip(record.events()) {
            if let Some(reason) = publication.refused.get(&place) {
                unpublished.push(Unpublished::event(location, event, reason.clone()));
            }
        }
        first_event = end;
    }
    (prepared.len(), unpublished)
}

#[cfg(test)]
pub(crate) mod tests {
    use shared::queues::EventMessage;

    use super::*;
    use crate::{error::EventError, fifo::PreparedEvent};

    pub(crate) fn prepared(sequence_number: &str, events: Result<&[&str], EventError>) -> Prepared {
        let location = RecordLocation {
            stream: "arn:aws:dynamodb:us-east-1:000000000000:table/Messages-1/stream/2026-11-20".to_owned(),
            changed_at: 0,
            sequence_number: sequence_number.to_owned(),
            keys: serde_json::from_str(r#"{"message_sid": {"S": "SM1"}}"#).unwrap(),
        };
        let event = |id: &&str| PreparedEvent {
            id: (*id).to_owned(),
            schema: "twilio.inbound.v1",
            trace_id: None,
            occurred_at: jiff::Timestamp::UNIX_EPOCH,
            message: EventMessage {
                body: MessageBody::json(json!({"event_id": id}).to_string()),
                group: String::new(),
                deduplication_id: (*id).to_owned(),
            },
        };
        Prepared { location, events: events.map(|ids| ids.iter().map(event).collect()) }
    }

    pub(crate) fn refused<'a>(record: &'a Prepared, event_id: &'a str) -> Unpublished<'a> {
        let location = &record.location;
        Unpublished { location, event_id: Some(event_id), trace_id: None, reason: "too long".to_owned() }
    }

    fn unwritable() -> EventError {
        EventError::Json(serde_json::from_str::<u8>("x").unwrap_err())
    }

    fn shown<'a>(unpublished: &'a [Unpublished<'_>]) -> Vec<(&'a str, Option<&'a str>)> {
        unpublished.iter().map(|one| (one.location.sequence_number.as_str(), one.event_id)).collect()
    }

    #[test]
    fn a_refused_event_is_set_aside_by_itself() {
        let records = [prepared("1", Ok(&["a", "b"])), prepared("2", Ok(&[])), prepared("3", Ok(&["c"]))];
        let refused = [(1, "too long".to_owned())].into();
        let publication = Publication { decided: 3, refused, error: None };
        let (done, unpublished) = settle(&records, &publication);
        assert_eq!((done, shown(&unpublished)), (3, vec![("1", Some("b"))]));
    }

    #[test]
    fn an_unwritable_event_counts_no_other_record_as_done() {
        let records = [prepared("1", Ok(&["a"])), prepared("2", Err(unwritable())), prepared("3", Ok(&["c"]))];
        for (decided, done, aside) in [(0, 0, vec![]), (1, 2, vec![("2", None)]), (2, 3, vec![("2", None)])] {
            let publication = Publication { decided, ..Publication::default() };
            let (settled, unpublished) = settle(&records, &publication);
            assert_eq!((settled, shown(&unpublished)), (done, aside), "{decided} events decided");
        }
    }

    #[test]
    fn a_record_that_comes_again_is_not_noted() {
        let records = [prepared("1", Ok(&["a", "b"]))];
        let publication = Publication { decided: 1, refused: [(0, "too long".to_owned())].into(), error: None };
        let (done, unpublished) = settle(&records, &publication);
        assert_eq!((done, unpublished.len()), (0, 0), "its second event may be accepted later");
    }

    #[test]
    fn a_note_names_the_item_and_where_the_event_is() {
        let record = prepared("1", Ok(&["a"]));
        let note = refused(&record, "a").note(Some("events/1.jsonl"));
        let note: serde_json::Value = serde_json::from_str(note.as_str()).unwrap();
        assert_eq!(
            note,
            json!({
                "format": 1, "reason": "too long", "table": "Messages-1", "keys": {"message_sid": {"S": "SM1"}},
                "stream": record.location.stream, "sequence_number": "1", "event_id": "a",
                "archive_key": "events/1.jsonl"
            })
        );
        let location = &record.location;
        let unmade = Unpublished { location, event_id: None, trace_id: None, reason: "unreadable".to_owned() };
        let note: serde_json::Value = serde_json::from_str(unmade.note(Some("events/1.jsonl")).as_str()).unwrap();
        assert!(note["event_id"].is_null() && note["archive_key"].is_null());
    }
}
