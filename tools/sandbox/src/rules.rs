//! The rules of WhatsApp that are in effect, and the count of the pair limit. [`verdict`] applies them to a message.

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

/// The rules that are in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate switch on the page")]
pub struct WhatsAppRules {
    /// The limit of one WhatsApp sender in any period of one second; none for no limit. Messages over it wait for their turn.
    pub messages_per_second: Option<usize>,
    /// The limit of calls that create a message at the same time; none for no limit. Calls over it are refused with 20429.
    pub concurrent_requests: Option<usize>,
    /// Whether Twilio itself answers STOP, and refuses messages to the person who sent it.
    pub advanced_opt_out: bool,
    /// Whether files are fetched, and must have a type and a size that WhatsApp accepts.
    pub fetch_media: bool,
    /// Whether one person gets at most one message in 6 seconds, after a burst.
    pub pair_limit: bool,
    /// Whether free-form messages need a message from the person in the last 24 hours.
    pub service_window: bool,
}

impl WhatsAppRules {
    /// All rules, with WhatsApp's values.
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

    /// The service window only: for tests of other things, whose files do not exist and whose people get many messages at once.
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

#[derive(Debug)]
pub(crate) struct ActiveRules(Mutex<(WhatsAppRules, Pairs)>);

/// For each pair of sender and recipient, the time from which it has its whole burst again.
type Pairs = HashMap<(String, String), Timestamp>;

impl ActiveRules {
    pub(crate) fn new(rules: WhatsAppRules) -> Self {
        Self(Mutex::new((rules, Pairs::new())))
    }

    pub(crate) fn rules(&self) -> WhatsAppRules {
        self.lock().0.clone()
    }

    /// Changes the rules, and forgets what the pair limit has counted.
    pub(crate) fn replace(&self, rules: WhatsAppRules) {
        *self.lock() = (rules, Pairs::new());
    }

    /// Whether a message is over the pair limit. A message that is not is counted.
    fn is_over_pair_limit(&self, message: &Message, sender: &str, now: Timestamp) -> bool {
        let mut rules = self.lock();
        if rules.1.len() >= capacity::PAIRS {
            rules.1.retain(|_, due| *due > now);
        }
        let due = rules.1.entry((sender.to_owned(), message.to.clone())).or_insert(now);
        let seconds = |duration: std::time::Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        if due.duration_since(now) > seconds(PAIR_INTERVAL * PAIR_BURST) {
            // It was counted when the clock was ahead.
            *due = now;
        }
        if due.duration_since(now) > seconds(PAIR_INTERVAL * (PAIR_BURST - 1)) {
            return true;
        }
        *due = (*due).max(now).saturating_add(seconds(PAIR_INTERVAL)).unwrap_or(Timestamp::MAX);
        false
    }

    fn lock(&self) -> MutexGuard<'_, (WhatsAppRules, Pairs)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
