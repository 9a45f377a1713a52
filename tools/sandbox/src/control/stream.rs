//! Server-sent events for those who watch: one snapshot, and then each change.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
    routing::get,
};
use futures::{
    Stream as Events, StreamExt as _,
    stream::{once, unfold},
};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{state::Sandbox, stream::StreamEvent};

/// How often an empty comment is sent, so that no proxy between closes a connection that is silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/stream", get(watch))
}

async fn watch(State(sandbox): State<Arc<Sandbox>>) -> Sse<impl Events<Item = Result<Event, Infallible>>> {
    let (snapshot, changes) = subscribe(&sandbox);
    let following = unfold((sandbox, changes), async |(sandbox, mut changes)| {
        let change = match changes.recv().await {
            Ok(change) => change,
            Err(RecvError::Lagged(_)) => {
                let (snapshot, newer) = subscribe(&sandbox);
                changes = newer;
                snapshot
            }
            Err(RecvError::Closed) => return None,
        };
        Some((change, (sandbox, changes)))
    });
    let events = once(async { snapshot }).chain(following).map(|change| Ok(event(change)));
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// A snapshot, and the changes from then on.
fn subscribe(sandbox: &Sandbox) -> (StreamEvent, broadcast::Receiver<StreamEvent>) {
    // Under one lock, so that each change is either in the snapshot or after it.
    let memory = sandbox.memory();
    let changes = sandbox.stream.subscribe();
    let data = sandbox.view(&memory).snapshot().to_string().into();
    (StreamEvent { name: "snapshot", data }, changes)
}

fn event(change: StreamEvent) -> Event {
    Event::default().event(change.name).data(change.data)
}
