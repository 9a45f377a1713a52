//! What becomes of a well-formed request to create a message.

use std::{sync::Arc, time::Instant};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::resource::message_resource;
use crate::{
    callbacks::{Plan, rule, unfold, words},
    faults::{Fault, Struck},
    limits::OnExcess,
    memory::Memory,
    messages::Message,
    rates::Arrival,
    refusal::Refusal,
    state::Sandbox,
};

/// A sender that sends too fast. Source: Twilio, error 63018.
const RATE_LIMIT_EXCEEDED: u32 = 63018;

/// What a request came to, if it was not refused.
#[derive(Debug)]
pub(super) enum Taking {
    /// Nothing, and no answer comes.
    Lost,
    /// A message.
    Created {
        shown: Value,
        /// Its statuses, as they come one after the other.
        unfolding: JoinHandle<()>,
        /// What was planned for it.
        fault: Option<Fault>,
    },
}

/// Takes a message, unless a limit or a plan says otherwise.
pub(super) fn take(sandbox: &Arc<Sandbox>, message: Message) -> Result<Taking, Refusal> {
    let mut memory = sandbox.memory();
    let now = Instant::now();
    let sender = message.from.clone().unwrap_or_else(|| sandbox.config.sender_on(&message.channel).to_owned());
    // The limit that can be set is a WhatsApp sender's: SMS beyond its own waits in Twilio's queue.
    let excess = if sender == sandbox.config.sender { memory.limiter.excess(&sender, now) } else { None };
    if excess == Some(OnExcess::Refuse) {
        return Err(Refusal::too_many_requests());
    }
    let struck = Struck { seed: sandbox.config.seed, person: &message.to, sid: message.sid.as_str() };
    let fault = memory.faults.of_call(struck);
    if let Some(fault) = &fault {
        memory.timeline.add(sandbox.now(), fault.happening(&message.to, message.sid.as_str()));
    }
    match fault {
        Some(Fault::Refuse { status, code, retry_after }) => {
            return Err(Refusal { retry_after, ..refused(status, code) });
        }
        Some(Fault::Hang) => return Ok(Taking::Lost),
        _ => {}
    }
    if excess.is_none() {
        memory.limiter.pass(&sender, now);
    }
    let mischief = memory.faults.of_webhooks(struck);
    for fault in mischief.iter() {
        memory.timeline.add(sandbox.now(), fault.happening(&message.to, message.sid.as_str()));
    }
    if excess.is_some() {
        let happening = rule(RATE_LIMIT_EXCEEDED, words(RATE_LIMIT_EXCEEDED));
        memory.timeline.add(sandbox.now(), happening.of(&message.to, Some(message.sid.as_str())));
    }
    let too_fast = excess.map(|_| Fault::Fail { code: RATE_LIMIT_EXCEEDED });
    let shown = message_resource(&sandbox.config.account_sid, &message);
    let sid = message.sid.clone();
    store(&mut memory, message, sender, now);
    let plan = Plan { fault: too_fast.or_else(|| fault.clone()), mischief };
    let unfolding = tokio::spawn(unfold(Arc::clone(sandbox), sid, plan));
    Ok(Taking::Created { shown, unfolding, fault })
}

fn store(memory: &mut Memory, message: Message, sender: String, at: Instant) {
    memory.arrivals.note(Arrival {
        at,
        clock: message.created_at,
        sender,
        service: message.messaging_service_sid.clone(),
        to: message.to.clone(),
    });
    memory.messages.add(message);
}

/// The answer of a fault.
pub(super) fn refused(status: u16, code: u32) -> Refusal {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Refusal::new(status, code, "Refused as planned")
}
