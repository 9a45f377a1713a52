//! Messages from people: stored, posted to the system under test, and answered as its TwiML says.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use twilio_types::{address::Channel, sid::MessageSid};
use twilio_webhook::form::Form;

use self::{person_message::PersonMessage, replies::send_reply};
use crate::{
    api_error::error_title,
    choices::ReactionWebhook,
    faults::{FaultTarget, InjectedFault, WebhookFaults},
    messages::Message,
    opt_out::{OPTED_OUT, OptOutKeyword},
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
    twiml::{self, DebuggerReport, Reply},
    webhook::{self, OutgoingWebhook, WebhookAnswer, WebhookDelivery},
};

mod answers;
mod form;
pub(crate) mod history;
pub(crate) mod person_message;
mod replies;

/// How long a message that is to be overtaken waits for the person's next message.
const OVERTAKING_TIMEOUT: Duration = Duration::from_secs(10);

/// A message that is stored, and the webhook that is not yet posted.
#[derive(Debug)]
pub(crate) struct StoredInbound {
    message: Message,
    pub(crate) form: Form,
    faults: WebhookFaults,
    /// Whether Twilio posts a webhook of it at all.
    has_webhook: bool,
}

impl StoredInbound {
    /// Whether its webhook waits, for a time or for the person's next message.
    pub(crate) fn is_delayed(&self) -> bool {
        self.faults.reorders() || self.faults.delay().is_some()
    }
}

/// How the system under test answered a person's message.
#[derive(Debug, Serialize)]
pub(crate) struct InboundResult {
    message_sid: String,
    /// None without an answer.
    status: Option<u16>,
    content_type: Option<String>,
    twiml: Option<String>,
    /// The text of the first reply in the TwiML.
    reply: Option<String>,
}

impl InboundResult {
    fn new(message_sid: &MessageSid, answer: Option<&WebhookAnswer>, reply: Option<String>) -> Self {
        Self {
            message_sid: message_sid.to_string(),
            status: answer.map(|answer| answer.status),
            content_type: answer.map(|answer| answer.content_type.clone()),
            twiml: answer.map(|answer| answer.body.clone()),
            reply,
        }
    }
}

/// Stores what a person sends. Where Advanced Opt-Out is on, Twilio's own answer to a keyword goes out before the webhook.
pub(crate) fn store(sandbox: &Arc<Sandbox>, sent: &PersonMessage) -> StoredInbound {
    if sent.from.channel == Channel::WhatsApp {
        sandbox.memory().people.portfolio.register(&sent.from.to_string(), sent.given_user_id());
    }
    let message = form::message(sandbox, sent);
    let mut form = form::form(sandbox, sent, &message);
    for id in ["From", "ExternalUserId", "ParentExternalUserId"].iter().filter_map(|name| form.get(name)) {
        sandbox.memory().people.portfolio.record_seen(id);
    }
    let faults = remember(sandbox, &message);
    let keyword = OptOutKeyword::read(&message.body, sandbox.memory().choices.long_code_keywords);
    if let Some(keyword) = keyword.filter(|_| sandbox.rules().advanced_opt_out) {
        let opt_out_type = ("OptOutType".to_owned(), keyword.opt_out_type().to_owned());
        form = form.pairs().iter().cloned().chain([opt_out_type]).collect();
        apply_keyword(sandbox, &message, keyword);
    }
    let has_webhook = sent.reaction.is_none() || sandbox.memory().choices.reaction != ReactionWebhook::NotPosted;
    if !has_webhook {
        let note = TimelineEvent::new("rule", TimelineOutcome::Neutral, "Twilio posts no webhook of a reaction");
        sandbox.record(note.of(message.from.as_deref().unwrap_or_default(), Some(message.sid.as_str())));
    }
    StoredInbound { message, form, faults, has_webhook }
}

fn apply_keyword(sandbox: &Arc<Sandbox>, message: &Message, keyword: OptOutKeyword) {
    let person = message.from.as_deref().unwrap_or_default();
    if sandbox.memory().people.apply_keyword(person, keyword) {
        send_reply(sandbox, message, Reply { body: keyword.answer().to_owned(), media: Vec::new() }, "keyword");
    }
}

/// Adds the message to the memory, and gives the faults that are planned for its webhook.
fn remember(sandbox: &Sandbox, message: &Message) -> WebhookFaults {
    let (person, sid) = (message.from.as_deref().unwrap_or_default(), message.sid.as_str());
    let mut memory = sandbox.memory();
    if message.channel == Channel::WhatsApp {
        memory.people.record_inbound(&message.to, person, message.created_at);
    }
    let target = FaultTarget { seed: sandbox.config.seed, person, sid };
    let mut message = message.clone();
    let of_files = if message.media.is_empty() { None } else { memory.faults.take_for_files(target) };
    if let Some(fault) = of_files {
        message.media.iter_mut().for_each(|file| file.fault = Some(fault.clone()));
        memory.record(message.created_at, InjectedFault::File(fault).event(person, sid));
    }
    memory.messages.add(message.clone());
    let faults = memory.faults.take_for_webhooks(target);
    for fault in faults.iter() {
        memory.record(message.created_at, fault.event(person, sid));
    }
    faults
}

