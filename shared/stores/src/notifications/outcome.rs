//! What an attempt, or the decision not to make one, came to, and how the table records it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::notification::FallbackChannel;
use jiff::{SignedDuration, Timestamp};
use twilio_types::{
    error_code::ErrorCode,
    sid::{AccountSid, MessageSid},
};

use super::record::NotificationState;
use crate::{
    attribute::{number, text, time},
    dynamodb::Item,
};

/// What came of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationOutcome {
    /// Twilio took it as this message.
    Accepted(MessageSid),
    /// Twilio took its template as this message; the content follows the person's answer.
    AwaitingReply(MessageSid),
    /// It cannot be sent.
    Rejected {
        /// Why, in words that name the field or the rule.
        reason: String,
        /// Twilio's code, where Twilio refused it.
        code: Option<ErrorCode>,
    },
    /// Certainly not sent, to be tried again.
    Waiting(NextAttempt),
    /// The recipient does not want it.
    Suppressed {
        /// Why.
        reason: String,
        /// Twilio's code, where Twilio said so.
        code: Option<ErrorCode>,
    },
    /// Its time was over.
    Expired {
        /// Which.
        reason: String,
    },
    /// Whether it was sent is not known.
    Unknown {
        /// How that came about.
        reason: String,
    },
}

/// The next try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextAttempt {
    /// Why the last one failed.
    pub reason: Option<String>,
    /// Twilio's code, where it answered.
    pub code: Option<ErrorCode>,
    /// By which way the next one is.
    pub route: usize,
    /// Not before this time.
    pub not_before: Option<Timestamp>,
}

impl NotificationOutcome {
    /// The state it leaves the notification in.
    pub fn state(&self) -> NotificationState {
        match self {
            Self::Accepted(_) => NotificationState::Accepted,
            Self::AwaitingReply(_) => NotificationState::AwaitingReply,
            Self::Rejected { .. } => NotificationState::Rejected,
            Self::Waiting(_) => NotificationState::Waiting,
            Self::Suppressed { .. } => NotificationState::Suppressed,
            Self::Expired { .. } => NotificationState::Expired,
            Self::Unknown { .. } => NotificationState::Unknown,
        }
    }

    /// Why, where there is something to say.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Rejected { reason, .. }
            | Self::Suppressed { reason, .. }
            | Self::Expired { reason }
            | Self::Unknown { reason } => Some(reason),
            Self::Waiting(waiting) => waiting.reason.as_deref(),
            Self::Accepted(_) | Self::AwaitingReply(_) => None,
        }
    }

    /// The message, where there is one.
    pub fn message_sid(&self) -> Option<&MessageSid> {
        match self {
            Self::Accepted(sid) | Self::AwaitingReply(sid) => Some(sid),
            _ => None,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Rejected { code, .. } | Self::Suppressed { code, .. } => *code,
            Self::Waiting(waiting) => waiting.code,
            _ => None,
        }
    }
}

/// `state` and `open` are words of DynamoDB's own (Amazon DynamoDB, "Reserved words"), and so go by another name.
pub(super) const STATE: &str = "#state";
pub(super) const OPEN: &str = "#open";

/// The names behind [`STATE`] and [`OPEN`], which every change uses.
pub(super) fn names() -> HashMap<String, String> {
    [(STATE, "state"), (OPEN, "open")].map(|(name, meant)| (name.to_owned(), meant.to_owned())).into()
}

/// An update expression's assignments and removals with their values.
#[derive(Debug, Default)]
pub(super) struct UpdateExpression {
    pub(super) set: Vec<String>,
    pub(super) remove: Vec<&'static str>,
    pub(super) values: Item,
}

impl UpdateExpression {
    pub(super) fn set(&mut self, name: &'static str, value: AttributeValue) {
        let plain = name.trim_start_matches('#');
        self.set.push(format!("{name} = :{plain}"));
        self.values.insert(format!(":{plain}"), value);
    }

    /// Sets what is there and removes what is not.
    pub(super) fn set_or_remove(&mut self, name: &'static str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove.push(name),
        }
    }

    /// Appends to the attempts.
    pub(super) fn attempt(&mut self, attempt: Item) {
        self.set.push("attempts = list_append(if_not_exists(attempts, :none), :attempts)".to_owned());
        self.values.insert(":none".to_owned(), AttributeValue::L(Vec::new()));
        self.values.insert(":attempts".to_owned(), AttributeValue::L(vec![AttributeValue::M(attempt)]));
    }

    /// Takes over another's assignments and removals.
    pub(super) fn absorb(&mut self, other: Self) {
        self.set.extend(other.set);
        self.remove.extend(other.remove);
        self.values.extend(other.values);
    }

    pub(super) fn expression(&self) -> String {
        let set = self.set.join(", ");
        if self.remove.is_empty() {
            format!("SET {set}")
        } else {
            format!("SET {set} REMOVE {}", self.remove.join(", "))
        }
    }
}

/// An attempt as the table has it.
pub(super) fn attempt(at: Timestamp, channel: FallbackChannel, outcome: &NotificationOutcome) -> Item {
    let optional = [
        ("message_sid", outcome.message_sid().map(text)),
        ("reason", outcome.reason().map(text)),
        ("code", outcome.code().map(number)),
    ];
    let always = [("at", text(at)), ("channel", text(channel.as_str())), ("outcome", text(outcome.state().as_str()))];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    always.into_iter().chain(optional).map(|(name, value)| (name.to_owned(), value)).collect()
}

impl NotificationOutcome {
    /// What the outcome changes, besides the state. `validity` is how long Twilio tries at most: after it, a message
    /// whose end nobody has reported is looked up.
    pub(super) fn change(
        &self,
        account_sid: &AccountSid,
        validity: SignedDuration,
        now: Timestamp,
    ) -> UpdateExpression {
        let mut change = UpdateExpression::default();
        change.set_or_remove("message_sid", self.message_sid().map(text));
        change.set_or_remove("reason", self.reason().map(text));
        change.set_or_remove("code", self.code().map(number));
        let taken = self.message_sid().is_some();
        change.set_or_remove(OPEN, taken.then(|| text(account_sid)));
        let open_until = now.saturating_add(validity).unwrap_or(Timestamp::MAX);
        change.set_or_remove("open_until", taken.then(|| time(open_until)));
        match self {
            Self::Waiting(waiting) => {
                change.set("route", number(waiting.route));
                change.set_or_remove("not_before", waiting.not_before.map(text));
            }
            Self::AwaitingReply(_) => change.set("template_sent_at", text(now)),
            _ => {}
        }
        change
    }
}
