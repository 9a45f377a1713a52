//! Adding and removing people.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, post},
};
use serde_json::Value;

use crate::{capacity::PEOPLE, people::NewPerson, state::Sandbox};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/people", post(add)).route("/sandbox/people/{address}", delete(remove))
}

async fn add(
    State(sandbox): State<Arc<Sandbox>>,
    Json(person): Json<NewPerson>,
) -> Result<(StatusCode, Json<Value>), (StatusCode, String)> {
    let mut memory = sandbox.memory();
    if !memory.people.has_room() {
        let error = format!("there are {PEOPLE} people already, which is the maximum: remove one first");
        return Err((StatusCode::UNPROCESSABLE_ENTITY, error));
    }
    let person = memory.people.add(person);
    Ok((StatusCode::CREATED, Json(sandbox.view(&memory).person(&person))))
}

async fn remove(State(sandbox): State<Arc<Sandbox>>, Path(address): Path<String>) -> StatusCode {
    if sandbox.memory().people.remove(&address) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
