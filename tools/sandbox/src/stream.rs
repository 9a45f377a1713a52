//! What changes, as it changes: server-sent events for whoever watches.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{
    Stream as Events,
    stream::{once, unfold},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    snapshot::{config, faults, message, people, snapshot},
    state::{Sandbox, State},
};

/// How many changes a slow watcher may be behind before it has to begin anew.
const BEHIND: usize = 1_024;
/// As often comes a line that says nothing, so that nobody between takes the silence for an end.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A change, whole, under the name of what has changed.
#[derive(Debug, Clone)]
struct Change {
    event: &'static str,
    data: Arc<str>,
}

/// The way to those who watch.
#[derive(Debug)]
pub(crate) struct Stream(broadcast::Sender<Change>);

impl Default for Stream {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

/// What those who watch have been told, so that they are told changes only.
#[derive(Debug, Default)]
pub(crate) struct Told {
    last_entry: u64,
    people: Value,
    faults: Value,
    config: Value,
    rules: Value,
    templates: Value,
}

impl Stream {
    /// Tells all that has changed since the last time.
    pub(crate) fn tell_changes(&self, sandbox: &Sandbox, state: &mut State) {
        let changed = state.messages.take_changed();
        if self.0.receiver_count() == 0 {
            state.told.last_entry = state.timeline.last_number();
            return;
        }
        for changed in changed.iter().filter_map(|sid| state.messages.get(sid)) {
            self.tell("message", &message(sandbox, changed));
        }
        for entry in state.timeline.since(state.told.last_entry) {
            self.tell("entry", entry);
        }
        state.told.last_entry = state.timeline.last_number();
        self.tell_anew("people", people(state, sandbox.now()), &mut state.told.people);
        self.tell_anew("config", config(sandbox), &mut state.told.config);
        self.tell_anew("faults", faults(state), &mut state.told.faults);
        self.tell_anew("rules", json!(sandbox.rules()), &mut state.told.rules);
        self.tell_anew("templates", sandbox.products.contents.overview(), &mut state.told.templates);
    }

    /// Tells a thing whole, where it is not as it was told.
    fn tell_anew(&self, event: &'static str, now: Value, told: &mut Value) {
        if *told != now {
            self.tell(event, &now);
            *told = now;
        }
    }

    pub(crate) fn tell(&self, event: &'static str, thing: &impl Serialize) {
        // What can be told has names for keys, so that it is always JSON; and nobody may be watching.
        if let Ok(data) = serde_json::to_string(thing) {
            let _ = self.0.send(Change { event, data: data.into() });
        }
    }

    /// What changes from now on.
    pub(crate) fn subscribe(&self) -> Changes {
        Changes(self.0.subscribe())
    }

    /// What is, and what changes from then on.
    fn begin(&self, sandbox: &Sandbox) -> (Change, broadcast::Receiver<Change>) {
        // Under the lock: no change is both in the snapshot and after it, and none is in neither.
        let state = sandbox.state();
        let changes = self.0.subscribe();
        let data = snapshot(sandbox, &state).to_string().into();
        (Change { event: "snapshot", data }, changes)
    }
}

/// The changes, one after the other.
#[derive(Debug)]
pub(crate) struct Changes(broadcast::Receiver<Change>);

impl Changes {
    /// Waits for the next one, or that there will be none.
    pub(crate) async fn next(&mut self) {
        let _ = self.0.recv().await;
    }
}

impl From<Change> for Event {
    fn from(change: Change) -> Self {
        Self::default().event(change.event).data(change.data)
    }
}

/// What is, and what changes, for one who watches.
pub(crate) fn watch(sandbox: Arc<Sandbox>) -> Sse<impl Events<Item = Result<Event, Infallible>>> {
    let (snapshot, changes) = sandbox.stream.begin(&sandbox);
    let following = unfold((sandbox, changes), async |(sandbox, mut changes)| {
        let change = match changes.recv().await {
            Ok(change) => change,
            Err(RecvError::Lagged(_)) => {
                let (snapshot, anew) = sandbox.stream.begin(&sandbox);
                changes = anew;
                snapshot
            }
            Err(RecvError::Closed) => return None,
        };
        Some((change, (sandbox, changes)))
    });
    let all = futures::StreamExt::chain(once(async { snapshot }), following);
    let events = futures::StreamExt::map(all, |change| Ok(Event::from(change)));
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
