//! Accepting a message that is well-formed: limits, planned faults, and the start of its statuses.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinHandle;
use twilio_types::address::Channel;

use super::resource::message_resource;
use crate::{
    api_error::{ApiError, error_title},
    callbacks::{PlannedFaults, report_statuses},
    faults::{CallFaults, FaultTarget, InjectedFault, WebhookFaults},
    limits::OnExcess,
    memory::Memory,
    messages::{Hold, Message},
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
        /// The faults that were planned for the call.
        faults: CallFaults,
    },
}

/// Stores a message and starts its statuses, unless a limit or a planned fault refuses it.
pub(super) fn accept(sandbox: &Arc<Sandbox>, mut message: Message) -> Result<CreateOutcome, ApiError> {
    let mut memory = sandbox.memory();
    let now = sandbox.now();
    let sender = message.from.clone().unwrap_or_else(|| sandbox.config.sender_on(&message.channel).to_owned());
    // The limit is that of a WhatsApp sender. SMS messages are not limited here.
    let is_limited = message.channel == Channel::WhatsApp;
    let excess = if is_limited { memory.limiter.excess(&sender, now) } else { None };
    if excess == Some(OnExcess::Refuse) {
        return Err(ApiError::too_many_requests());
    }
    let target = FaultTarget { seed: sandbox.config.seed, person: &message.to, sid: message.sid.as_str() };
    let faults = memory.faults.take_for_call(target);
    for fault in faults.iter().filter(|fault| !fault.affects_webhooks()) {
        memory.timeline.add(sandbox.now(), fault.event(&message.to, message.sid.as_str()));
    }
    if let Some(refusal) = faults.refusal() {
        return Err(refusal);
    }
    if faults.contains(&InjectedFault::Hang) {
        return Ok(CreateOutcome::NoAnswer);
    }
    let fails = excess == Some(OnExcess::Fail);
    let turn = if is_limited && !fails { memory.limiter.count(&sender, now) } else { Some(now) };
    message.hold = later(faults.hold(now), turn, now);
    let webhooks = webhook_faults(sandbox, &mut memory, &message, &faults);
    if fails {
        let event = TimelineEvent::broken_rule(RATE_LIMIT_EXCEEDED, error_title(RATE_LIMIT_EXCEEDED));
        memory.timeline.add(sandbox.now(), event.of(&message.to, Some(message.sid.as_str())));
    }
    let shown = message_resource(&sandbox.config.account_sid, &message);
    let sid = message.sid.clone();
    store(&mut memory, message, sender);
    let call = if fails { InjectedFault::Fail { code: RATE_LIMIT_EXCEEDED }.into() } else { faults.clone() };
    let status_task = tokio::spawn(report_statuses(Arc::clone(sandbox), sid, PlannedFaults { call, webhooks }));
    Ok(CreateOutcome::Created { shown, status_task, faults })
}

/// The planned hold, extended to the message's turn in the sender's queue. No turn comes where there is none.
fn later(planned: Option<Hold>, turn: Option<Timestamp>, now: Timestamp) -> Option<Hold> {
    match (planned, turn) {
        (planned, Some(turn)) if turn <= now => planned,
        (None, until) => Some(Hold { until }),
        (Some(planned), turn) => Some(Hold { until: planned.until.zip(turn).map(|(end, turn)| end.max(turn)) }),
    }
}

/// The faults of the message's webhooks, which are added to the timeline.
fn webhook_faults(sandbox: &Sandbox, memory: &mut Memory, message: &Message, call: &CallFaults) -> WebhookFaults {
    let target = FaultTarget { seed: sandbox.config.seed, person: &message.to, sid: message.sid.as_str() };
    let faults = memory.faults.take_for_webhooks(target).with_those_of(call);
    for fault in faults.iter() {
        memory.timeline.add(sandbox.now(), fault.event(&message.to, message.sid.as_str()));
    }
    faults
}

fn store(memory: &mut Memory, message: Message, sender: String) {
    memory.created.add(CreatedMessage {
        at: Instant::now(),
        clock: message.created_at,
        sender,
        service: message.messaging_service_sid.clone(),
        to: message.to.clone(),
    });
    memory.messages.add(message);
}
