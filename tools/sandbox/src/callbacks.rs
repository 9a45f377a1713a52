//! What becomes of a message: its statuses, reported to its callback URL.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use twilio_types::{address::Channel, message_status::MessageStatus, sid::MessageSid};
use twilio_webhook::form::Form;

use crate::{
    api_error::title,
    chance::generator,
    config::Config,
    faults::{InjectedFault, WebhookFaults},
    messages::Message,
    opt_out::OPTED_OUT,
    rules::verdict::verdict,
    senders::SENDER_SID,
    state::Sandbox,
    timeline::{Happening, Outcome},
    webhook::{self, OutgoingWebhook},
};

/// Between two statuses: enough for a person to see them come one after the other.
const PAUSE: Duration = Duration::from_millis(100);

/// What is going to happen to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StatusSequence {
    statuses: Vec<MessageStatus>,
    error_code: Option<u32>,
    telling: Reporting,
}

/// Whether the callback URL hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reporting {
    Reported,
    Silent,
}

impl StatusSequence {
    /// The fate of a message that is about to go out, with the rule that it breaks and what was planned.
    fn of(message: &Message, verdict: Option<u32>, fault: Option<&InjectedFault>) -> Self {
        use MessageStatus::{Delivered, Failed, Queued, Read, Sent, Undelivered};
        let on_whatsapp = message.channel == Channel::WhatsApp;
        // Only WhatsApp tells that somebody read a message.
        let good: &[_] = if on_whatsapp { &[Sent, Delivered, Read] } else { &[Sent, Delivered] };
        let telling = if fault == Some(&InjectedFault::Silent) { Reporting::Silent } else { Reporting::Reported };
        let (mut statuses, error_code) = match (fault, verdict) {
            (Some(InjectedFault::Report { statuses }), _) => {
                return Self { statuses: statuses.clone(), error_code: None, telling };
            }
            (Some(InjectedFault::Fail { code }), _) => (vec![Failed], Some(*code)),
            (_, Some(code)) => (vec![Failed], Some(code)),
            (Some(InjectedFault::FailAfter { code, after }), None) => {
                let before = good.iter().copied().take_while(|status| status <= after);
                (before.chain([Undelivered]).collect(), Some(*code))
            }
            (_, None) => (good.to_vec(), None),
        };
        // Only a messaging service reports that a message is queued: without one that is where it begins.
        if message.messaging_service_sid.is_some() {
            statuses.insert(0, Queued);
        }
        Self { statuses, error_code, telling }
    }
}

/// A status to be reported.
#[derive(Debug)]
struct Callback {
    url: String,
    form: Form,
    message_sid: MessageSid,
    person: String,
    status: MessageStatus,
}

/// What was planned for a message.
#[derive(Debug, Default)]
pub(crate) struct PlannedFaults {
    pub(crate) fault: Option<InjectedFault>,
    /// Of its callbacks.
    pub(crate) faults: WebhookFaults,
}

/// Lets a message's fate happen, at its time where it is scheduled.
pub(crate) async fn unfold(sandbox: Arc<Sandbox>, sid: MessageSid, plan: PlannedFaults) {
    let send_at = sandbox.memory().messages.get(&sid).and_then(|message| message.send_at);
    if let Some(send_at) = send_at {
        sandbox.clock.sleep_until(send_at).await;
    }
    let Some(fate) = fate(&sandbox, &sid, plan.fault.as_ref()).await else { return };
    tell_rule(&sandbox, &sid, &fate, plan.fault.as_ref());
    let (later, waiting) = mpsc::unbounded_channel();
    // Callbacks that come late come in their order, while the message moves on.
    tokio::join!(move_on(&sandbox, &sid, fate, &plan.faults, later), call_back_later(&sandbox, waiting, &plan.faults));
}

