//! What the sandbox remembers of its messages, its people and what was asked of it. Plain data: [`crate::state`] guards it.

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use serde::Serialize;
use twilio_types::message_status::MessageStatus;

use crate::{
    alerts::AlertLog,
    capacity,
    choices::Choices,
    drops::WebhookLosses,
    event_streams::post::EventDelivery,
    faults::FaultPlans,
    files::FileStore,
    limits::Limiter,
    messages::{Message, MessageLog},
    opt_outs::SystemOptOuts,
    outages::Outages,
    people::People,
    published_files,
    rates::CreationLog,
    scenario::running::RunningScenario,
    sendgrid::Mailbox,
    studio::PlannedStartFault,
    timeline::{EntryCause, NewEntry, TimelineEvent, TimelineLog},
    typing::TypingIndicators,
    unsent::HiddenUnsent,
};

#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) messages: MessageLog,
    pub(crate) created: CreationLog,
    pub(crate) limiter: Limiter,
    pub(crate) faults: FaultPlans,
    pub(crate) drops: WebhookLosses,
    pub(crate) outages: Outages,
    /// What happens to the events of templates.
    pub(crate) event_delivery: EventDelivery,
    pub(crate) hidden_unsent: HiddenUnsent,
    pub(crate) choices: Choices,
    /// The WhatsApp senders that the account has beside its own.
    pub(crate) added_senders: HashSet<String>,
    pub(crate) people: People,
    pub(crate) typing: TypingIndicators,
    pub(crate) files: FileStore,
    /// The oldest first.
    pub(crate) webhooks: VecDeque<WebhookRecord>,
    pub(crate) timeline: TimelineLog,
    pub(crate) alerts: AlertLog,
    pub(crate) opt_outs: SystemOptOuts,
    /// What goes wrong when an execution of a flow is started.
    pub(crate) start_faults: Vec<PlannedStartFault>,
    /// The e-mails.
    pub(crate) mailbox: Mailbox,
    /// The scenario that is being played.
    pub(crate) scenario: Option<RunningScenario>,
}

/// A webhook that was posted or dropped, and how it was answered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WebhookRecord {
    pub(crate) url: String,
    pub(crate) message_sid: String,
    /// None for an inbound message.
    pub(crate) status: Option<MessageStatus>,
    /// The HTTP status of the answer; none without an answer.
    pub(crate) answer: Option<u16>,
    /// Whether it was lost on purpose and never posted.
    pub(crate) dropped: bool,
}

impl Memory {
    /// Forgets everything but the limits, which belong to the rules, and the number of the last timeline entry.
    pub(crate) fn clear(&mut self) {
        if let Some(scenario) = self.scenario.take() {
            scenario.stop(self);
        }
        let mut timeline = std::mem::take(&mut self.timeline);
        timeline.clear();
        *self = Self { timeline, limiter: std::mem::take(&mut self.limiter), ..Self::default() };
    }

    /// Adds an entry to the timeline, with what is known of its message.
    pub(crate) fn record(&mut self, now: Timestamp, new: impl Into<NewEntry>) {
        let mut new = new.into();
        new.event.at.get_or_insert(now);
        new.event = self.complete(new.event);
        published_files::note(&mut self.messages, &new.event);
        self.opt_outs.note(&new.event, |address| self.people.portfolio.home(address));
        self.timeline.add(now, new);
    }

    /// Adds the person, the notification and the cause, where the event does not name them.
    fn complete(&self, event: TimelineEvent) -> TimelineEvent {
        let sid = event.message_sid.as_deref().and_then(|sid| sid.parse().ok());
        if let Some(message) = sid.and_then(|sid| self.messages.get(&sid)) {
            return message.complete(event);
        }
        let of_notification = event.notification_id.as_ref().map(EntryCause::notification);
        let of_message = event.message_sid.as_ref().map(EntryCause::message);
        TimelineEvent { cause: event.cause.or(of_notification).or(of_message), ..event }
    }

    /// The person to whom a message of a notification was sent.
    pub(crate) fn person_of_notification(&self, id: &str) -> Option<String> {
        let of_notification = |message: &&Message| message.notification_id().as_deref() == Some(id);
        self.messages.iter().rev().find(of_notification)?.person().map(str::to_owned)
    }

    pub(crate) fn record_webhook(&mut self, webhook: WebhookRecord) {
        if self.webhooks.len() == capacity::WEBHOOKS {
            self.webhooks.pop_front();
        }
        self.webhooks.push_back(webhook);
    }

    /// The number of TwiML replies to a person that were created since a time.
    pub(crate) fn replies_since(&self, person: &str, since: Timestamp) -> usize {
        let latest = self.messages.iter().rev().take_while(|message| message.created_at >= since);
        latest.filter(|message| message.direction == "outbound-reply" && message.to == person).count()
    }
}
