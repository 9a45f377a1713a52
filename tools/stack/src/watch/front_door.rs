//! Refused webhooks and the reasons, read from the emulator's log: the functions store nothing about them.

use std::{
    io::SeekFrom,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sandbox::{TimelineEvent, TimelineOutcome};
use serde::{Deserialize, Serialize};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};

/// The start of a log line of `emulator.py` about a refused webhook.
const MARK: &str = "front door: ";

/// A webhook that a function answered with an error.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefusedWebhook {
    path: String,
    status: u16,
    /// The body of the function's answer.
    answer: String,
}

/// The emulator's log, whose new lines are read.
#[derive(Debug)]
pub(super) struct FrontDoor {
    log: PathBuf,
    read: u64,
}

impl FrontDoor {
    pub(super) fn new(log: &Path) -> Self {
        Self { log: log.to_owned(), read: 0 }
    }

    /// The webhooks that were refused since the last call.
    pub(super) async fn next(&mut self) -> Result<Vec<RefusedWebhook>> {
        let mut file = File::open(&self.log).await.context("cannot read the emulator's log")?;
        file.seek(SeekFrom::Start(self.read)).await?;
        let mut new = Vec::new();
        file.read_to_end(&mut new).await?;
        let (length, refused) = refused(&new);
        self.read += length;
        Ok(refused)
    }
}

/// The refused webhooks in the complete lines, and the length of these lines: the last line may be incomplete.
fn refused(log: &[u8]) -> (u64, Vec<RefusedWebhook>) {
    let length = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let whole = String::from_utf8_lossy(log.get(..length).unwrap_or_default());
    let refused = whole.lines().filter_map(|line| serde_json::from_str(line.strip_prefix(MARK)?).ok()).collect();
    (u64::try_from(length).unwrap_or_default(), refused)
}

pub(super) fn timeline_event(webhook: &RefusedWebhook) -> TimelineEvent {
    let RefusedWebhook { path, status, answer } = webhook;
    let outcome = if *status < 500 { TimelineOutcome::Refused } else { TimelineOutcome::Bad };
    let summary = format!("{path} answered with {status}: {answer}");
    TimelineEvent { details: serde_json::json!(webhook), ..TimelineEvent::new("decision", outcome, summary) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_log_line_is_left_for_the_next_read() {
        let line =
            r#"front door: {"path": "/twilio/inbound", "status": 403, "answer": "no X-Twilio-Signature header"}"#;
        let log = format!("something else\n{line}\nfront door: {{\"pa");
        let (length, refused) = refused(log.as_bytes());
        assert_eq!(usize::try_from(length).unwrap(), log.rfind("front").unwrap());
        let [webhook] = refused.try_into().unwrap();
        let entry = timeline_event(&webhook);
        assert_eq!(entry.summary, "/twilio/inbound answered with 403: no X-Twilio-Signature header");
        assert_eq!((entry.outcome, &entry.details["status"]), (TimelineOutcome::Refused, &403.into()));
    }

    #[tokio::test]
    async fn log_line_is_read_once() {
        let log = std::env::temp_dir().join(format!("front-door-{}", std::process::id()));
        let line = |status: u16| format!("front door: {{\"path\": \"/\", \"status\": {status}, \"answer\": \"\"}}\n");
        std::fs::write(&log, line(403)).unwrap();
        let mut door = FrontDoor::new(&log);
        assert_eq!(door.next().await.unwrap().len(), 1);
        assert_eq!(door.next().await.unwrap(), []);
        std::fs::write(&log, line(403) + &line(500)).unwrap();
        assert_eq!(door.next().await.unwrap().first().unwrap().status, 500);
        std::fs::remove_file(log).unwrap();
    }
}
