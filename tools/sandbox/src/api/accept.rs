//! Accepting a message that is well-formed: limits, planned faults, and the start of its statuses.

use std::{sync::Arc, time::Instant};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::resource::message_resource;
use crate::{
    api_error::{ApiError, error_title},
    callbacks::{PlannedFaults, report_statuses},
    faults::{FaultTarget, InjectedFault},
    limits::OnExcess,
    memory::Memory,
    messages::Message,
    rates::CreatedMessage,
    state::Sandbox,
    timeline::TimelineEvent,
};

/// Source: Twilio, error 63018.
const RATE_LIMIT_EXCEEDED: u32 = 63018;

/// What an accepted request leads to.
#[derive(Debug)]
pub(super) enum CreateOutcome {
    /// No message, and no answer.
    NoAnswer,
    Created {
        shown: Value,
        /// Runs until the last status is reported.
        status_task: JoinHandle<()>,
        /// The fault that was planned for the call.
        fault: Option<InjectedFault>,
    },
}

/// Stores a message and starts its statuses, unless a limit or a planned fault refuses it.
pub(super) fn accept(sandbox: &Arc<Sandbox>, message: Message) -> Result<CreateOutcome, ApiError> {
    let mut memory = sandbox.memory();
    let now = Instant::now();
    let sender = message.from.clone().unwrap_or_else(|| sandbox.config.sender_on(&message.channel).to_owned());
    // The limit is that of a WhatsApp sender. SMS messages over their sender's rate wait in Twilio's queue instead.
    let excess = if sender == sandbox.config.sender { memory.limiter.excess(&sender, now) } else { None };
    if excess == Some(OnExcess::Refuse) {
        return Err(ApiError::too_many_requests());
    }
    let target = FaultTarget { seed: sandbox.config.seed, person: &message.to, sid: message.sid.as_str() };
    let fault = memory.faults.take_for_call(target);
    if let Some(fault) = &fault {
        memory.timeline.add(sandbox.now(), fault.event(&message.to, message.sid.as_str()));
    }
    match fault {
        Some(InjectedFault::Refuse { status, code, retry_after }) => {
            return Err(ApiError { retry_after, ..refused(status, code) });
        }
        Some(InjectedFault::Hang) => return Ok(CreateOutcome::NoAnswer),
        _ => {}
    }
    if excess.is_none() {
        memory.limiter.count(&sender, now);
    }
    let faults = memory.faults.take_for_webhooks(target);
    for fault in faults.iter() {
        memory.timeline.add(sandbox.now(), fault.event(&message.to, message.sid.as_str()));
    }
    if excess.is_some() {
        let event = TimelineEvent::broken_rule(RATE_LIMIT_EXCEEDED, error_title(RATE_LIMIT_EXCEEDED));
        memory.timeline.add(sandbox.now(), event.of(&message.to, Some(message.sid.as_str())));
    }
    let over_rate = excess.map(|_| InjectedFault::Fail { code: RATE_LIMIT_EXCEEDED });
    let shown = message_resource(&sandbox.config.account_sid, &message);
    let sid = message.sid.clone();
    store(&mut memory, message, sender, now);
    let plan = PlannedFaults { call: over_rate.or_else(|| fault.clone()), webhooks: faults };
    let status_task = tokio::spawn(report_statuses(Arc::clone(sandbox), sid, plan));
    Ok(CreateOutcome::Created { shown, status_task, fault })
}

fn store(memory: &mut Memory, message: Message, sender: String, at: Instant) {
    memory.created.add(CreatedMessage {
        at,
        clock: message.created_at,
        sender,
        service: message.messaging_service_sid.clone(),
        to: message.to.clone(),
    });
    memory.messages.add(message);
}

/// The error that a planned fault answers with.
pub(super) fn refused(status: u16, code: u32) -> ApiError {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    ApiError::new(status, code, "Refused by a planned fault")
}
