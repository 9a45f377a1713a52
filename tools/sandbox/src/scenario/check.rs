//! Whether what a scenario expects has happened, and what was seen instead.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use twilio_types::message_status::MessageStatus;

use super::expectation::{
    Expectation, Expected, ExpectedCount, ExpectedEvent, ExpectedMessage, ExpectedNotification, VerdictLine,
};
use crate::{
    memory::Memory,
    messages::Message,
    state::Sandbox,
    timeline::{TimelineEntry, TimelineEvent},
};

/// What a scenario has done so far, and from where on it looks.
#[derive(Debug)]
pub(super) struct Progress {
    /// How many messages there were at the beginning.
    pub(super) messages_before: u64,
    /// The number of the newest timeline entry at the beginning.
    pub(super) entries_before: u64,
    /// The id of the last notification that it sent.
    pub(super) notification_id: Option<String>,
    pub(super) lines: Vec<VerdictLine>,
}

/// Whether something is as expected at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sight {
    is_as_expected: bool,
    /// Whether it can still become so, or stop being so.
    is_final: bool,
    seen: String,
}

impl Progress {
    /// Waits until an expectation is met, or its time is over.
    pub(super) async fn check(&self, sandbox: &Sandbox, step: usize, expectation: &Expectation) -> VerdictLine {
        let end = Instant::now() + Duration::from_secs(expectation.within_seconds.into());
        let mut changes = sandbox.stream.subscribe();
        loop {
            let sight = self.look(&sandbox.memory(), &expectation.what);
            if sight.is_final || Instant::now() >= end {
                let Sight { is_as_expected: passed, seen, .. } = sight;
                return VerdictLine { step, expected: expectation.to_string(), seen, passed };
            }
            // It is looked at again after each change, and also where this receiver was too slow for all changes.
            let _ = tokio::time::timeout_at(end, changes.recv()).await;
        }
    }

    fn look(&self, memory: &Memory, expected: &Expected) -> Sight {
        match expected {
            Expected::Message(expected) => self.message(memory, expected),
            Expected::Notification(expected) => self.notification(memory, expected),
            Expected::Event(expected) => self.event(memory, expected),
            Expected::Count(expected) => self.count(memory, expected),
        }
    }

    fn message(&self, memory: &Memory, expected: &ExpectedMessage) -> Sight {
        let to = expected.to.to_string();
        let Some(newest) = self.messages(memory, Some(&to)).next() else { return Sight::not_yet("no message") };
        let mut seen = newest.status.to_string();
        if let Some(code) = newest.error_code {
            seen = format!("{seen} with {code}");
        }
        if expected.content_sid.is_some() {
            let template = newest.content_sid.as_deref();
            seen =
                format!("{seen}, {}", template.map_or("no template".to_owned(), |sid| format!("the template {sid}")));
        }
        if expected.body.is_some() {
            seen = format!("{seen}, with the text {:?}", newest.body);
        }
        let is_met = has_reached(newest.status, expected.status)
            && expected.error_code.is_none_or(|code| newest.error_code == Some(code))
            && is_as(expected.content_sid.as_ref(), newest.content_sid.as_deref())
            && expected.body.as_ref().is_none_or(|body| *body == newest.body);
        Sight { is_as_expected: is_met, is_final: is_met, seen }
    }

    fn notification(&self, memory: &Memory, expected: &ExpectedNotification) -> Sight {
        let Some(id) = expected.id.as_ref().or(self.notification_id.as_ref()) else {
            return Sight::not_yet("the scenario has sent no notification");
        };
        let of_it =
            |entry: &&TimelineEntry| is(&entry.event, "decision") && entry.event.notification_id.as_ref() == Some(id);
        let Some(newest) = self.entries(memory).filter(of_it).last() else {
            return Sight::not_yet("the system has reported nothing of it");
        };
        let text = |name: &str| newest.event.details.get(name).and_then(Value::as_str);
        // A message that was read was delivered.
        let outcomes = [text("outcome"), text("outcome").filter(|seen| *seen == "read").map(|_| "delivered")];
        let is_met = is_as(expected.state.as_ref(), text("state"))
            && outcomes.into_iter().any(|seen| is_as(expected.outcome.as_ref(), seen));
        let words: Vec<_> = ["state", "outcome", "reason"].into_iter().filter_map(text).collect();
        Sight { is_as_expected: is_met, is_final: is_met, seen: words.join(", ") }
    }

    fn event(&self, memory: &Memory, expected: &ExpectedEvent) -> Sight {
        let is_expected = |event: &TimelineEvent| {
            event_type(event) == Some(&expected.event_type)
                && is_as(expected.person.as_ref(), event.person.as_deref())
                && expected.fields.iter().all(|(name, value)| event.details.get(name) == Some(value))
        };
        let events = || self.entries(memory).map(|entry| &entry.event).filter(|event| is(event, "event"));
        if let Some(found) = events().find(|event| is_expected(event)) {
            return Sight { is_as_expected: true, is_final: true, seen: found.summary.clone() };
        }
        let mut others: Vec<_> = events().filter_map(event_type).collect();
        others.sort_unstable();
        others.dedup();
        Sight::not_yet(if others.is_empty() { "no event".to_owned() } else { others.join(", ") })
    }

    fn count(&self, memory: &Memory, expected: &ExpectedCount) -> Sight {
        let person = expected.person.as_deref();
        let count = if expected.of == "message" {
            self.messages(memory, person).count()
        } else {
            let counts = |event: &TimelineEvent| {
                is(event, &expected.of)
                    && person.is_none_or(|person| event.person.as_deref() == Some(person))
                    && expected.outcome.is_none_or(|outcome| event.outcome == outcome)
            };
            self.entries(memory).filter(|entry| counts(&entry.event)).count()
        };
        let (reached, exceeded) =
            (expected.at_least.is_none_or(|least| count >= least), expected.at_most.is_some_and(|most| count > most));
        Sight {
            is_as_expected: reached && !exceeded,
            is_final: exceeded || (reached && expected.at_most.is_none()),
            seen: count.to_string(),
        }
    }

    /// The messages of the business since the scenario began, the newest first.
    pub(super) fn messages<'a>(&self, memory: &'a Memory, to: Option<&'a str>) -> impl Iterator<Item = &'a Message> {
        memory
            .messages
            .since(self.messages_before)
            .filter(move |message| message.direction != "inbound" && to.is_none_or(|to| message.to == to))
    }

    /// The timeline entries since the scenario began, the oldest first.
    fn entries<'a>(&self, memory: &'a Memory) -> impl Iterator<Item = &'a TimelineEntry> {
        memory.timeline.since(self.entries_before)
    }
}

impl Sight {
    fn not_yet(seen: impl Into<String>) -> Self {
        Self { is_as_expected: false, is_final: false, seen: seen.into() }
    }
}

/// Whether a text is as expected, or nothing is expected of it.
fn is_as(expected: Option<&String>, seen: Option<&str>) -> bool {
    expected.is_none_or(|expected| seen == Some(expected.as_str()))
}

fn is(event: &TimelineEvent, kind: &str) -> bool {
    event.kind == kind
}

fn event_type(event: &TimelineEvent) -> Option<&str> {
    event.details.get("event_type")?.as_str()
}

/// Whether a message has the wanted status, or a later one that implies it.
pub(super) fn has_reached(status: MessageStatus, wanted: MessageStatus) -> bool {
    status == wanted || (status > wanted && status <= MessageStatus::Read)
}