/// Lets a message go from status to status. Its callbacks are posted as it goes, or left for later.
async fn move_on(
    sandbox: &Sandbox,
    sid: &MessageSid,
    fate: StatusSequence,
    faults: &WebhookFaults,
    later: UnboundedSender<(Timestamp, Callback)>,
) {
    let mut held = Vec::new();
    for status in fate.statuses {
        sandbox.clock.sleep(PAUSE).await;
        let failed = matches!(status, MessageStatus::Failed | MessageStatus::Undelivered);
        let error_code = fate.error_code.filter(|_| failed);
        let Some(message) = advance(sandbox, sid, status, error_code) else { return };
        let told = fate.telling == Reporting::Reported;
        let callback = callback(sandbox, &message, status, error_code).filter(|_| told);
        let Some(callback) = callback else { continue };
        if faults.reorders() {
            held.push(callback);
        } else if faults.delay().is_some() {
            // There is somebody who reads it for as long as this goes on.
            let _ = later.send((sandbox.now(), callback));
        } else {
            call_back(sandbox, &callback, faults).await;
        }
    }
    reorder(&mut held, sandbox.config.seed, sid);
    for callback in held {
        let _ = later.send((sandbox.now(), callback));
    }
}

async fn call_back_later(
    sandbox: &Sandbox,
    mut waiting: UnboundedReceiver<(Timestamp, Callback)>,
    faults: &WebhookFaults,
) {
    let delay = faults.delay().unwrap_or_default();
    while let Some((since, callback)) = waiting.recv().await {
        sandbox.clock.sleep_until(since.saturating_add(delay).unwrap_or(Timestamp::MAX)).await;
        // What was forgotten or deleted meanwhile is not heard of any more.
        if sandbox.memory().messages.get(&callback.message_sid).is_none() {
            continue;
        }
        call_back(sandbox, &callback, faults).await;
    }
}

/// Reports a status, as often as is planned.
async fn call_back(sandbox: &Sandbox, callback: &Callback, faults: &WebhookFaults) {
    let webhook = OutgoingWebhook {
        url: &callback.url,
        form: &callback.form,
        message_sid: callback.message_sid.as_str(),
        person: &callback.person,
        status: Some(callback.status),
        faults,
    };
    for copy in 0..=faults.copies() {
        webhook::deliver(sandbox, &webhook, copy).await;
    }
}

/// What is going to happen to a message as things stand; nothing, where it was cancelled or deleted.
async fn fate(sandbox: &Arc<Sandbox>, sid: &MessageSid, fault: Option<&InjectedFault>) -> Option<StatusSequence> {
    let message =
        sandbox.memory().messages.get(sid).filter(|message| message.status != MessageStatus::Canceled).cloned()?;
    // Twilio's own answer to STOP is a reply.
    let refused = message.direction == "outbound-api" && sandbox.refuses_messages_to(&message.to);
    let verdict = if refused { Some(OPTED_OUT) } else { verdict(sandbox, &message).await };
    Some(StatusSequence::of(&message, verdict, fault))
}

/// Says that a rule strikes, where it is not a fault that was planned.
fn tell_rule(sandbox: &Sandbox, sid: &MessageSid, fate: &StatusSequence, fault: Option<&InjectedFault>) {
    let planned = fault.and_then(InjectedFault::error_code);
    let Some(code) = fate.error_code.filter(|code| Some(*code) != planned) else { return };
    let to = sandbox.memory().messages.get(sid).map(|message| message.to.clone()).unwrap_or_default();
    sandbox.tell(rule(code, words(code)).of(&to, Some(sid.as_str())));
}

/// Moves a message on and reports it. A message without a callback URL moves on in silence.
pub(crate) async fn report(sandbox: &Sandbox, sid: &MessageSid, status: MessageStatus, error_code: Option<u32>) {
    let Some(message) = advance(sandbox, sid, status, error_code) else { return };
    if let Some(callback) = callback(sandbox, &message, status, error_code) {
        call_back(sandbox, &callback, &WebhookFaults::default()).await;
    }
}

