//! What the sandbox remembers of its messages, its people and what was asked of it. Plain data: [`crate::state`] guards it.

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use serde::Serialize;
use tokio::task::AbortHandle;
use twilio_types::message_status::MessageStatus;

use crate::{
    capacity, drops::WebhookLosses, faults::FaultPlans, files::FileStore, limits::Limiter, messages::MessageLog,
    outages::Outages, people::People, rates::CreationLog, timeline::TimelineLog, unsent::HiddenUnsent,
};

#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) messages: MessageLog,
    pub(crate) created: CreationLog,
    pub(crate) limiter: Limiter,
    pub(crate) faults: FaultPlans,
    pub(crate) drops: WebhookLosses,
    pub(crate) outages: Outages,
    pub(crate) hidden_unsent: HiddenUnsent,
    /// The WhatsApp senders that the account has beside its own.
    pub(crate) added_senders: HashSet<String>,
    pub(crate) people: People,
    pub(crate) files: FileStore,
    /// The oldest first.
    pub(crate) webhooks: VecDeque<WebhookRecord>,
    pub(crate) timeline: TimelineLog,
    /// The task that plays the current scenario.
    pub(crate) scenario_task: Option<AbortHandle>,
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
        if let Some(task) = self.scenario_task.take() {
            task.abort();
        }
        let mut timeline = std::mem::take(&mut self.timeline);
        timeline.clear();
        *self = Self { timeline, limiter: std::mem::take(&mut self.limiter), ..Self::default() };
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