/// Posts the webhook of a stored message, and sends the replies of the answers.
pub(crate) async fn deliver(sandbox: &Arc<Sandbox>, inbound: StoredInbound) -> InboundResult {
    let StoredInbound { message, form, faults, has_webhook } = inbound;
    let person = message.from.clone().unwrap_or_default();
    let deliveries = if has_webhook { post_webhooks(sandbox, &message, &form, &faults).await } else { Vec::new() };
    // An error means that no other message waits to be overtaken.
    let _ = sandbox.delivered_inbound.send(person);
    let mut first_reply = None;
    for (copy, delivery) in deliveries.iter().enumerate() {
        let reply = send_replies(sandbox, &message, delivery, &format!("reply {copy}"));
        first_reply = first_reply.or(reply);
    }
    let answer = deliveries.iter().find_map(WebhookDelivery::answer);
    InboundResult::new(&message.sid, answer, first_reply)
}

/// Posts a webhook or a callback of the timeline again, and sends the replies of its answer.
pub(crate) async fn deliver_again(sandbox: &Arc<Sandbox>, webhook: &OutgoingWebhook, token: String) -> InboundResult {
    let delivery = webhook::post_again(sandbox, webhook, token).await;
    let message = sandbox.memory().messages.get(&webhook.message_sid).cloned();
    let reply = message.filter(|_| webhook.status.is_none()).and_then(|message| {
        let name = format!("delivery {}", message.webhooks.deliveries(webhook.status));
        send_replies(sandbox, &message, &delivery, &name)
    });
    InboundResult::new(&webhook.message_sid, delivery.answer(), reply)
}

/// Sends the replies of an answer, and gives the text of the first. The name tells the answers to one message apart.
fn send_replies(sandbox: &Arc<Sandbox>, message: &Message, delivery: &WebhookDelivery, name: &str) -> Option<String> {
    let person = message.from.as_deref().unwrap_or_default();
    let report = |code, title| {
        sandbox.record(TimelineEvent::broken_rule(code, title).of(person, Some(message.sid.as_str())));
    };
    let (replies, reports) = twiml::read(delivery);
    for DebuggerReport { code, title } in reports {
        report(code, title);
    }
    let mut first = None;
    for (index, reply) in replies.into_iter().enumerate() {
        if sandbox.refuses_messages_to(person) {
            report(OPTED_OUT, error_title(OPTED_OUT));
            continue;
        }
        first.get_or_insert_with(|| reply.body.clone());
        send_reply(sandbox, message, reply, &format!("{name} {index}"));
    }
    first
}

/// Posts the webhook and its copies, each with the fallback URL where the first URL fails. Gives the result of each copy.
async fn post_webhooks(
    sandbox: &Sandbox,
    message: &Message,
    form: &Form,
    faults: &WebhookFaults,
) -> Vec<WebhookDelivery> {
    let (url, fallback) = sandbox.products.inbound_urls(&message.to);
    let Some(url) = url else { return Vec::new() };
    let person = message.from.as_deref().unwrap_or_default();
    if faults.reorders() {
        wait_to_be_overtaken(sandbox, person).await;
    }
    sandbox.clock.sleep(faults.delay().unwrap_or_default()).await;
    let webhook = OutgoingWebhook {
        url,
        form: form.clone(),
        message_sid: message.sid.clone(),
        person: person.to_owned(),
        status: None,
    };
    let mut deliveries = Vec::new();
    for copy in 0..=faults.copies() {
        let mut delivery = webhook::deliver(sandbox, &webhook, faults, copy).await;
        if let (Some(fallback), Some(code)) = (&fallback, fallback_code(&delivery)) {
            let error = [("ErrorCode".to_owned(), code), ("ErrorUrl".to_owned(), webhook.url.clone())];
            let form = form.pairs().iter().cloned().chain(error).collect();
            let webhook = OutgoingWebhook { url: fallback.clone(), form, ..webhook.clone() };
            delivery = webhook::deliver(sandbox, &webhook, faults, copy).await;
        }
        deliveries.push(delivery);
    }
    deliveries
}

/// Waits until the person's next message has been delivered, or the time is over.
async fn wait_to_be_overtaken(sandbox: &Sandbox, person: &str) {
    let mut delivered = sandbox.delivered_inbound.subscribe();
    let overtaken = async { while delivered.recv().await.is_ok_and(|other| other != person) {} };
    tokio::select! {
        () = overtaken => {}
        () = sandbox.clock.sleep(OVERTAKING_TIMEOUT) => {}
    }
}

/// The `ErrorCode` for the fallback URL; none where it is not called. Source: Twilio, "Messaging Services", `FallbackUrl`.
fn fallback_code(delivery: &WebhookDelivery) -> Option<String> {
    let (_, reports) = twiml::read(delivery);
    reports.iter().find(|report| report.is_error()).map(|report| report.code.to_string())
}