fn advance(sandbox: &Sandbox, sid: &MessageSid, status: MessageStatus, error_code: Option<u32>) -> Option<Message> {
    let now = sandbox.now();
    let mut memory = sandbox.memory();
    let message = memory.messages.get_mut(sid)?;
    if message.status == MessageStatus::Canceled && status != MessageStatus::Canceled {
        return None;
    }
    message.status = message.status.max(status);
    message.error_code = message.error_code.or(error_code);
    message.updated_at = now;
    if status != MessageStatus::Canceled {
        message.sent_at.get_or_insert(now);
        message.from.get_or_insert_with(|| sandbox.config.sender_on(&message.channel).to_owned());
    }
    Some(message.clone())
}

/// What is reported of a message, if anybody wants to know.
fn callback(sandbox: &Sandbox, message: &Message, status: MessageStatus, error_code: Option<u32>) -> Option<Callback> {
    Some(Callback {
        url: message.status_callback.clone()?,
        form: callback_form(&sandbox.config, message, status, error_code),
        message_sid: message.sid.clone(),
        person: message.to.clone(),
        status,
    })
}

/// The parameters of a real callback.
fn callback_form(config: &Config, message: &Message, status: MessageStatus, error_code: Option<u32>) -> Form {
    let mut parameters = vec![
        ("ApiVersion", "2010-04-01".to_owned()),
        ("MessageStatus", status.to_string()),
        ("SmsSid", message.sid.to_string()),
        ("SmsStatus", status.to_string()),
        ("To", message.to.clone()),
        ("From", message.from.clone().unwrap_or_default()),
        ("MessageSid", message.sid.to_string()),
        ("AccountSid", config.account_sid.to_string()),
    ];
    if let Some(service) = &message.messaging_service_sid {
        parameters.push(("MessagingServiceSid", service.clone()));
    }
    if let Some(code) = error_code {
        parameters.push(("ErrorCode", code.to_string()));
    }
    parameters.extend(match message.channel {
        Channel::WhatsApp => of_whatsapp(message, status, error_code),
        _ => of_sms(message, status),
    });
    parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn of_whatsapp(message: &Message, status: MessageStatus, error_code: Option<u32>) -> Vec<(&'static str, String)> {
    let number = message.to.trim_start_matches("whatsapp:");
    let shown = number.char_indices().rev().nth(3).map_or("", |(at, _)| number.get(..at).unwrap_or_default());
    let mut parameters = vec![
        ("ChannelPrefix", "whatsapp".to_owned()),
        ("ChannelInstallSid", SENDER_SID.to_owned()),
        ("ChannelToAddress", format!("{shown}XXXX")),
    ];
    if status == MessageStatus::Read {
        parameters.push(("EventType", "READ".to_owned()));
    }
    if error_code.is_some() {
        parameters.push(("ChannelStatusMessage", "Twilio could not deliver the message".to_owned()));
    }
    parameters
}

/// What the timeline says of a rule that strikes.
pub(crate) fn rule(code: u32, words: &str) -> Happening {
    Happening::new("rule", Outcome::Refused, format!("{code}: {words}")).with(json!({"code": code}))
}

/// What a code says. Source: Twilio, "Error and warning dictionary".
pub(crate) fn words(code: u32) -> &'static str {
    title(code).unwrap_or("not allowed")
}

/// Puts callbacks into an order that is not theirs, where there are two or more: some of the first come last.
fn reorder(callbacks: &mut [Callback], seed: u64, sid: &MessageSid) {
    if callbacks.len() > 1 {
        let first = generator(seed, &[sid.as_str(), "reordered"]).usize(1..callbacks.len());
        callbacks.rotate_left(first);
    }
}

