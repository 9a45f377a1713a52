//! Twilio Studio (v2): executions of flows. Any flow can be started; nothing happens in it. An execution is active until
//! somebody ends it, and a person has one of a flow at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use twilio_webhook::form::Form;

use crate::{
    Config, auth::Authenticated, dates::iso_date, kept, pages::Asked, refusal::Refusal, sids::is_sid, state::Sandbox,
};

/// The account's executions, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Studio(Mutex<Vec<Execution>>);

#[derive(Debug)]
struct Execution {
    sid: String,
    flow_sid: String,
    contact_sid: String,
    to: String,
    parameters: Map<String, Value>,
    status: Status,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Active,
    Ended,
}

impl Studio {
    fn lock(&self) -> MutexGuard<'_, Vec<Execution>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Execution {
    fn resource(&self, config: &Config) -> Value {
        let url = format!("https://studio.twilio.com/v2/Flows/{}/Executions/{}", self.flow_sid, self.sid);
        json!({
            "sid": self.sid, "account_sid": config.account_sid, "flow_sid": self.flow_sid, "context": self.context(),
            "contact_channel_address": self.to, "contact_sid": self.contact_sid, "flow_version": 1,
            "status": if self.status == Status::Active { "active" } else { "ended" }, "initiated_by": null,
            "date_created": iso_date(self.created_at), "date_updated": iso_date(self.updated_at),
            "links": {"steps": format!("{url}/Steps"), "execution_context": format!("{url}/Context")}, "url": url,
        })
    }

    /// What the flow sees as `flow.data`.
    fn context(&self) -> Value {
        json!({"flow": {"data": self.parameters}})
    }
}

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/v2/Flows/{flow}/Executions", get(list).post(create))
        .route("/v2/Flows/{flow}/Executions/{execution}", get(fetch).post(update).delete(delete))
        .route("/v2/Flows/{flow}/Executions/{execution}/Context", get(fetch_context))
}

async fn create(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(flow_sid): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    if !is_sid("FW", &flow_sid) {
        return Err(caller.not_found());
    }
    let form = Form::parse(&body);
    let to = form.get_filled("To").ok_or_else(|| Refusal::missing("To"))?.to_owned();
    form.get_filled("From").ok_or_else(|| Refusal::missing("From"))?;
    let parameters = serde_json::from_str(form.get_filled("Parameters").unwrap_or("{}"));
    let parameters = parameters.map_err(|_| Refusal::invalid("Parameters", "a JSON object"))?;
    let now = sandbox.now();
    let (sid, contact_sid) = (sandbox.sids.next("FN"), sandbox.sids.next("FC"));
    let execution = Execution {
        sid,
        flow_sid,
        contact_sid,
        to,
        parameters,
        status: Status::Active,
        created_at: now,
        updated_at: now,
    };
    let mut executions = sandbox.products.studio.lock();
    let same = |other: &&Execution| other.flow_sid == execution.flow_sid && other.to == execution.to;
    if let Some(active) = executions.iter().filter(same).find(|other| other.status == Status::Active) {
        let words = format!("Execution {} is already active for this contact", active.sid);
        return Err(Refusal::new(StatusCode::CONFLICT, 20409, words));
    }
    let shown = execution.resource(&sandbox.config);
    executions.push(execution);
    if executions.len() > kept::VERIFICATIONS {
        executions.remove(0);
    }
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn list(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(flow): Path<String>,
    asked: Asked,
) -> Result<Json<Value>, Refusal> {
    let executions = sandbox.products.studio.lock();
    let of_flow = executions.iter().rev().filter(|execution| execution.flow_sid == flow);
    let shown: Vec<_> = of_flow.map(|execution| execution.resource(&sandbox.config)).collect();
    asked.page("executions", &shown).map(Json)
}

async fn fetch(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((flow, sid)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let mut executions = sandbox.products.studio.lock();
    let execution = find(&mut executions, &flow, &sid).ok_or_else(|| caller.not_found())?;
    Ok(Json(execution.resource(&sandbox.config)))
}

async fn fetch_context(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((flow, sid)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let mut executions = sandbox.products.studio.lock();
    let execution = find(&mut executions, &flow, &sid).ok_or_else(|| caller.not_found())?;
    Ok(Json(json!({
        "account_sid": sandbox.config.account_sid, "flow_sid": flow, "execution_sid": sid,
        "context": execution.context(), "url": format!("https://studio.twilio.com{}", caller.path),
    })))
}

/// Ends an execution.
async fn update(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((flow, sid)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    if Form::parse(&body).get("Status") != Some("ended") {
        return Err(Refusal::invalid("Status", "ended"));
    }
    let mut executions = sandbox.products.studio.lock();
    let execution = find(&mut executions, &flow, &sid).ok_or_else(|| caller.not_found())?;
    (execution.status, execution.updated_at) = (Status::Ended, sandbox.now());
    Ok(Json(execution.resource(&sandbox.config)))
}

async fn delete(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((flow, sid)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let mut executions = sandbox.products.studio.lock();
    find(&mut executions, &flow, &sid).ok_or_else(|| caller.not_found())?;
    executions.retain(|execution| execution.sid != sid);
    Ok(StatusCode::NO_CONTENT)
}

fn find<'a>(executions: &'a mut [Execution], flow: &str, sid: &str) -> Option<&'a mut Execution> {
    executions.iter_mut().find(|execution| execution.flow_sid == flow && execution.sid == sid)
}
