//! What becomes of a well-formed request to create a message.

use std::{sync::Arc, time::Instant};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::resource::message_resource;
use crate::{
    api_error::ApiError,
    callbacks::{PlannedFaults, rule, unfold, words},
    faults::{FaultTarget, InjectedFault},
    limits::OnExcess,
    memory::Memory,
    messages::Message,
    rates::CreatedMessage,
    state::Sandbox,
};

/// A sender that sends too fast. Source: Twilio, error 63018.
const RATE_LIMIT_EXCEEDED: u32 = 63018;

/// What a request came to, if it was not refused.
#[derive(Debug)]
pub(super) enum CreateOutcome {
    /// Nothing, and no answer comes.
    NoAnswer,
    /// A message.
    Created {
        shown: Value,
        /// Its statuses, as they come one after the other.
        unfolding: JoinHandle<()>,
        /// What was planned for it.
        fault: Option<InjectedFault>,
    },
}

/// Takes a message, unless a limit or a plan says otherwise.
pub(super) fn accept(sandbox: &Arc<Sandbox>, message: Message) -> Result<CreateOutcome, ApiError> {
    let mut memory = sandbox.memory();
    let now = Instant::now();
    let sender = message.from.clone().unwrap_or_else(|| sandbox.config.sender_on(&message.channel).to_owned());
    // The limit that can be set is a WhatsApp sender's: SMS beyond its own waits in Twilio's queue.
    let excess = if sender == sandbox.config.sender { memory.limiter.excess(&sender, now) } else { None };
    if excess == Some(OnExcess::Refuse) {
        return Err(ApiError::too_many_requests());
    }
    let struck = FaultTarget { seed: sandbox.config.seed, person: &message.to, sid: message.sid.as_str() };
    let fault = memory.faults.of_call(struck);
    if let Some(fault) = &fault {
        memory.timeline.add(sandbox.now(), fault.happening(&message.to, message.sid.as_str()));
    }
    match fault {
        Some(InjectedFault::Refuse { status, code, retry_after }) => {
            return Err(ApiError { retry_after, ..refused(status, code) });
        }
        Some(InjectedFault::Hang) => return Ok(CreateOutcome::NoAnswer),
        _ => {}
    }
    if excess.is_none() {
        memory.limiter.pass(&sender, now);
    }
    let faults = memory.faults.of_webhooks(struck);
    for fault in faults.iter() {
        memory.timeline.add(sandbox.now(), fault.happening(&message.to, message.sid.as_str()));
    }
    if excess.is_some() {
        let happening = rule(RATE_LIMIT_EXCEEDED, words(RATE_LIMIT_EXCEEDED));
        memory.timeline.add(sandbox.now(), happening.of(&message.to, Some(message.sid.as_str())));
    }
    let too_fast = excess.map(|_| InjectedFault::Fail { code: RATE_LIMIT_EXCEEDED });
    let shown = message_resource(&sandbox.config.account_sid, &message);
    let sid = message.sid.clone();
    store(&mut memory, message, sender, now);
    let plan = PlannedFaults { fault: too_fast.or_else(|| fault.clone()), faults };
    let unfolding = tokio::spawn(unfold(Arc::clone(sandbox), sid, plan));
    Ok(CreateOutcome::Created { shown, unfolding, fault })
}

fn store(memory: &mut Memory, message: Message, sender: String, at: Instant) {
    memory.created.note(CreatedMessage {
        at,
        clock: message.created_at,
        sender,
        service: message.messaging_service_sid.clone(),
        to: message.to.clone(),
    });
    memory.messages.add(message);
}

/// The answer of a fault.
pub(super) fn refused(status: u16, code: u32) -> ApiError {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    ApiError::new(status, code, "Refused as planned")
}
