//! Which of WhatsApp's rules hold here, and what was sent to whom. What becomes of a message by them is in [`verdict`].

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    capacity,
    messages::Message,
    rates::{PAIR_BURST, PAIR_INTERVAL},
};

mod media;
pub(crate) mod verdict;

/// The rules that hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, as the page shows them")]
pub struct Rules {
    /// Of one WhatsApp sender, in any one second; none is no limit. What is beyond fails with 63018.
    pub messages_per_second: Option<usize>,
    /// Calls creating a message at a time; none is no limit. What is beyond is refused with 20429.
    pub concurrent_requests: Option<usize>,
    /// Whether Twilio itself answers STOP, and sends nothing to who wrote it.
    pub advanced_opt_out: bool,
    /// Whether files are really fetched, and their type and size held against what WhatsApp takes.
    pub fetch_media: bool,
    /// Whether one person gets one message in 6 seconds, after a burst.
    pub pair_limit: bool,
    /// Whether free-form messages need a person's message of the last 24 hours.
    pub service_window: bool,
}

impl Rules {
    /// As WhatsApp has them.
    pub fn as_whatsapp() -> Self {
        Self {
            messages_per_second: Some(80),
            concurrent_requests: None,
            advanced_opt_out: true,
            fetch_media: true,
            pair_limit: true,
            service_window: true,
        }
    }

    /// Only the window: for tests of something else, whose files are nowhere and whose people get much at once.
    pub fn lenient() -> Self {
        Self {
            messages_per_second: None,
            advanced_opt_out: false,
            fetch_media: false,
            pair_limit: false,
            ..Self::as_whatsapp()
        }
    }
}

/// The rules, and what was sent to whom.
#[derive(Debug)]
pub(crate) struct ActiveRules(Mutex<(Rules, Pairs)>);

/// When each pair of sender and recipient has paid back what it borrowed.
type Pairs = HashMap<(String, String), Timestamp>;

impl ActiveRules {
    pub(crate) fn new(rules: Rules) -> Self {
        Self(Mutex::new((rules, Pairs::new())))
    }

    pub(crate) fn rules(&self) -> Rules {
        self.lock().0.clone()
    }

    /// Changes the rules, and forgets what was sent to whom.
    pub(crate) fn replace(&self, rules: Rules) {
        *self.lock() = (rules, Pairs::new());
    }

    /// Whether a message is one too many for its pair; one that is not counts.
    fn is_too_much(&self, message: &Message, sender: &str, now: Timestamp) -> bool {
        let mut book = self.lock();
        if book.1.len() >= capacity::PAIRS {
            book.1.retain(|_, due| *due > now);
        }
        let due = book.1.entry((sender.to_owned(), message.to.clone())).or_insert(now);
        let seconds = |duration: std::time::Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        if due.duration_since(now) > seconds(PAIR_INTERVAL * (PAIR_BURST - 1)) {
            return true;
        }
        *due = (*due).max(now).saturating_add(seconds(PAIR_INTERVAL)).unwrap_or(Timestamp::MAX);
        false
    }

    fn lock(&self) -> MutexGuard<'_, (Rules, Pairs)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
