//! Events that are published while the archive bucket accepts nothing. The stream goes on, and the events are kept for the
//! archive on the queue of unpublished records, with an alarm.

use serde_json::json;
use shared::{
    archive,
    queues::{MessageBody, NOTE_FORMAT},
};

use crate::{Prepared, batch_name, fifo::PreparedEvent, unpublished::Unpublished};

/// The longest note, with space left for what it says besides the events.
const NOTE_BYTES: usize = 900_000;
const REASON: &str =
    "the archive did not accept these events, which are published: write each as a line of this object";

/// The notes for an operator. Each holds events that belong into the archive as the object `archive_key`, one a line. An event
/// that SQS refused is not among them: it would make its note as unacceptable, and has a note that names its item.
pub(crate) fn notes(published: &[Prepared], unpublished: &[Unpublished<'_>]) -> Vec<MessageBody> {
    let Some(batch) = batch_name(published) else { return Vec::new() };
    let is_refused = |event: &PreparedEvent| unpublished.iter().any(|one| one.event_id() == Some(&event.id));
    let (mut notes, mut part): (Vec<MessageBody>, Vec<&PreparedEvent>) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for record in published {
        for event in record.events().iter().filter(|event| !is_refused(event)) {
            let event_bytes = event.message.body.as_str().len();
            if event_bytes > NOTE_BYTES {
                notes.push(Unpublished::not_archived(&record.location, event).note(None));
                continue;
            }
            if bytes + event_bytes > NOTE_BYTES {
                notes.extend(note(&part, &format!("{batch}-{}", notes.len())));
                part.clear();
                bytes = 0;
            }
            bytes += event_bytes + 1;
            part.push(event);
        }
    }
    notes.extend(note(&part, &format!("{batch}-{}", notes.len())));
    notes
}

/// The note of a part of a batch; none if it has no event.
fn note(part: &[&PreparedEvent], name: &str) -> Option<MessageBody> {
    let key = archive::key(part.first()?.occurred_at, name);
    let events: Vec<_> = part.iter().map(|event| event.message.body.as_str()).collect();
    // The events are JSON already, and are not escaped a second time.
    let (format, reason, key, events) = (NOTE_FORMAT.version(), json!(REASON), json!(key), events.join(","));
    Some(MessageBody::json(format!(
        r#"{{"format": {format}, "reason": {reason}, "archive_key": {key}, "events": [{events}]}}"#
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::unpublished::tests::{prepared, refused};

    fn read(notes: &[MessageBody]) -> Vec<Value> {
        notes.iter().map(|note| serde_json::from_str(note.as_str()).unwrap()).collect()
    }

    fn events(note: &Value) -> Vec<&str> {
        note["events"].as_array().unwrap().iter().map(|event| event["event_id"].as_str().unwrap()).collect()
    }

    #[test]
    fn all_events_of_a_batch_are_kept_for_the_archive() {
        let published = [prepared("1", Ok(&["a", "b"])), prepared("2", Ok(&[])), prepared("3", Ok(&["c"]))];
        let notes = read(&notes(&published, &[]));
        assert_eq!(notes.len(), 1);
        assert_eq!(events(&notes[0]), ["a", "b", "c"]);
        let key = notes[0]["archive_key"].as_str().unwrap();
        assert!(key.starts_with("events/year=1970/month=01/day=01/") && key.ends_with("-1-3-0.jsonl"), "{key}");
    }

    #[test]
    fn a_note_is_never_too_long_for_the_queue() {
        let ids: Vec<String> = (0..7).map(|number| format!("{number}{}", "x".repeat(400_000))).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let published = [prepared("1", Ok(&ids))];
        let bodies = notes(&published, &[]);
        assert!(bodies.iter().all(|note| note.as_str().len() < 1_000_000));
        let notes = read(&bodies);
        assert_eq!(notes.iter().flat_map(events).collect::<Vec<_>>(), ids);
        let keys: std::collections::BTreeSet<_> = notes.iter().map(|note| note["archive_key"].as_str()).collect();
        assert_eq!(keys.len(), notes.len(), "no part replaces another one");
    }

    #[test]
    fn an_event_that_is_too_long_for_a_note_is_named() {
        let long = "x".repeat(950_000);
        let published = [prepared("1", Ok(&["a", &long]))];
        let notes = read(&notes(&published, &[]));
        assert_eq!((notes[0]["event_id"].as_str(), &notes[0]["events"]), (Some(long.as_str()), &Value::Null));
        assert_eq!(events(&notes[1]), ["a"]);
    }

    #[test]
    fn a_refused_event_makes_no_other_note_unacceptable() {
        let published = [prepared("1", Ok(&["a", "b"]))];
        let notes = read(&notes(&published, &[refused(&published[0], "b")]));
        assert_eq!(notes.iter().flat_map(events).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn without_events_there_is_no_note() {
        assert!(notes(&[prepared("1", Ok(&[]))], &[]).is_empty() && notes(&[], &[]).is_empty());
    }
}
