//! Why webhooks were refused or failed, read from the emulator's log: the functions store nothing about it.

use std::{
    io::SeekFrom,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use sandbox::{TimelineEvent, TimelineOutcome};
use serde::{Deserialize, Serialize};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    time::Instant,
};

/// The start of a log line of `emulator.py` about a refused webhook.
const MARK: &str = "front door: ";

/// The sandbox records a webhook at the moment in which the emulator answers it. After this time a refused request was
/// none of the sandbox's.
const OWN_WEBHOOK_WITHIN: Duration = Duration::from_secs(5);

/// A request to a webhook's path that was answered with an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefusedWebhook {
    path: String,
    status: u16,
    /// The function's own words: of its log, or else of its answer.
    reason: String,
    /// The id that API Gateway gave the request.
    request_id: String,
}

/// The emulator's log, whose new lines are read.
#[derive(Debug)]
pub(super) struct FrontDoor {
    log: PathBuf,
    read: u64,
    /// The refused requests whose webhook the sandbox does not have yet, and when they were read.
    unexplained: Vec<(Instant, RefusedWebhook)>,
}

impl FrontDoor {
    pub(super) fn new(log: &Path) -> Self {
        Self { log: log.to_owned(), read: 0, unexplained: Vec::new() }
    }

    /// Reads what was refused since the last call. `explain` gives a reason to the webhook with a request id, if the sandbox
    /// has it. What is returned is not the sandbox's.
    pub(super) async fn next(
        &mut self,
        now: Instant,
        explain: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<RefusedWebhook>> {
        let mut file = File::open(&self.log).await.context("cannot read the emulator's log")?;
        file.seek(SeekFrom::Start(self.read)).await?;
        let mut new = Vec::new();
        file.read_to_end(&mut new).await?;
        let (length, refused) = refused(&new);
        self.read += length;
        self.unexplained.extend(refused.into_iter().map(|webhook| (now, webhook)));
        self.unexplained.retain(|(_, webhook)| !explain(&webhook.request_id, &webhook.reason));
        let is_foreign = |(read, _): &mut (Instant, _)| now.duration_since(*read) >= OWN_WEBHOOK_WITHIN;
        Ok(self.unexplained.extract_if(.., is_foreign).map(|(_, webhook)| webhook).collect())
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
    let RefusedWebhook { path, status, reason, .. } = webhook;
    let outcome = if *status < 500 { TimelineOutcome::Refused } else { TimelineOutcome::Bad };
    let summary = format!("{path} answered with {status}: {reason}");
    TimelineEvent { details: serde_json::json!(webhook), ..TimelineEvent::new("webhook", outcome, summary) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str) -> String {
        let refused = r#""path": "/twilio/inbound", "status": 403, "reason": "no X-Twilio-Signature header""#;
        format!("front door: {{{refused}, \"request_id\": \"{id}\"}}\n")
    }

    #[test]
    fn incomplete_log_line_is_left_for_the_next_read() {
        let log = format!("something else\n{}front door: {{\"pa", line("a"));
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
        let begin = Instant::now();
        let later = begin + OWN_WEBHOOK_WITHIN;
        let mut door = FrontDoor::new(&log);
        std::fs::write(&log, line("a")).unwrap();
        assert_eq!(door.next(begin, |_, _| false).await.unwrap(), [], "its webhook may still come");
        std::fs::write(&log, line("a") + &line("b")).unwrap();
        let known = |id: &str, reason: &str| id == "b" && reason == "no X-Twilio-Signature header";
        let [foreign] = door.next(later, known).await.unwrap().try_into().unwrap();
        assert_eq!(foreign.request_id, "a");
        assert_eq!(door.next(later + OWN_WEBHOOK_WITHIN, |_, _| false).await.unwrap(), []);
        std::fs::remove_file(log).unwrap();
    }
}