fn of_sms(message: &Message, status: MessageStatus) -> Vec<(&'static str, String)> {
    let done = matches!(status, MessageStatus::Delivered | MessageStatus::Undelivered);
    let done_at = message.updated_at.to_zoned(TimeZone::UTC).strftime("%y%m%d%H%M").to_string();
    done.then_some(("RawDlrDoneDate", done_at)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use MessageStatus::{Delivered, Failed, Queued, Read, Sent, Undelivered};

    use super::*;
    use crate::api::create;

    const WHATSAPP: [(&str, &str); 3] =
        [("To", "whatsapp:+14155550123"), ("From", "whatsapp:+14155238886"), ("Body", "hi")];
    const SMS: [(&str, &str); 3] =
        [("To", "+14155550123"), ("MessagingServiceSid", "MG00000000000000000000000000000001"), ("Body", "hi")];

    fn made(parameters: [(&str, &str); 3]) -> Message {
        let form = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        create::message(&Sandbox::new(Config::documented(String::new())), &form).unwrap()
    }

    #[test]
    fn a_message_goes_the_way_of_its_channel_and_fault() {
        let undelivered = r#"{"kind": "fail_after", "code": 63024, "after": "sent"}"#;
        let at_once = r#"{"kind": "fail_after", "code": 63024, "after": "queued"}"#;
        let silent = r#"{"kind": "silent"}"#;
        let cases = [
            (WHATSAPP, None, None, vec![Sent, Delivered, Read], None),
            (WHATSAPP, Some(63016), None, vec![Failed], Some(63016)),
            (WHATSAPP, Some(63016), Some(undelivered), vec![Failed], Some(63016)),
            (WHATSAPP, None, Some(undelivered), vec![Sent, Undelivered], Some(63024)),
            (WHATSAPP, None, Some(at_once), vec![Undelivered], Some(63024)),
            (WHATSAPP, None, Some(silent), vec![Sent, Delivered, Read], None),
            (SMS, None, None, vec![Queued, Sent, Delivered], None),
            (SMS, None, Some(r#"{"kind": "fail", "code": 30003}"#), vec![Queued, Failed], Some(30003)),
        ];
        for (parameters, verdict, fault, statuses, error_code) in cases {
            let parsed = fault.map(|fault| serde_json::from_str(fault).unwrap());
            let fate = StatusSequence::of(&made(parameters), verdict, parsed.as_ref());
            assert_eq!(fate.telling == Reporting::Silent, fault == Some(silent));
            assert_eq!((fate.statuses, fate.error_code), (statuses, error_code), "{parameters:?} {fault:?}");
        }
    }

    #[tokio::test]
    async fn a_scheduled_message_goes_on_at_its_time_unless_it_was_cancelled() {
        for (before, after) in
            [(MessageStatus::Scheduled, Delivered), (MessageStatus::Canceled, MessageStatus::Canceled)]
        {
            let sandbox = Sandbox::new(Config::documented(String::new()));
            let due = Message { status: before, send_at: Some(jiff::Timestamp::now()), ..made(SMS) };
            let sid = due.sid.clone();
            sandbox.memory().messages.add(due);
            unfold(Arc::clone(&sandbox), sid.clone(), PlannedFaults::default()).await;
            assert_eq!(sandbox.memory().messages.get(&sid).unwrap().status, after);
        }
    }

    #[test]
    fn a_message_that_was_cancelled_while_its_fate_was_decided_goes_nowhere() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let message = Message { status: MessageStatus::Canceled, ..made(SMS) };
        let sid = message.sid.clone();
        sandbox.memory().messages.add(message);
        assert!(advance(&sandbox, &sid, Sent, None).is_none());
        assert!(
            advance(&sandbox, &sid, MessageStatus::Canceled, None).is_some(),
            "the cancellation itself is reported"
        );
    }

    #[test]
    fn a_callback_of_sms_says_nothing_of_a_channel() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let names = |form: &Form| form.pairs().iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let sms = callback_form(&sandbox.config, &made(SMS), Delivered, None);
        assert!(!names(&sms).iter().any(|name| name.starts_with("Channel")), "{sms:?}");
        assert_eq!((sms.get("To"), sms.get("RawDlrDoneDate").map(str::len)), (Some("+14155550123"), Some(10)));
        let whatsapp = callback_form(&sandbox.config, &made(WHATSAPP), Read, None);
        assert_eq!(whatsapp.get("ChannelToAddress"), Some("+1415555XXXX"));
        assert_eq!((whatsapp.get("ChannelPrefix"), whatsapp.get("EventType")), (Some("whatsapp"), Some("READ")));
    }
}
