//! SendGrid's Web API, as much of it as the system uses.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{Email, MailFault, MailList, SENDGRID_API_KEY, events};
use crate::{
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/v3/mail/send", post(send))
        .route("/v3/asm/suppressions/global/{address}", get(global))
        .route("/v3/asm/suppressions/{address}", get(groups))
        .route("/v3/suppression/{list}/{address}", get(list))
}

fn error(status: StatusCode, field: &str, message: &str) -> Response {
    let body = json!({"errors": [{"message": message, "field": field, "help": null}]});
    (status, Json(body)).into_response()
}

fn refusal(headers: &HeaderMap) -> Option<Response> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let message = "The provided authorization grant is invalid, expired, or revoked";
    (given != Some(&format!("Bearer {SENDGRID_API_KEY}"))).then(|| error(StatusCode::UNAUTHORIZED, "", message))
}

async fn send(State(sandbox): State<Arc<Sandbox>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refused) = refusal(&headers) {
        return refused;
    }
    let email = match read(&sandbox, &body) {
        Ok(email) => email,
        Err(field) => return error(StatusCode::BAD_REQUEST, field, "The field is missing or wrong."),
    };
    let fault = sandbox.memory().mailbox.take_fault(&email.to);
    if let Some(MailFault::Refuse { status }) = fault {
        record(&sandbox, &email, TimelineOutcome::Bad, format!("SendGrid refuses an e-mail with {status}"));
        return error(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), "", "planned");
    }
    record(&sandbox, &email, TimelineOutcome::Good, "SendGrid accepts an e-mail".to_owned());
    let id = email.id.clone();
    sandbox.memory().mailbox.add(email.clone());
    let status = match fault {
        Some(MailFault::LoseAnswer { status } | MailFault::Vanish { status }) => StatusCode::from_u16(status),
        _ => Ok(StatusCode::ACCEPTED),
    };
    if !matches!(fault, Some(MailFault::Silent | MailFault::Vanish { .. })) {
        tokio::spawn(events::report(sandbox, email, fault));
    }
    (status.unwrap_or(StatusCode::BAD_GATEWAY), [("X-Message-Id", id)]).into_response()
}

/// The e-mail of a request. The error is the field that is missing or wrong.
fn read(sandbox: &Sandbox, body: &Value) -> Result<Email, &'static str> {
    let text = |field: &'static str| {
        let value = body.pointer(&format!("/{}", field.replace('.', "/")));
        value.and_then(Value::as_str).map(str::to_owned).ok_or(field)
    };
    let to = text("personalizations.0.to.0.email")?;
    let from = text("from.email")?;
    let template_id = text("template_id")?;
    if !template_id.starts_with("d-") {
        return Err("template_id");
    }
    let arguments = body.pointer("/personalizations/0/custom_args").and_then(Value::as_object).into_iter().flatten();
    let arguments = arguments.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let custom_args: BTreeMap<String, String> = arguments.collect();
    let person = custom_args.get("notification_id").and_then(|id| sandbox.memory().person_of_notification(id));
    Ok(Email {
        id: format!("{}.sandbox", sandbox.sids.next("EM")),
        at: sandbox.now(),
        from,
        to,
        template_id,
        variables: body.pointer("/personalizations/0/dynamic_template_data").cloned().unwrap_or_default(),
        custom_args,
        unsubscribe_group: body.pointer("/asm/group_id").and_then(Value::as_u64),
        status: "accepted".to_owned(),
        person,
    })
}

/// Adds to the timeline what happened to an e-mail.
pub(super) fn record(sandbox: &Sandbox, email: &Email, outcome: TimelineOutcome, summary: String) {
    let details = json!({
        "to": email.to, "template_id": email.template_id, "variables": email.variables, "email_id": email.id,
        "custom_args": email.custom_args,
    });
    let mut event = TimelineEvent::new("email", outcome, summary);
    event.person.clone_from(&email.person);
    event.message_sid = Some(email.id.clone());
    event.notification_id = email.custom_args.get("notification_id").cloned();
    event.details = details;
    sandbox.record(event);
}

async fn global(State(sandbox): State<Arc<Sandbox>>, headers: HeaderMap, Path(address): Path<String>) -> Response {
    if let Some(refused) = refusal(&headers) {
        return refused;
    }
    let is_on = sandbox.memory().mailbox.is_on(MailList::Global, &address);
    Json(if is_on { json!({"recipient_email": address}) } else { json!({}) }).into_response()
}

async fn groups(State(sandbox): State<Arc<Sandbox>>, headers: HeaderMap, Path(address): Path<String>) -> Response {
    if let Some(refused) = refusal(&headers) {
        return refused;
    }
    let suppressed = sandbox.memory().mailbox.is_on(MailList::Group, &address);
    let group = json!({"id": 1234, "name": "News", "description": "", "is_default": false, "suppressed": suppressed});
    Json(json!({"suppressions": [group]})).into_response()
}

async fn list(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    Path((list, address)): Path<(String, String)>,
) -> Response {
    if let Some(refused) = refusal(&headers) {
        return refused;
    }
    let Ok(list) = serde_json::from_value::<MailList>(json!(list)) else {
        return error(StatusCode::NOT_FOUND, "", "not found");
    };
    let is_on = sandbox.memory().mailbox.is_on(list, &address);
    Json(if is_on { json!([{"email": address, "created": sandbox.now().as_second()}]) } else { json!([]) })
        .into_response()
}
