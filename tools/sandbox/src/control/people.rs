//! Adding, changing and removing people, and the link of the account's portfolio to a parent portfolio.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, post, put},
};
use serde_json::Value;

use crate::{
    capacity::PEOPLE,
    people::{NewPerson, PersonChange},
    portfolio::ParentLink,
    state::Sandbox,
};

pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/sandbox/people", post(add))
        .route("/sandbox/people/{address}", delete(remove).put(change))
        .route("/sandbox/portfolio", put(link_parent))
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

/// Changes a person, who need not be on the page. Answers the ids from then on.
async fn change(
    State(sandbox): State<Arc<Sandbox>>,
    Path(address): Path<String>,
    Json(change): Json<PersonChange>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    let mut memory = sandbox.memory();
    let address = memory.people.change(&address, change).map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error))?;
    Ok(Json(sandbox.view(&memory).ids(&address)))
}

async fn link_parent(State(sandbox): State<Arc<Sandbox>>, Json(link): Json<ParentLink>) -> StatusCode {
    sandbox.memory().people.portfolio.link_parent(link);
    StatusCode::NO_CONTENT
}
