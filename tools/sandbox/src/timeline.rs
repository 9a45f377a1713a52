//! What happened, in order, for whoever watches: on the page, as it happens.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast;

/// How many entries are kept for who comes late.
const KEPT: usize = 2_000;
/// How many a slow watcher may be behind before it has to begin anew.
const BEHIND: usize = 1_024;

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
pub(crate) struct Entry {
    /// Counted from 1.
    pub(crate) number: u64,
    /// By the sandbox's clock.
    pub(crate) at: Timestamp,
    #[serde(flatten)]
    pub(crate) happening: Happening,
}

/// The latest that happened, and a way to hear of the next.
#[derive(Debug)]
pub(crate) struct Timeline {
    entries: VecDeque<Arc<Entry>>,
    last_number: u64,
    watchers: broadcast::Sender<Arc<Entry>>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { entries: VecDeque::new(), last_number: 0, watchers: broadcast::Sender::new(BEHIND) }
    }
}

impl Timeline {
    pub(crate) fn add(&mut self, at: Timestamp, happening: Happening) {
        self.last_number += 1;
        let entry = Arc::new(Entry { number: self.last_number, at, happening });
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(Arc::clone(&entry));
        // Nobody may be watching.
        let _ = self.watchers.send(entry);
    }

    /// The oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }

    /// What happens from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.watchers.subscribe()
    }
}
