//! The timeline: what happened in the sandbox and in the system under test, in order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{exchange::Exchange, repeat::RepeatedRequest};

mod cause;
mod log;

pub use cause::EntryCause;
pub(crate) use log::{TimelineLog, TimelinePage};

/// Something that happened, as a program reports it to the sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineEvent {
    /// What kind of event it is, as in `webhook`, `api_call`, `item`, `decision`, `event`.
    pub kind: String,
    /// Whether it went well.
    pub outcome: TimelineOutcome,
    /// One line of text for the page.
    pub summary: String,
    /// The address of the person that it is about, as in `whatsapp:+14155550123`.
    #[serde(default)]
    pub person: Option<String>,
    /// The message that it is about.
    #[serde(default)]
    pub message_sid: Option<String>,
    /// The notification that it is about.
    #[serde(default)]
    pub notification_id: Option<String>,
    /// The details that the page shows when the line is opened.
    #[serde(default)]
    pub details: Value,
    /// When it happened, by the sandbox's clock. Without it, it happened when it is recorded.
    #[serde(default, skip_serializing)]
    pub at: Option<Timestamp>,
    /// What it goes back to. Without it, it goes back to its message or to its notification.
    #[serde(default, skip_serializing)]
    pub cause: Option<EntryCause>,
}

impl TimelineEvent {
    /// An event without person, message, notification and details.
    pub fn new(kind: impl Into<String>, outcome: TimelineOutcome, summary: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            outcome,
            summary: summary.into(),
            person: None,
            message_sid: None,
            notification_id: None,
            details: Value::Null,
            at: None,
            cause: None,
        }
    }

    /// The event with the person, and the message, that it is about.
    pub(crate) fn of(self, person: &str, message_sid: Option<&str>) -> Self {
        Self { person: Some(person.to_owned()), message_sid: message_sid.map(str::to_owned), ..self }
    }

    /// The event of a message that breaks a rule, with Twilio's error code.
    pub(crate) fn broken_rule(code: u32, title: &str) -> Self {
        Self::new("rule", TimelineOutcome::Refused, format!("{code}: {title}")).with(json!({"code": code}))
    }

    pub(crate) fn with(self, details: Value) -> Self {
        Self { details, ..self }
    }

    pub(crate) fn caused_by(self, cause: EntryCause) -> Self {
        Self { cause: Some(cause), ..self }
    }
}

/// Whether an event is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineOutcome {
    /// It went well.
    Good,
    /// Neither good nor bad.
    Neutral,
    /// It was refused or suppressed, and nothing is broken.
    Refused,
    /// It went wrong.
    Bad,
}

impl TimelineOutcome {
    /// The word for it in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Neutral => "neutral",
            Self::Refused => "refused",
            Self::Bad => "bad",
        }
    }

    fn is_problem(self) -> bool {
        matches!(self, Self::Refused | Self::Bad)
    }
}

/// An event that is to be added to the timeline, and the HTTP request that it was.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) event: TimelineEvent,
    pub(crate) delivery: Option<u32>,
    pub(crate) reason: Option<String>,
    pub(crate) exchange: Option<Exchange>,
    pub(crate) repeat: Option<RepeatedRequest>,
}

impl From<TimelineEvent> for NewEntry {
    fn from(event: TimelineEvent) -> Self {
        Self { event, delivery: None, reason: None, exchange: None, repeat: None }
    }
}

/// An event on the timeline.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TimelineEntry {
    /// From 1, never reused.
    pub(crate) number: u64,
    /// When it happened, by the sandbox's clock.
    pub(crate) at: Timestamp,
    pub(crate) cause: EntryCause,
    /// Whether it was refused, or went wrong.
    pub(crate) problem: bool,
    /// Of a webhook or a callback: 1 for its first delivery.
    pub(crate) delivery: Option<u32>,
    /// Why the system under test refused or failed, in its own words.
    pub(crate) reason: Option<String>,
    /// Of a webhook, a callback or an API call.
    pub(crate) exchange: Option<Exchange>,
    #[serde(flatten)]
    pub(crate) event: TimelineEvent,
    /// What is sent when it is sent again.
    #[serde(skip)]
    pub(crate) repeat: Option<RepeatedRequest>,
}

impl TimelineEntry {
    fn size(&self) -> usize {
        self.exchange.as_ref().map_or(0, Exchange::size) + self.repeat.as_ref().map_or(0, RepeatedRequest::size)
    }
}
