//! The statuses of a message after it was accepted, and their status callbacks.

use std::{sync::Arc, time::Duration};

use self::{
    departure::{Departure, VALIDITY_EXPIRED},
    form::callback_form,
    sequence::{Reporting, StatusSequence},
};
use crate::{
    alerts::Alert,
    api_error::error_title,
    chance::generator,
    faults::{CallFaults, WebhookFaults},
    messages::Message,
    opt_out::OPTED_OUT,
    rules::verdict::verdict,
    state::Sandbox,
    timeline::TimelineEvent,
    webhook::{self, OutgoingWebhook},
};
use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use twilio_types::{message_status::MessageStatus, sid::MessageSid};

mod departure;
mod form;
mod sequence;

/// Between two statuses: long enough for a person at the page to see each of them.
const PAUSE: Duration = Duration::from_millis(100);

/// The faults that are planned for a message and for its callbacks.
#[derive(Debug, Default)]
pub(crate) struct PlannedFaults {
    pub(crate) call: CallFaults,
    pub(crate) webhooks: WebhookFaults,
}

/// Takes a message through its statuses, from the time when it leaves the queue.
pub(crate) async fn report_statuses(sandbox: Arc<Sandbox>, sid: MessageSid, plan: PlannedFaults) {
    let Some(departure) = departure::wait(&sandbox, &sid).await else { return };
    let Some(sequence) = status_sequence(&sandbox, &sid, departure, &plan.call).await else { return };
    record_broken_rule(&sandbox, &sid, &sequence, &plan.call);
    let (later, waiting) = mpsc::unbounded_channel();
    // Late callbacks are posted in order by a second loop, while the message already has its next statuses.
    tokio::join!(
        go_through_statuses(&sandbox, &sid, sequence, &plan.webhooks, later),
        post_late_callbacks(&sandbox, waiting, &plan.webhooks)
    );
}

/// Gives a message one status after the other. Each callback is posted at once, or left to `post_late_callbacks`.
async fn go_through_statuses(
    sandbox: &Sandbox,
    sid: &MessageSid,
    sequence: StatusSequence,
    faults: &WebhookFaults,
    later: UnboundedSender<(Timestamp, OutgoingWebhook)>,
) {
    let mut held = Vec::new();
    for status in sequence.statuses {
        sandbox.clock.sleep(PAUSE).await;
        let failed = matches!(status, MessageStatus::Failed | MessageStatus::Undelivered);
        let error_code = sequence.error_code.filter(|_| failed);
        let Some(message) = set_status(sandbox, sid, status, error_code) else { return };
        let is_reported = sequence.reporting == Reporting::Reported;
        let callback = callback(sandbox, &message, status, error_code).filter(|_| is_reported);
        let Some(callback) = callback else { continue };
        if faults.reorders() {
            held.push(callback);
        } else if faults.delay().is_some() {
            // It cannot fail: the receiver runs as long as this sender exists.
            let _ = later.send((sandbox.now(), callback));
        } else {
            post_callback(sandbox, &callback, faults).await;
        }
    }
    reorder(&mut held, sandbox.config.seed, sid);
    for callback in held {
        let _ = later.send((sandbox.now(), callback));
    }
}

async fn post_late_callbacks(
    sandbox: &Sandbox,
    mut waiting: UnboundedReceiver<(Timestamp, OutgoingWebhook)>,
    faults: &WebhookFaults,
) {
    let delay = faults.delay().unwrap_or_default();
    while let Some((since, callback)) = waiting.recv().await {
        sandbox.clock.sleep_until(since.saturating_add(delay).unwrap_or(Timestamp::MAX)).await;
        // A message that was deleted meanwhile, or forgotten by a reset, gets no more callbacks.
        if sandbox.memory().messages.get(&callback.message_sid).is_none() {
            continue;
        }
        post_callback(sandbox, &callback, faults).await;
    }
}

/// Posts a status callback, and its planned duplicates.
async fn post_callback(sandbox: &Sandbox, callback: &OutgoingWebhook, faults: &WebhookFaults) {
    for copy in 0..=faults.copies() {
        webhook::deliver(sandbox, callback, faults, copy).await;
    }
}

/// The statuses that a message will have; none where it was canceled or deleted.
async fn status_sequence(
    sandbox: &Arc<Sandbox>,
    sid: &MessageSid,
    departure: Departure,
    faults: &CallFaults,
) -> Option<StatusSequence> {
    let message =
        sandbox.memory().messages.get(sid).filter(|message| message.status != MessageStatus::Canceled).cloned()?;
    if departure == Departure::Expired {
        return Some(StatusSequence::failed(&message, VALIDITY_EXPIRED, faults));
    }
    // Twilio's own answer to STOP is a reply, and reaches the person all the same.
    let refused = message.direction == "outbound-api" && sandbox.refuses_messages_to(&message.to);
    let code = if refused { Some(OPTED_OUT) } else { verdict(sandbox, &message).await };
    let broken_rule = code.map(|code| (code, sandbox.memory().choices.broken_rule));
    Some(StatusSequence::of(&message, broken_rule, faults))
}

