//! Requests about executions.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use super::{Execution, ExecutionStatus, PlannedStartFault};
use crate::{
    api_error::ApiError,
    auth::Authenticated,
    config::Config,
    products::{
        Products,
        collection::Collection,
        resource::{ListOrder, Resource, delete, fetch, find, list, update},
    },
    sids::is_sid,
    state::Sandbox,
};

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    let execution = get(fetch::<Execution>).post(update::<Execution>).delete(delete::<Execution>);
    Router::new()
        .route("/v2/Flows/{flow}/Executions", get(list::<Execution>).post(create))
        .route("/v2/Flows/{flow}/Executions/{execution}", execution)
        .route("/v2/Flows/{flow}/Executions/{execution}/Context", get(fetch_context))
}

impl Resource for Execution {
    const LIST_KEY: &'static str = "executions";
    const LIST_ORDER: ListOrder = ListOrder::NewestFirst;

    fn collection(products: &Products) -> &Collection<Self> {
        &products.executions
    }

    fn belongs_to(&self, parent: Option<&str>) -> bool {
        parent == Some(self.flow_sid.as_str())
    }

    fn json(&self, config: &Config) -> Value {
        self.resource(config)
    }

    /// The only possible change ends the execution.
    fn change(&mut self, body: &[u8], now: Timestamp) -> Result<(), ApiError> {
        if Form::parse(body).get("Status") != Some("ended") {
            return Err(ApiError::invalid("Status", "ended"));
        }
        (self.status, self.updated_at) = (ExecutionStatus::Ended, now);
        Ok(())
    }
}

async fn create(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(flow_sid): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    if !is_sid("FW", &flow_sid) {
        return Err(caller.not_found());
    }
    let form = Form::parse(&body);
    let to = form.get_filled("To").ok_or_else(|| ApiError::missing("To"))?.to_owned();
    form.get_filled("From").ok_or_else(|| ApiError::missing("From"))?;
    let parameters = serde_json::from_str(form.get_filled("Parameters").unwrap_or("{}"));
    let parameters = parameters.map_err(|_| ApiError::invalid("Parameters", "a JSON object"))?;
    let now = sandbox.now();
    let (sid, contact_sid) = (sandbox.sids.next("FN"), sandbox.sids.next("FC"));
    let fault = take_fault(&sandbox, &to);
    let execution = Execution {
        sid,
        flow_sid,
        contact_sid,
        to,
        parameters,
        hides_context: fault.as_ref().is_some_and(|fault| fault.hides_context),
        status: ExecutionStatus::Active,
        created_at: now,
        updated_at: now,
    };
    let is_active = |other: &Execution| {
        other.flow_sid == execution.flow_sid && other.to == execution.to && other.status == ExecutionStatus::Active
    };
    if let Some(fault) = fault.as_ref().filter(|fault| !fault.started) {
        return Err(fault_error(fault));
    }
    let added = sandbox.products.executions.add_unless(execution.sid.clone(), execution.clone(), is_active);
    match added {
        Ok(_) if fault.is_some() => Err(fault.as_ref().map_or_else(|| caller.not_found(), fault_error)),
        Ok(execution) => Ok((StatusCode::CREATED, Json(execution.json(&sandbox.config)))),
        Err(active) => {
            let message = format!("Execution {} is already active for this contact", active.sid);
            Err(ApiError::new(StatusCode::CONFLICT, 20409, message))
        }
    }
}

/// The fault that is planned for the next execution for an address.
fn take_fault(sandbox: &Sandbox, to: &str) -> Option<PlannedStartFault> {
    let mut memory = sandbox.memory();
    let index = memory.start_faults.iter().position(|fault| fault.to == to)?;
    Some(memory.start_faults.remove(index))
}

fn fault_error(fault: &PlannedStartFault) -> ApiError {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Source: Twilio, errors 20001 and 20500.
    let code = if status.is_server_error() { 20500 } else { 20001 };
    ApiError::new(status, code, "planned".to_owned())
}

/// Plans a fault, for tests.
async fn plan_fault(State(sandbox): State<Arc<Sandbox>>, Json(fault): Json<PlannedStartFault>) -> StatusCode {
    sandbox.memory().start_faults.push(fault);
    StatusCode::CREATED
}

/// The part of the control interface that concerns executions.
pub(crate) fn control_routes() -> Router<Arc<Sandbox>> {
    Router::new().route("/sandbox/studio-faults", post(plan_fault))
}

async fn fetch_context(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(path): Path<Vec<String>>,
) -> Result<Json<Value>, ApiError> {
    let (_, execution) = find::<Execution>(&sandbox.products, &path).ok_or_else(|| caller.not_found())?;
    Ok(Json(json!({
        "account_sid": sandbox.config.account_sid, "flow_sid": execution.flow_sid, "execution_sid": execution.sid,
        "context": execution.context(), "url": format!("https://studio.twilio.com{}", caller.path),
    })))
}
