//! The person's dead letters.

use serde_json::Value;

use super::receipt::Step;
use crate::{
    commands::dlq::queue::{LetterQueue, RawLetter},
    error::CommandError,
    personal_data::Traces,
    session::Session,
};

/// What the streams' functions could not bring to its place.
const UNPUBLISHED: &str = "UnpublishedQueueUrl";
/// The queues that no function reads. What is on the others is read within moments, and suppressed.
const QUEUES: [&str; 5] = [
    "OutboundDeadLetterQueueUrl",
    UNPUBLISHED,
    "MediaDeadLetterQueueUrl",
    "EventsDeadLetterQueueUrl",
    "SpoolDeadLetterQueueUrl",
];

pub(super) async fn count(session: &Session, traces: &Traces<'_>) -> Result<usize, CommandError> {
    visit(session, traces, false).await
}

pub(super) async fn delete(session: &Session, traces: &Traces<'_>) -> Result<Step, CommandError> {
    Ok(Step::letters().done(visit(session, traces, true).await?))
}

/// Gives the number of letters about the person. All others stay in their queues.
async fn visit(session: &Session, traces: &Traces<'_>, deletes: bool) -> Result<usize, CommandError> {
    let client = aws_sdk_sqs::Client::new(session.aws().await?);
    let mut found = 0;
    for output in QUEUES {
        let url = session.stack().await?.output(output)?.to_owned();
        let mut queue = LetterQueue::new(client.clone(), url, &session.terminal);
        let mut hidden = Vec::new();
        let content = if output == UNPUBLISHED { content_of_note } else { content_of };
        let visited = visit_queue(&mut queue, |letter| content(letter, traces), deletes, &mut hidden).await;
        queue.put_back(&hidden).await;
        found += visited?;
    }
    Ok(found)
}

async fn visit_queue(
    queue: &mut LetterQueue<'_>,
    content_of: impl Fn(&RawLetter) -> Content,
    deletes: bool,
    hidden: &mut Vec<String>,
) -> Result<usize, CommandError> {
    let mut found = 0;
    loop {
        let page = queue.next_page(usize::MAX).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for letter in page {
            let content = content_of(&letter);
            found += usize::from(content != Content::OfOthers);
            if content == Content::OfOthers || !deletes {
                hidden.push(letter.receipt_handle);
                continue;
            }
            if let Content::WithEventsOfOthers(rest) = &content {
                queue.put(rest).await?;
            }
            queue.delete(&letter).await?;
        }
    }
}

/// What a letter has of a person.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    OfOthers,
    OfPerson,
    /// Beside events of other people, which are the body without this person's.
    WithEventsOfOthers(String),
}

fn content_of(letter: &RawLetter, traces: &Traces<'_>) -> Content {
    let texts = [Some(letter.body.as_str()), letter.reason()];
    if texts.into_iter().flatten().any(|text| traces.are_in(text)) { Content::OfPerson } else { Content::OfOthers }
}

/// `publish` notes there what the archive and the evidence bucket refuse, of many people at once. Evidence names a person by a hash, and
/// is kept after an erasure (docs/privacy.md).
fn content_of_note(letter: &RawLetter, traces: &Traces<'_>) -> Content {
    let content = content_of(letter, traces);
    let Ok(mut note) = serde_json::from_str::<Value>(&letter.body) else { return content };
    if note.get("evidence").is_some_and(Value::is_array) {
        return Content::OfOthers;
    }
    match note.get_mut("events").and_then(Value::as_array_mut) {
        Some(events) if content == Content::OfPerson => {
            events.retain(|event| !traces.are_in(&event.to_string()));
            if events.is_empty() { content } else { Content::WithEventsOfOthers(note.to_string()) }
        }
        _ => content,
    }
}

#[cfg(test)]
mod tests {
    use domain::{contact_key::ContactKey, identities::PersonIdentities};
    use serde_json::json;

    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";

    fn note(content: &Value) -> RawLetter {
        RawLetter::with_body(&content.to_string())
    }

    #[test]
    fn note_loses_the_events_of_the_person_alone() {
        let contact = ContactKey::stored(&format!("{ACCOUNT}#+14155550123"));
        let person = PersonIdentities::new(ACCOUNT.parse().unwrap(), [contact]);
        let sid = format!("SM{:032}", 7);
        let traces = Traces::new(&person, [sid.parse().unwrap()], []);
        let events = |events: Value| note(&json!({"format": 2, "archive_key": "events/1.jsonl", "events": events}));
        let (hers, other) = (json!({"from": "whatsapp:+14155550123"}), json!({"from": "whatsapp:+14155550124"}));

        let rest = content_of_note(&events(json!([hers, other, {"message_sid": sid}])), &traces);
        let Content::WithEventsOfOthers(rest) = rest else { panic!("{rest:?}") };
        let rest: Value = serde_json::from_str(&rest).unwrap();
        assert_eq!(rest, json!({"format": 2, "archive_key": "events/1.jsonl", "events": [other]}));
        assert_eq!(content_of_note(&events(json!([hers])), &traces), Content::OfPerson);
        assert_eq!(content_of_note(&events(json!([other])), &traces), Content::OfOthers);
        let item = note(&json!({"table": "Messages-1", "keys": {"subject": {"S": format!("{ACCOUNT}#{sid}")}}}));
        assert_eq!(content_of_note(&item, &traces), Content::OfPerson);
    }

    #[test]
    fn evidence_of_the_person_is_kept() {
        let person = PersonIdentities::new(ACCOUNT.parse().unwrap(), []);
        let sid = format!("SM{:032}", 7);
        let traces = Traces::new(&person, [sid.parse().unwrap()], []);
        let record = json!({"key": "evidence/1.json", "record": {"what": "STOP", "message_sid": sid}});
        let letter = note(&json!({"format": 2, "evidence": [record]}));
        assert_eq!(content_of_note(&letter, &traces), Content::OfOthers);
        // A notification may say anything.
        assert_eq!(content_of(&letter, &traces), Content::OfPerson);
    }

    #[test]
    fn every_queue_of_dead_letters_is_searched() {
        let template = include_str!("../../../../../template.yaml");
        let (_, outputs) = template.split_once("\nOutputs:\n").unwrap();
        let names = outputs.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
        let of_letters: Vec<_> = names.filter(|name| name.ends_with("DeadLetterQueueUrl")).collect();
        assert!(of_letters.len() >= 4, "{of_letters:?}");
        assert!(of_letters.iter().all(|name| QUEUES.contains(name)), "{of_letters:?}");
    }
}
