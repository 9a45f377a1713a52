//! The sandbox's time, and how to let it pass.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    snapshot,
    state::Sandbox,
    timeline::{Happening, Outcome},
};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/clock", get(read).post(advance))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u32,
}

async fn read(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    Json(snapshot::clock(&sandbox))
}

async fn advance(State(sandbox): State<Arc<Sandbox>>, Json(advance): Json<Advance>) -> Json<Value> {
    sandbox.advance_clock(advance.advance_seconds);
    Json(snapshot::clock(&sandbox))
}

impl Sandbox {
    /// Lets so many seconds pass, and says so.
    pub(crate) fn advance_clock(&self, seconds: u32) {
        let by = SignedDuration::from_secs(seconds.into());
        self.clock.advance(by);
        self.stream.tell("clock", &snapshot::clock(self));
        let details = json!({"advance_seconds": seconds});
        self.tell(Happening::new("clock", Outcome::Neutral, format!("{by:#} passes")).with(details));
    }
}
