//! The sandbox: its account, its clock, and one lock around what it remembers.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicUsize},
};

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};
use twilio_types::{address::Channel, sid::MessageSid};

use crate::{
    api_keys, clock::Clock, config::Config, content::ContentTemplate, http_client::HttpClients, limits::Limiter,
    memory::Memory, products::Products, rules::WhatsAppRules, sids::Sids, snapshot::View, stream::Stream,
    timeline::TimelineEvent,
};

/// A stand-in for Twilio, and everything that happened in it.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) config: Config,
    pub(crate) http: HttpClients,
    pub(crate) clock: Clock,
    pub(crate) sids: Sids,
    pub(crate) stream: Stream,
    /// The address of each person whose message has been delivered to the system under test.
    pub(crate) delivered_inbound: broadcast::Sender<String>,
    /// Wakes the messages that wait, after one of them was released.
    pub(crate) released: watch::Sender<()>,
    /// Where it is served, as in `http://127.0.0.1:8080`, once it is.
    pub(crate) url: OnceLock<String>,
    pub(crate) products: Products,
    /// How many calls that create a message have no answer yet.
    pub(crate) in_flight: Arc<AtomicUsize>,
    memory: Mutex<Memory>,
}

impl Sandbox {
    /// A sandbox in which nothing has happened yet.
    pub fn new(config: Config) -> Arc<Self> {
        let sids = Sids::from_seed(config.seed);
        let clock = Clock::new(config.shared_clock.clone());
        let sandbox = Arc::new(Self {
            // With SIDs of their own, so that those of messages stay the same for the same seed.
            products: Products::new(&config, &Sids::from_seed(config.seed.wrapping_add(1)), clock.now()),
            config,
            http: HttpClients::default(),
            clock,
            sids,
            stream: Stream::default(),
            delivered_inbound: broadcast::Sender::new(64),
            released: watch::Sender::new(()),
            url: OnceLock::new(),
            in_flight: Arc::default(),
            memory: Mutex::default(),
        });
        sandbox.set_rules(sandbox.config.rules.clone());
        sandbox
    }

    /// The SID of its account.
    pub fn account_sid(&self) -> String {
        self.config.account_sid.to_string()
    }

    /// Adds an event to the timeline.
    pub fn record(&self, event: TimelineEvent) {
        let now = self.now();
        self.memory().record(now, event);
    }

    /// Says why the system under test answered a webhook with an error, in its own words. `request_id` is the id that API Gateway
    /// gave the request, and that the answer has as `Apigw-Requestid`. False where no webhook of the timeline has it.
    pub fn explain(&self, request_id: &str, reason: &str) -> bool {
        self.memory().timeline.explain(request_id, reason)
    }

    /// Forgets what happened and what was planned, and goes back to the first rules, the first auth token and the first API
    /// key. What was created
    /// in Twilio's other products stays, as it would at Twilio.
    pub(crate) fn reset(&self) {
        self.products.auth_tokens.replace(self.config.auth_token.clone());
        let now = self.now();
        for content in self.products.contents.all() {
            let restore = |content: &mut ContentTemplate| {
                content.restore_approval(now);
                Ok::<_, ()>(())
            };
            let _ = self.products.contents.update(&content.sid, restore);
        }
        api_keys::restore(&self.products.api_keys, &self.config, self.now());
        self.memory().limiter = Limiter::default();
        self.set_rules(self.config.rules.clone());
        let mut memory = self.memory();
        memory.clear();
        self.released.send_replace(());
        self.stream.send("snapshot", &self.view(&memory).snapshot());
    }

    /// The URL of a path of the sandbox; the path alone where it is not served.
    pub(crate) fn own_url(&self, path: &str) -> String {
        format!("{}{path}", self.url.get().map(String::as_str).unwrap_or_default())
    }

    /// The URL of a path that names the account, at the API that the account shares with others.
    pub(crate) fn api_url(&self, path: &str) -> String {
        self.config.api_url.as_ref().map_or_else(|| self.own_url(path), |url| format!("{url}{path}"))
    }

    /// The time of the sandbox's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn rules(&self) -> WhatsAppRules {
        self.products.rules.rules()
    }

    /// Changes the rules, and forgets what the pair limit has counted.
    pub(crate) fn set_rules(&self, rules: WhatsAppRules) {
        let mut memory = self.memory();
        memory.limiter.limits.messages_per_second = rules.messages_per_second;
        memory.limiter.limits.concurrent_requests = rules.concurrent_requests;
        self.products.rules.replace(rules);
    }

    /// Whether Twilio itself refuses messages to this person, who has opted out.
    pub(crate) fn refuses_messages_to(&self, address: &str) -> bool {
        self.rules().advanced_opt_out && self.memory().people.has_opted_out(address)
    }

    /// Whether the account has a sender on a channel.
    pub(crate) fn has_sender(&self, channel: &Channel, sender: &str) -> bool {
        sender == self.config.sender_on(channel)
            || (*channel == Channel::WhatsApp && self.memory().added_senders.contains(sender))
    }

    /// Lets a message be sent that waits. False where it does not wait.
    pub(crate) fn release(&self, sid: &MessageSid) -> bool {
        let released = self.memory().messages.get_mut(sid).and_then(|message| message.hold.take()).is_some();
        self.released.send_replace(());
        released
    }

    pub(crate) fn memory(&self) -> MemoryGuard<'_> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        MemoryGuard { sandbox: self, memory, is_changed: false }
    }

    /// What is shown of the sandbox. The memory is the caller's, since the lock does not nest.
    pub(crate) fn view<'a>(&'a self, memory: &'a Memory) -> View<'a> {
        View {
            config: &self.config,
            products: &self.products,
            memory,
            now: self.now(),
            clock_ahead: self.clock.ahead(),
            is_clock_shared: self.clock.is_shared(),
        }
    }
}

impl From<Config> for Arc<Sandbox> {
    fn from(config: Config) -> Self {
        Sandbox::new(config)
    }
}

/// The locked memory. When it is released after a change, those who watch the stream get the difference.
pub(crate) struct MemoryGuard<'a> {
    sandbox: &'a Sandbox,
    memory: MutexGuard<'a, Memory>,
    is_changed: bool,
}

impl Deref for MemoryGuard<'_> {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        &self.memory
    }
}

impl DerefMut for MemoryGuard<'_> {
    fn deref_mut(&mut self) -> &mut Memory {
        self.is_changed = true;
        &mut self.memory
    }
}

impl Drop for MemoryGuard<'_> {
    fn drop(&mut self) {
        if self.is_changed {
            let changed = self.memory.messages.take_changed();
            let changed_entries = self.memory.timeline.take_changed();
            let changed_emails = self.memory.mailbox.take_changed();
            let view = self.sandbox.view(&self.memory);
            self.sandbox.stream.send_emails(&view, &changed_emails);
            self.sandbox.stream.send_changes(&view, &changed, &changed_entries);
        }
    }
}
