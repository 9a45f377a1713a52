//! What happened, in order, for whoever watches: on the page, as it happens.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capacity;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// What it was, as in `webhook`, `api_call`, `item`, `decision`, `event`.
    pub kind: String,
    /// How it went.
    pub outcome: Outcome,
    /// One line for a person.
    pub summary: String,
    /// The address of the person whom it concerns, as in `whatsapp:+14155550123`.
    #[serde(default)]
    pub person: Option<String>,
    /// The message that it concerns.
    #[serde(default)]
    pub message_sid: Option<String>,
    /// The notification that it concerns.
    #[serde(default)]
    pub notification_id: Option<String>,
    /// All that is known of it.
    #[serde(default)]
    pub details: Value,
}

impl Happening {
    /// Something of which no more is known.
    pub fn new(kind: impl Into<String>, outcome: Outcome, summary: impl Into<String>) -> Self {
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

    /// What concerns this person, and this message where there is one.
    pub(crate) fn of(self, person: &str, message_sid: Option<&str>) -> Self {
        Self { person: Some(person.to_owned()), message_sid: message_sid.map(str::to_owned), ..self }
    }

    pub(crate) fn with(self, details: Value) -> Self {
        Self { details, ..self }
    }
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should.
    Good,
    /// Neither well nor badly.
    Neutral,
    /// Not, though nothing is broken: a refusal, a suppression.
    Refused,
    /// Badly.
    Bad,
}

/// Something that happened, in its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TimelineEntry {
    /// Counted from 1.
    pub(crate) number: u64,
    /// By the sandbox's clock.
    pub(crate) at: Timestamp,
    #[serde(flatten)]
    pub(crate) happening: Happening,
}

/// The latest that happened.
#[derive(Debug, Default)]
pub(crate) struct TimelineLog {
    entries: VecDeque<TimelineEntry>,
    last_number: u64,
}

impl TimelineLog {
    pub(crate) fn add(&mut self, at: Timestamp, happening: Happening) {
        self.last_number += 1;
        if self.entries.len() == capacity::ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(TimelineEntry { number: self.last_number, at, happening });
    }

    /// The number of the latest entry; 0 where there is none.
    pub(crate) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// So many of the latest, the oldest first.
    pub(crate) fn newest(&self, most: usize) -> impl Iterator<Item = &TimelineEntry> {
        self.entries.iter().skip(self.entries.len().saturating_sub(most))
    }

    /// What came after the entry of this number, the oldest first.
    pub(crate) fn since(&self, number: u64) -> impl Iterator<Item = &TimelineEntry> {
        let news = self.last_number.saturating_sub(number);
        self.newest(usize::try_from(news).unwrap_or(usize::MAX))
    }

    /// Forgets all; the numbers go on, so that nobody takes a new entry for an old one.
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
    fn the_latest_are_kept_and_numbered() {
        let mut timeline = TimelineLog::default();
        assert_eq!(timeline.since(0).count(), 0);
        for _ in 0..capacity::ENTRIES + 3 {
            timeline.add(Timestamp::UNIX_EPOCH, Happening::new("clock", Outcome::Neutral, "a day passes"));
        }
        assert_eq!(numbers(timeline.newest(2)), [2_002, 2_003]);
        assert_eq!(numbers(timeline.since(2_000)), [2_001, 2_002, 2_003]);
        assert_eq!(timeline.since(0).count(), capacity::ENTRIES);
        timeline.clear();
        assert_eq!(timeline.since(2_000).count(), 0);
    }
}
