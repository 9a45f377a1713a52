//! What a scenario expects to be true within some seconds. This module reads it; [`super::check`] looks at what happened.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twilio_types::message_status::MessageStatus;

use crate::{people::WhatsAppAddress, timeline::TimelineOutcome};

/// Something that is expected, and how long it may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "ExpectationFile")]
pub(super) struct Expectation {
    pub(super) what: Expected,
    pub(super) within_seconds: u32,
}

#[derive(Debug, Clone)]
pub(super) enum Expected {
    Message(ExpectedMessage),
    Notification(ExpectedNotification),
    Event(ExpectedEvent),
    Count(ExpectedCount),
}

/// The newest message to a person.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedMessage {
    pub(super) to: WhatsAppAddress,
    pub(super) status: MessageStatus,
    #[serde(default)]
    pub(super) error_code: Option<u32>,
    /// The template that it was sent with.
    #[serde(default)]
    pub(super) content_sid: Option<String>,
    #[serde(default)]
    pub(super) body: Option<String>,
}

/// A notification in the system under test: the last one that the scenario sent, or the one with this id.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedNotification {
    #[serde(default)]
    pub(super) id: Option<String>,
    /// As in `accepted` or `suppressed`.
    #[serde(default)]
    pub(super) state: Option<String>,
    /// As in `delivered` or `failed`.
    #[serde(default)]
    pub(super) outcome: Option<String>,
}

/// An event that the system under test published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedEvent {
    #[serde(rename = "type")]
    pub(super) event_type: String,
    #[serde(default)]
    pub(super) person: Option<String>,
    /// Fields that the event has with these values, beside others.
    #[serde(default)]
    pub(super) fields: serde_json::Map<String, Value>,
}

/// How many messages or timeline entries there are. An upper limit holds until the time is over.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedCount {
    /// `message` for messages of the business, or a kind of timeline entries, as in `webhook` or `api_call`.
    pub(super) of: String,
    #[serde(default)]
    pub(super) person: Option<String>,
    #[serde(default)]
    pub(super) outcome: Option<TimelineOutcome>,
    #[serde(default)]
    pub(super) at_least: Option<usize>,
    #[serde(default)]
    pub(super) at_most: Option<usize>,
}

/// A line of the verdict: what a step expected, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct VerdictLine {
    pub(super) step: usize,
    pub(super) expected: String,
    pub(super) seen: String,
    pub(super) passed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectationFile {
    #[serde(default)]
    message: Option<ExpectedMessage>,
    #[serde(default)]
    notification: Option<ExpectedNotification>,
    #[serde(default)]
    event: Option<ExpectedEvent>,
    #[serde(default)]
    count: Option<ExpectedCount>,
    #[serde(default = "default_seconds")]
    within_seconds: u32,
}

/// Longer than a start of a function and the reports of a message take on a busy machine.
fn default_seconds() -> u32 {
    60
}

impl TryFrom<ExpectationFile> for Expectation {
    type Error = &'static str;

    fn try_from(file: ExpectationFile) -> Result<Self, &'static str> {
        let ExpectationFile { message, notification, event, count, within_seconds } = file;
        let what = match (message, notification, event, count) {
            (Some(message), None, None, None) => Expected::Message(message),
            (None, Some(notification), None, None) => {
                if notification.state.is_none() && notification.outcome.is_none() {
                    return Err("notification: expected state, outcome or both");
                }
                Expected::Notification(notification)
            }
            (None, None, Some(event), None) => Expected::Event(event),
            (None, None, None, Some(count)) => {
                if count.at_least.is_none() && count.at_most.is_none() {
                    return Err("count: expected at_least, at_most or both");
                }
                Expected::Count(count)
            }
            _ => return Err("expected one of message, notification, event or count, and optionally within_seconds"),
        };
        Ok(Self { what, within_seconds })
    }
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            Expected::Message(expected) => write!(f, "{expected}")?,
            Expected::Notification(expected) => write!(f, "{expected}")?,
            Expected::Event(expected) => write!(f, "{expected}")?,
            Expected::Count(expected) => write!(f, "{expected}")?,
        }
        write!(f, " within {} seconds", self.within_seconds)
    }
}

impl std::fmt::Display for ExpectedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the newest message to {} is {}", self.to, self.status)?;
        if let Some(code) = self.error_code {
            write!(f, " with {code}")?;
        }
        if let Some(sid) = &self.content_sid {
            write!(f, ", sent as the template {sid}")?;
        }
        if let Some(body) = &self.body {
            write!(f, ", with the text {body:?}")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for ExpectedNotification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.id {
            Some(id) => write!(f, "the notification {id} is")?,
            None => f.write_str("the notification is")?,
        }
        let words: Vec<_> = [&self.state, &self.outcome].into_iter().flatten().map(String::as_str).collect();
        write!(f, " {}", words.join(" and "))
    }
}

impl std::fmt::Display for ExpectedEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the event {}", self.event_type)?;
        if let Some(person) = &self.person {
            write!(f, " about {person}")?;
        }
        if !self.fields.is_empty() {
            let fields: Vec<_> = self.fields.iter().map(|(name, value)| format!("{name} {value}")).collect();
            write!(f, " with {}", fields.join(", "))?;
        }
        f.write_str(" is published")
    }
}

impl std::fmt::Display for ExpectedCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if least == most => write!(f, "exactly {least}")?,
            (Some(least), Some(most)) => write!(f, "{least} to {most}")?,
            (Some(least), None) => write!(f, "at least {least}")?,
            (None, most) => write!(f, "at most {}", most.unwrap_or_default())?,
        }
        write!(f, " of {}", self.of)?;
        if let Some(outcome) = self.outcome {
            write!(f, " ({})", outcome.as_str())?;
        }
        match &self.person {
            Some(person) if self.of == "message" => write!(f, " to {person}"),
            Some(person) => write!(f, " about {person}"),
            None => Ok(()),
        }
    }
}
