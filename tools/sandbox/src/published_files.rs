//! What the system under test has published about the files that people sent: the page shows it beneath each of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{messages::MessageLog, timeline::TimelineEvent};

/// What became of a file in the system under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PublishedFile {
    Stored { key: String, content_type: String, bytes: u64, sha256: String },
    Failed { reason: String, detail: String },
}

/// Notes an event of type `media_stored` or `media_failed` at the file that it is about.
pub(crate) fn note(messages: &mut MessageLog, event: &TimelineEvent) {
    let text = |name: &str| Some(event.details.get(name)?.as_str()?.to_owned());
    let number = |name: &str| event.details.get(name).and_then(Value::as_u64);
    let published = match (event.kind.as_str(), event.details.get("event_type").and_then(Value::as_str)) {
        ("event", Some("media_stored")) => stored(text, number("bytes")),
        ("event", Some("media_failed")) => failed(text),
        _ => return,
    };
    let sid = event.message_sid.as_deref().and_then(|sid| sid.parse().ok());
    let index = number("index").and_then(|index| usize::try_from(index).ok());
    let file = sid.zip(index).and_then(|(sid, index)| messages.get_mut(&sid)?.media.get_mut(index));
    if let (Some(file), Some(published)) = (file, published) {
        file.published = Some(published);
    }
}

fn stored(text: impl Fn(&str) -> Option<String>, bytes: Option<u64>) -> Option<PublishedFile> {
    let (key, content_type, sha256) = (text("key")?, text("content_type")?, text("sha256")?);
    Some(PublishedFile::Stored { key, content_type, bytes: bytes?, sha256 })
}

fn failed(text: impl Fn(&str) -> Option<String>) -> Option<PublishedFile> {
    Some(PublishedFile::Failed { reason: text("reason")?, detail: text("detail").unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{config::Config, inbound, state::Sandbox, timeline::TimelineOutcome};

    #[test]
    fn file_of_a_message_shows_what_became_of_it() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let file = json!({"url": "http://127.0.0.1/a", "content_type": "image/png"});
        let sent = json!({"from": "whatsapp:+14155550123", "media": [file, file]});
        let _stored = inbound::store(&sandbox, &serde_json::from_value(sent).unwrap());
        let sid = sandbox.memory().messages.iter().next().unwrap().sid.clone();
        let stored = json!({"event_type": "media_stored", "index": 0, "key": "inbound/1", "content_type": "image/png",
                            "bytes": 62, "sha256": "00ff"});
        let failed =
            json!({"event_type": "media_failed", "index": 1, "reason": "empty", "detail": "the file is empty"});
        let elsewhere = json!({"event_type": "media_failed", "index": 2, "reason": "empty"});
        for details in [stored, failed, elsewhere] {
            let event = TimelineEvent::new("event", TimelineOutcome::Good, "").with(details);
            sandbox.record(TimelineEvent { message_sid: Some(sid.to_string()), ..event });
        }
        let memory = sandbox.memory();
        let published: Vec<_> =
            memory.messages.get(&sid).unwrap().media.iter().map(|file| json!(file.published)).collect();
        let stored = json!({"key": "inbound/1", "content_type": "image/png", "bytes": 62, "sha256": "00ff"});
        let failed = json!({"reason": "empty", "detail": "the file is empty"});
        assert_eq!(published, [json!({"stored": stored}), json!({"failed": failed})]);
    }
}
