//! Scenarios: those that a request brings, and the presets.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    presets,
    scenario::{InvalidScenario, Scenario, play},
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

type Started = Result<(StatusCode, Json<Value>), (StatusCode, String)>;

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/sandbox/scenario", post(play_scenario).delete(stop))
        .route("/sandbox/presets", get(list))
        .route("/sandbox/presets/{name}", post(play_preset))
}

async fn list() -> Json<Value> {
    Json(presets::list())
}

/// Starts a scenario. The sandbox keeps its seed, so that a scenario for another seed meets other random decisions.
async fn play_scenario(State(sandbox): State<Arc<Sandbox>>, Json(scenario): Json<Value>) -> Started {
    start(&sandbox, Scenario::from_json(scenario))
}

async fn play_preset(State(sandbox): State<Arc<Sandbox>>, Path(name): Path<String>) -> Started {
    match presets::find(&name) {
        Some(scenario) => start(&sandbox, scenario),
        None => Err((StatusCode::NOT_FOUND, format!("there is no preset {name}: GET /sandbox/presets lists them"))),
    }
}

fn start(sandbox: &Arc<Sandbox>, scenario: Result<Scenario, InvalidScenario>) -> Started {
    let scenario = scenario.map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let own = sandbox.config.seed;
    if let Some(seed) = scenario.seed.filter(|seed| *seed != own) {
        let summary =
            format!("The scenario is for seed {seed}. This sandbox has seed {own}, so its random decisions differ.");
        sandbox.record(TimelineEvent::new("scenario", TimelineOutcome::Neutral, summary));
    }
    let steps = scenario.steps();
    play::play(sandbox, scenario);
    Ok((StatusCode::ACCEPTED, Json(json!({"steps": steps}))))
}

/// Stops the scenario that is being played, and removes what it has planned.
async fn stop(State(sandbox): State<Arc<Sandbox>>) -> StatusCode {
    if play::stop(&sandbox) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
