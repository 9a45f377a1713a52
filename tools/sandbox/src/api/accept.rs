//! Accepting a message that is well-formed: limits, planned faults, and the start of its statuses.

use std::{sync::Arc, time::Instant};

use axum::http::StatusCode;
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
/// The queue of a sender that the request names is full. Source: Twilio, error 21611.
const SENDER_QUEUE_FULL: u32 = 21611;
/// The queue of a sender that a Messaging Service selects is full. Source: Twilio, errors 21611 and 30001.
const SERVICE_QUEUE_FULL: u32 = 30001;

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
    let excess = if is_limited { excess_code(&mut memory, &message, &sender, now)? } else { None };
    let target = FaultTarget { seed: sandbox.config.seed, person: &message.to, sid: message.sid.as_str() };
    let faults = memory.faults.take_for_call(target);
    for fault in faults.iter().filter(|fault| !fault.affects_webhooks()) {
        memory.record(now, message.complete(fault.event(&message.to, message.sid.as_str())));
    }
    if let Some(refusal) = faults.refusal() {
        return Err(refusal);
    }
    if faults.contains(&InjectedFault::Hang) {
        return Ok(CreateOutcome::NoAnswer);
    }
    let turn = if is_limited && excess.is_none() { memory.limiter.count(&sender, now) } else { Some(now) };
    message.hold = later(faults.hold(now), turn, now);
    let webhooks = webhook_faults(sandbox, &mut memory, &message, &faults);
    if let Some(code) = excess {
        let event = TimelineEvent::broken_rule(code, error_title(code));
        let event = event.of(&message.to, Some(message.sid.as_str()));
        memory.record(now, message.complete(event));
    }
    let shown = message_resource(&sandbox.config.account_sid, &message, now);
    let sid = message.sid.clone();
    store(&mut memory, message, sender);
    let call = excess.map_or_else(|| faults.clone(), |code| InjectedFault::Fail { code }.into());
    let status_task = tokio::spawn(report_statuses(Arc::clone(sandbox), sid, PlannedFaults { call, webhooks }));
    Ok(CreateOutcome::Created { shown, status_task, faults })
}

/// The code with which a message over the rate of its sender fails; none where it is sent, or waits for its turn.
fn excess_code(memory: &mut Memory, message: &Message, sender: &str, now: Timestamp) -> Result<Option<u32>, ApiError> {
    match memory.limiter.excess(sender, now) {
        Some(OnExcess::Refuse) => Err(ApiError::too_many_requests()),
        Some(OnExcess::Fail) => Ok(Some(RATE_LIMIT_EXCEEDED)),
        Some(OnExcess::Queue) if memory.limiter.is_queue_full(sender, now) => match message.messaging_service_sid {
            Some(_) => Ok(Some(SERVICE_QUEUE_FULL)),
            // The HTTP status is not documented.
            None => Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, SENDER_QUEUE_FULL, "SMS queue is full")),
        },
        Some(OnExcess::Queue) | None => Ok(None),
    }
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
        memory.record(sandbox.now(), message.complete(fault.event(&message.to, message.sid.as_str())));
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
    let home = memory.people.portfolio.home(&message.to);
    memory.typing.end(&home);
    memory.messages.add(message);
}

#[cfg(test)]
mod tests {
    use twilio_types::sid::MessageSid;
    use twilio_webhook::form::Form;

    use super::*;
    use crate::{api::create, config::Config};

    /// Accepts a message to Ava with this further parameter. Gives its SID, or the code of the refusal.
    fn send(sandbox: &Arc<Sandbox>, (name, value): (&str, &str)) -> Result<MessageSid, u32> {
        let template = [("To", "whatsapp:+14155550123"), ("ContentSid", crate::content::ORDER_UPDATE_SID)];
        let form = template.into_iter().chain([(name, value)]).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let message = create::message(sandbox, &form.collect::<Form>()).unwrap();
        let sid = message.sid.clone();
        accept(sandbox, message).map(|_| sid).map_err(|refusal| refusal.code)
    }

    #[tokio::test]
    async fn full_queue_refuses_the_sender_and_fails_the_service() {
        const SENDER: &str = "whatsapp:+14155238886";
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let now = sandbox.now();
        sandbox.memory().limiter.limits.messages_per_second = Some(1);
        // A minute more than it has room for, since time passes.
        for _ in 0..=crate::limits::WHATSAPP_QUEUE.as_secs() + 60 {
            sandbox.memory().limiter.count(SENDER, now);
        }
        assert_eq!(send(&sandbox, ("From", SENDER)), Err(SENDER_QUEUE_FULL));
        let accepted = send(&sandbox, ("MessagingServiceSid", "MG00000000000000000000000000000001")).unwrap();
        let failed = loop {
            let message = sandbox.memory().messages.get(&accepted).cloned().unwrap();
            if message.error_code.is_some() {
                break message;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(failed.error_code, Some(SERVICE_QUEUE_FULL));
        assert_eq!(sandbox.memory().messages.iter().count(), 1, "the refused message was not created");
    }
}
