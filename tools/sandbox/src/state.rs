//! What the sandbox remembers.

use std::{
    collections::VecDeque,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicUsize},
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::{sync::broadcast, task::AbortHandle};
use twilio_types::message_status::MessageStatus;

use crate::{
    Config,
    clock::Clock,
    drops::Drops,
    faults::Faults,
    files::Files,
    kept,
    limits::Limiter,
    messages::Messages,
    outages::Outages,
    overrides::Overrides,
    people::People,
    products::Products,
    rates::Arrivals,
    sids::Sids,
    snapshot::snapshot,
    stream::{Stream, Told},
    timeline::{Happening, Timeline},
    webhook::client,
};

/// The sandbox: its account, and everything that happened.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) config: Config,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: Clock,
    pub(crate) sids: Sids,
    pub(crate) stream: Stream,
    /// Hears of everybody whose message has been delivered, by address.
    pub(crate) received: broadcast::Sender<String>,
    /// Where it is served, as in `http://127.0.0.1:8080`, once it is.
    pub(crate) url: OnceLock<String>,
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
    pub(crate) people: People,
    pub(crate) files: Files,
    /// The webhooks that were sent, the oldest first.
    pub(crate) webhooks: VecDeque<WebhookRecord>,
    pub(crate) timeline: Timeline,
    /// The scenario that is played.
    pub(crate) playing: Option<AbortHandle>,
    /// What those who watch have been told.
    pub(crate) told: Told,
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
    /// A sandbox in which nothing has happened yet.
    pub fn new(config: Config) -> Arc<Self> {
        let sids = Sids::from_seed(config.seed);
        let clock = Clock::default();
        let sandbox = Arc::new(Self {
            products: Products::new(&config, clock.now()),
            config,
            http: client(Overrides::default().connect),
            clock,
            sids,
            stream: Stream::default(),
            received: broadcast::Sender::new(64),
            url: OnceLock::new(),
            in_flight: AtomicUsize::new(0),
            state: Mutex::default(),
        });
        sandbox.set_rules(sandbox.config.rules.clone());
        sandbox
    }

    /// Puts something on the timeline, as of now.
    pub fn tell(&self, happening: Happening) {
        let now = self.now();
        self.state().timeline.add(now, happening);
    }

    /// Forgets what happened and what was planned, and goes back to the machine's time, the first rules and the first auth
    /// token. What was made in Twilio's other products stays, as it would there.
    pub(crate) fn forget(&self) {
        self.clock.reset();
        self.products.auth_tokens.replace(self.config.auth_token.clone());
        self.set_rules(self.config.rules.clone());
        let mut state = self.state();
        state.forget();
        self.stream.tell("snapshot", &snapshot(self, &state));
    }

    /// Where it is served; a path alone where it is not.
    pub(crate) fn own_url(&self, path: &str) -> String {
        format!("{}{path}", self.url.get().map(String::as_str).unwrap_or_default())
    }

    /// What time it is in the sandbox.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn state(&self) -> Remembered<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Remembered { sandbox: self, state, is_touched: false }
    }
}

impl From<Config> for Arc<Sandbox> {
    fn from(config: Config) -> Self {
        Sandbox::new(config)
    }
}

/// What is remembered, for one to read and change. Who watches is told of the changes when it is let go, whoever made
/// them.
pub(crate) struct Remembered<'a> {
    sandbox: &'a Sandbox,
    state: MutexGuard<'a, State>,
    is_touched: bool,
}

impl Deref for Remembered<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Remembered<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.is_touched = true;
        &mut self.state
    }
}

impl Drop for Remembered<'_> {
    fn drop(&mut self) {
        if self.is_touched {
            self.sandbox.stream.tell_changes(self.sandbox, &mut self.state);
        }
    }
}

impl State {
    fn forget(&mut self) {
        if let Some(playing) = self.playing.take() {
            playing.abort();
        }
        let timeline = std::mem::take(&mut self.timeline);
        // The rules have just been set, and the limits among them.
        let limiter = std::mem::take(&mut self.limiter);
        *self = Self { timeline, limiter, told: std::mem::take(&mut self.told), ..Self::default() };
        self.timeline.clear();
    }

    /// Notes a webhook.
    pub(crate) fn note(&mut self, webhook: WebhookRecord) {
        if self.webhooks.len() == kept::WEBHOOKS {
            self.webhooks.pop_front();
        }
        self.webhooks.push_back(webhook);
    }

    pub(crate) fn person_wrote(&mut self, address: &str, at: Timestamp) {
        self.people.wrote(address, at);
    }

    /// Whether a person may be sent free-form text.
    pub(crate) fn window_is_open(&self, address: &str, now: Timestamp) -> bool {
        self.people.window_until(address, now).is_some()
    }
}
