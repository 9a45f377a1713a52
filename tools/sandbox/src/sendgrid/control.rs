//! What a test or the page does with e-mails.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::json;

use super::{Email, MailList, PlannedMailFault, events};
use crate::state::Sandbox;

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/sandbox/emails", get(emails))
        .route("/sandbox/emails/{id}/open", post(open))
        .route("/sandbox/email-faults", post(add_fault))
        .route("/sandbox/email-lists", put(set_list))
}

#[derive(Deserialize)]
struct EmailQuery {
    to: Option<String>,
}

/// The e-mails to an address, the oldest first.
async fn emails(State(sandbox): State<Arc<Sandbox>>, Query(query): Query<EmailQuery>) -> Json<Vec<Email>> {
    let memory = sandbox.memory();
    let is_wanted = |email: &&Email| query.to.as_ref().is_none_or(|to| *to == email.to);
    Json(memory.mailbox.iter().filter(is_wanted).cloned().collect())
}

/// The person opens an e-mail.
async fn open(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> StatusCode {
    let found = sandbox.memory().mailbox.iter().find(|email| email.id == id).cloned();
    let Some(email) = found else { return StatusCode::NOT_FOUND };
    events::post(&sandbox, &email, "open", json!({})).await;
    StatusCode::NO_CONTENT
}

async fn add_fault(State(sandbox): State<Arc<Sandbox>>, Json(fault): Json<PlannedMailFault>) -> StatusCode {
    sandbox.memory().mailbox.faults.push(fault);
    StatusCode::CREATED
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListEntry {
    list: MailList,
    address: String,
    listed: bool,
}

async fn set_list(State(sandbox): State<Arc<Sandbox>>, Json(entry): Json<ListEntry>) -> StatusCode {
    let mut memory = sandbox.memory();
    let addresses = memory.mailbox.lists.entry(entry.list).or_default();
    if entry.listed {
        addresses.insert(entry.address);
    } else {
        addresses.remove(&entry.address);
    }
    StatusCode::NO_CONTENT
}
