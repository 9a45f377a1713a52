//! What the sandbox remembers.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::message_status::MessageStatus;

use crate::{
    Config,
    clock::Clock,
    drops::Drops,
    faults::Faults,
    limits::Limiter,
    messages::Messages,
    outages::Outages,
    products::Products,
    rates::Arrivals,
    sids::Sids,
    timeline::{Happening, Timeline},
};

/// How long free-form messages may go out after a person last wrote. Source: Twilio, "WhatsApp best practices and FAQs".
const SERVICE_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// The sandbox: its account, and everything that happened.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) config: Config,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: Clock,
    pub(crate) sids: Sids,
    pub(crate) products: Products,
    /// The calls creating a message that have no answer yet.
    pub(crate) in_flight: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) messages: Messages,
    /// When each message was asked for.
    pub(crate) arrivals: Arrivals,
    pub(crate) limiter: Limiter,
    pub(crate) faults: Faults,
    pub(crate) drops: Drops,
    pub(crate) outages: Outages,
    /// When each person last wrote, by address.
    last_inbound: HashMap<String, Timestamp>,
    /// The webhooks that were sent, the oldest first.
    pub(crate) webhooks: Vec<WebhookRecord>,
    pub(crate) timeline: Timeline,
}

/// A webhook that was sent, and how it was answered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WebhookRecord {
    pub(crate) url: String,
    pub(crate) message_sid: String,
    /// The status that was reported; none for an inbound message.
    pub(crate) status: Option<MessageStatus>,
    /// The HTTP status of the answer; none where there was no connection.
    pub(crate) answer: Option<u16>,
    /// Lost on purpose, and so never posted.
    pub(crate) dropped: bool,
}

impl Sandbox {
    pub(crate) fn new(config: Config) -> Self {
        let sids = Sids::from_seed(config.seed);
        let clock = Clock::default();
        Self {
            products: Products::new(&config, clock.now()),
            config,
            http: reqwest::Client::new(),
            clock,
            sids,
            in_flight: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    /// Puts something on the timeline, as of now.
    pub fn tell(&self, happening: Happening) {
        let now = self.now();
        self.state().timeline.add(now, happening);
    }

    /// What time it is in the sandbox.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn person_wrote(&mut self, address: &str, at: Timestamp) {
        self.last_inbound.insert(address.to_owned(), at);
    }

    /// Whether a person may be sent free-form text.
    pub(crate) fn window_is_open(&self, address: &str, now: Timestamp) -> bool {
        self.last_inbound.get(address).is_some_and(|at| now.duration_since(*at) < SERVICE_WINDOW)
    }
}
