//! Changes of the sandbox, sent to all who watch it at the moment they happen.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use twilio_types::sid::MessageSid;

use crate::{
    sendgrid::shown,
    snapshot::{View, message_json},
};

/// How many events a slow receiver may be behind before it has to begin with a new snapshot.
const CAPACITY: usize = 1_024;

/// What has changed, by name, and the whole new value as JSON.
#[derive(Debug, Clone)]
pub(crate) struct StreamEvent {
    pub(crate) name: &'static str,
    pub(crate) data: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Stream {
    events: broadcast::Sender<StreamEvent>,
    sent: Mutex<LastSent>,
}

/// What was sent last, so that only differences are sent.
#[derive(Debug, Default)]
struct LastSent {
    entry_number: u64,
    people: Value,
    faults: Value,
    config: Value,
    rules: Value,
    choices: Value,
    templates: Value,
    scenario: Value,
}

impl Default for Stream {
    fn default() -> Self {
        Self { events: broadcast::Sender::new(CAPACITY), sent: Mutex::default() }
    }
}

impl Stream {
    /// Sends what has changed since the last call.
    pub(crate) fn send_changes(&self, view: &View<'_>, changed_messages: &[MessageSid], changed_entries: &[u64]) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let (messages, timeline) = (&view.memory.messages, &view.memory.timeline);
        if self.events.receiver_count() == 0 {
            sent.entry_number = timeline.last_number();
            return;
        }
        for message in changed_messages.iter().filter_map(|sid| messages.get(sid)) {
            self.send("message", &message_json(&view.config.account_sid, message, view.now));
        }
        let known = changed_entries.iter().filter(|number| **number <= sent.entry_number);
        for entry in known.filter_map(|number| timeline.get(*number)).chain(timeline.since(sent.entry_number)) {
            self.send("entry", entry);
        }
        sent.entry_number = timeline.last_number();
        self.send_if_changed("people", view.people(), &mut sent.people);
        self.send_if_changed("config", view.config(), &mut sent.config);
        self.send_if_changed("faults", view.faults(), &mut sent.faults);
        self.send_if_changed("rules", json!(view.products.rules.rules()), &mut sent.rules);
        self.send_if_changed("choices", json!(view.memory.choices), &mut sent.choices);
        self.send_if_changed("templates", view.templates(), &mut sent.templates);
        self.send_if_changed("scenario", view.scenario(), &mut sent.scenario);
    }

    /// Sends the e-mails with these ids, as messages on the phones of their people.
    pub(crate) fn send_emails(&self, view: &View<'_>, changed: &BTreeSet<String>) {
        let changed = view.memory.mailbox.iter().filter(|email| changed.contains(&email.id));
        for email in changed.filter_map(shown::message_json) {
            self.send("message", &email);
        }
    }

    fn send_if_changed(&self, name: &'static str, value: Value, last: &mut Value) {
        if *last != value {
            self.send(name, &value);
            *last = value;
        }
    }

    pub(crate) fn send(&self, name: &'static str, value: &impl Serialize) {
        // Every value has strings for keys, so that it is always JSON. Without receivers the event is for no one.
        if let Ok(data) = serde_json::to_string(value) {
            let _ = self.events.send(StreamEvent { name, data: data.into() });
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<StreamEvent> {
        self.events.subscribe()
    }
}