/// Adds the broken rule to the timeline, unless the error code is that of a planned fault.
fn record_broken_rule(sandbox: &Sandbox, sid: &MessageSid, sequence: &StatusSequence, faults: &CallFaults) {
    let planned = faults.error_code();
    let Some(code) = sequence.error_code.filter(|code| Some(*code) != planned) else { return };
    let to = sandbox.memory().messages.get(sid).map(|message| message.to.clone()).unwrap_or_default();
    sandbox.record(TimelineEvent::broken_rule(code, error_title(code)).of(&to, Some(sid.as_str())));
}

/// Gives a message a status, and posts the callback where the message has a callback URL.
pub(crate) async fn report(sandbox: &Sandbox, sid: &MessageSid, status: MessageStatus, error_code: Option<u32>) {
    let Some(message) = set_status(sandbox, sid, status, error_code) else { return };
    if let Some(callback) = callback(sandbox, &message, status, error_code) {
        post_callback(sandbox, &callback, &WebhookFaults::default()).await;
    }
}

fn set_status(sandbox: &Sandbox, sid: &MessageSid, status: MessageStatus, error_code: Option<u32>) -> Option<Message> {
    let now = sandbox.now();
    let mut memory = sandbox.memory();
    let message = memory.messages.get_mut(sid)?;
    if message.status == MessageStatus::Canceled && status != MessageStatus::Canceled {
        return None;
    }
    message.status = message.status.max(status);
    let alert = error_code.filter(|_| message.error_code.is_none()).map(|code| Alert::of_message(message, code, now));
    message.error_code = message.error_code.or(error_code);
    message.updated_at = now;
    // A message that fails was tried, unless its validity ended in the queue.
    if !is_queued(status) && error_code != Some(VALIDITY_EXPIRED) {
        message.sent_at.get_or_insert(now);
    }
    if status != MessageStatus::Canceled {
        message.from.get_or_insert_with(|| sandbox.config.sender_on(&message.channel).to_owned());
    }
    let message = message.clone();
    memory.alerts.extend(alert);
    Some(message)
}

fn is_queued(status: MessageStatus) -> bool {
    use MessageStatus::{Accepted, Canceled, Queued, Scheduled, Sending};
    matches!(status, Accepted | Canceled | Queued | Scheduled | Sending)
}

/// The callback for a status; none for a message without a callback URL.
fn callback(
    sandbox: &Sandbox,
    message: &Message,
    status: MessageStatus,
    error_code: Option<u32>,
) -> Option<OutgoingWebhook> {
    let ids = sandbox.memory().people.portfolio.ids(&message.to);
    Some(OutgoingWebhook {
        url: message.status_callback.clone()?,
        form: callback_form(&sandbox.config, message, status, error_code, ids),
        message_sid: message.sid.clone(),
        person: message.to.clone(),
        status: Some(status),
    })
}

/// Rotates two or more callbacks, so that they are not in their order.
fn reorder(callbacks: &mut [OutgoingWebhook], seed: u64, sid: &MessageSid) {
    if callbacks.len() > 1 {
        let first = generator(seed, &[sid.as_str(), "reordered"]).usize(1..callbacks.len());
        callbacks.rotate_left(first);
    }
}

#[cfg(test)]
mod tests {
    use MessageStatus::{Delivered, Sent};

    use super::*;
    use crate::{api::create, config::Config};

    const SMS: [(&str, &str); 3] =
        [("To", "+14155550123"), ("MessagingServiceSid", "MG00000000000000000000000000000001"), ("Body", "hi")];

    fn message(parameters: [(&str, &str); 3]) -> Message {
        let form = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        create::message(&Sandbox::new(Config::documented(String::new())), &form).unwrap()
    }

    #[tokio::test]
    async fn scheduled_message_is_sent_unless_it_was_canceled() {
        for (before, after) in
            [(MessageStatus::Scheduled, Delivered), (MessageStatus::Canceled, MessageStatus::Canceled)]
        {
            let sandbox = Sandbox::new(Config::documented(String::new()));
            let due = Message { status: before, send_at: Some(jiff::Timestamp::now()), ..message(SMS) };
            let sid = due.sid.clone();
            sandbox.memory().messages.add(due);
            report_statuses(Arc::clone(&sandbox), sid.clone(), PlannedFaults::default()).await;
            assert_eq!(sandbox.memory().messages.get(&sid).unwrap().status, after);
        }
    }

    #[test]
    fn canceled_message_gets_no_other_status() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let message = Message { status: MessageStatus::Canceled, ..message(SMS) };
        let sid = message.sid.clone();
        sandbox.memory().messages.add(message);
        assert!(set_status(&sandbox, &sid, Sent, None).is_none());
        assert!(
            set_status(&sandbox, &sid, MessageStatus::Canceled, None).is_some(),
            "the cancellation itself is reported"
        );
    }
}
