//! The timeline: what happened in the sandbox and in the system under test, in order.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::capacity;

/// Something that happened, as a program reports it to the sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineEvent {
    /// What kind of event it is, as in `webhook`, `api_call`, `item`, `decision`, `event`.
    pub kind: String,
    /// Whether it went well.
    pub outcome: TimelineOutcome,
    /// One line of text for the page.
    pub summary: String,
    /// The address of the person that it is about, as in `whatsapp:+14155550123`.
    #[serde(default)]
    pub person: Option<String>,
    /// The message that it is about.
    #[serde(default)]
    pub message_sid: Option<String>,
    /// The notification that it is about.
    #[serde(default)]
    pub notification_id: Option<String>,
    /// The details that the page shows when the line is opened.
    #[serde(default)]
    pub details: Value,
}

impl TimelineEvent {
    /// An event without person, message, notification and details.
    pub fn new(kind: impl Into<String>, outcome: TimelineOutcome, summary: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            outcome,
            summary: summary.into(),
            person: None,
            message_sid: None,
            notification_id: None,
            details: Value::Null,
        }
    }

    /// The event with the person, and the message, that it is about.
    pub(crate) fn of(self, person: &str, message_sid: Option<&str>) -> Self {
        Self { person: Some(person.to_owned()), message_sid: message_sid.map(str::to_owned), ..self }
    }

    /// The event of a message that breaks a rule, with Twilio's error code.
    pub(crate) fn broken_rule(code: u32, title: &str) -> Self {
        Self::new("rule", TimelineOutcome::Refused, format!("{code}: {title}")).with(json!({"code": code}))
    }

    pub(crate) fn with(self, details: Value) -> Self {
        Self { details, ..self }
    }
}

/// Whether an event is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineOutcome {
    /// It went well.
    Good,
    /// Neither good nor bad.
    Neutral,
    /// It was refused or suppressed, and nothing is broken.
    Refused,
    /// It went wrong.
    Bad,
}

/// An event on the timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TimelineEntry {
    /// From 1, never reused.
    pub(crate) number: u64,
    /// By the sandbox's clock.
    pub(crate) at: Timestamp,
    #[serde(flatten)]
    pub(crate) event: TimelineEvent,
}

/// The newest events.
#[derive(Debug, Default)]
pub(crate) struct TimelineLog {
    entries: VecDeque<TimelineEntry>,
    last_number: u64,
}

impl TimelineLog {
    pub(crate) fn add(&mut self, at: Timestamp, event: TimelineEvent) {
        self.last_number += 1;
        if self.entries.len() == capacity::ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(TimelineEntry { number: self.last_number, at, event });
    }

    /// The number of the newest entry; 0 where there is none.
    pub(crate) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The newest entries, the oldest of them first.
    pub(crate) fn newest(&self, most: usize) -> impl Iterator<Item = &TimelineEntry> {
        self.entries.iter().skip(self.entries.len().saturating_sub(most))
    }

    /// The entries after this number, the oldest first.
    pub(crate) fn since(&self, number: u64) -> impl Iterator<Item = &TimelineEntry> {
        let news = self.last_number.saturating_sub(number);
        self.newest(usize::try_from(news).unwrap_or(usize::MAX))
    }

    /// Removes all entries. The numbers continue, so that a client cannot confuse new entries with old ones.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<'a>(entries: impl Iterator<Item = &'a TimelineEntry>) -> Vec<u64> {
        entries.map(|entry| entry.number).collect()
    }

    #[test]
    fn newest_entries_are_kept_and_numbered() {
        let mut timeline = TimelineLog::default();
        assert_eq!(timeline.since(0).count(), 0);
        for _ in 0..capacity::ENTRIES + 3 {
            timeline.add(Timestamp::UNIX_EPOCH, TimelineEvent::new("clock", TimelineOutcome::Neutral, "a day passes"));
        }
        assert_eq!(numbers(timeline.newest(2)), [2_002, 2_003]);
        assert_eq!(numbers(timeline.since(2_000)), [2_001, 2_002, 2_003]);
        assert_eq!(timeline.since(0).count(), capacity::ENTRIES);
        timeline.clear();
        assert_eq!(timeline.since(2_000).count(), 0);
    }
}
