//! The outcome of an attempt, or of the decision not to make one, and how the table records it.

use std::fmt;

use domain::notification::FallbackChannel;
use jiff::{SignedDuration, Timestamp};
use twilio_types::{
    error_code::ErrorCode,
    sid::{AccountSid, MessageSid},
};

use super::{
    NotificationState,
    update_expression::{OPEN, UpdateExpression},
};
use crate::{
    attribute::{number, text, time},
    dynamodb::Item,
};

/// What became of a notification. A `reason` names the field or the rule.
#[derive(Clone, PartialEq, Eq)]
pub enum NotificationOutcome {
    /// Twilio accepted it as this message.
    Accepted(MessageSid),
    /// Twilio accepted its template as this message. The content waits for the recipient's answer.
    AwaitingReply(MessageSid),
    /// It cannot be sent. The code is Twilio's, if Twilio refused it.
    Rejected {
        reason: String,
        code: Option<ErrorCode>,
    },
    /// It was certainly not sent, and will be attempted again.
    Waiting(NextAttempt),
    /// The recipient opted out, or a rule protects the recipient. The code is Twilio's, if Twilio reported the opt-out.
    Suppressed {
        reason: String,
        code: Option<ErrorCode>,
    },
    Expired {
        reason: String,
    },
    /// It is not known whether it was sent.
    Unknown {
        reason: String,
    },
}

/// The next attempt at a notification.
#[derive(Clone, PartialEq, Eq)]
pub struct NextAttempt {
    /// Why the last attempt failed, or why the notification waits.
    pub reason: Option<String>,
    /// Twilio's code of the last attempt, if it answered.
    pub code: Option<ErrorCode>,
    /// The option to send: 0 is the content, 1 the first fallback.
    pub route: usize,
    pub not_before: Option<Timestamp>,
}

/// What became of writing an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeWrite {
    Written,
    /// The condition did not hold: another writer was faster.
    Overtaken,
}

impl NotificationOutcome {
    /// The state that the outcome moves the notification to.
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

    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Rejected { reason, .. }
            | Self::Suppressed { reason, .. }
            | Self::Expired { reason }
            | Self::Unknown { reason } => Some(reason),
            Self::Waiting(next) => next.reason.as_deref(),
            Self::Accepted(_) | Self::AwaitingReply(_) => None,
        }
    }

    pub fn message_sid(&self) -> Option<&MessageSid> {
        match self {
            Self::Accepted(sid) | Self::AwaitingReply(sid) => Some(sid),
            _ => None,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Rejected { code, .. } | Self::Suppressed { code, .. } => *code,
            Self::Waiting(next) => next.code,
            _ => None,
        }
    }

    /// The attempt with this outcome, as an element of the stored list.
    pub(super) fn attempt(&self, channel: FallbackChannel, at: Timestamp) -> Item {
        let required =
            [("at", text(at)), ("channel", text(channel.as_str())), ("outcome", text(self.state().as_str()))];
        let optional = [
            ("message_sid", self.message_sid().map(text)),
            ("reason", self.reason().map(text)),
            ("code", self.code().map(number)),
        ];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        required.into_iter().chain(optional).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What the outcome changes in the item besides the state. `validity` is how long Twilio may try to send the
    /// message: after it, `reconcile` looks up a message without a final status.
    pub(super) fn update(
        &self,
        account_sid: &AccountSid,
        validity: SignedDuration,
        now: Timestamp,
    ) -> UpdateExpression {
        let mut update = UpdateExpression::default();
        update.set_or_remove("message_sid", self.message_sid().map(text));
        update.set_or_remove("reason", self.reason().map(text));
        update.set_or_remove("code", self.code().map(number));
        let is_open = self.message_sid().is_some();
        update.set_or_remove(OPEN, is_open.then(|| text(account_sid)));
        let open_until = now.saturating_add(validity).unwrap_or(Timestamp::MAX);
        update.set_or_remove("open_until", is_open.then(|| time(open_until)));
        match self {
            Self::Waiting(next) => {
                update.set("route", number(next.route));
                update.set_or_remove("not_before", next.not_before.map(text));
            }
            Self::AwaitingReply(_) => update.set("template_sent_at", text(now)),
            _ => {}
        }
        update
    }
}

impl fmt::Debug for NotificationOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationOutcome")
            .field("state", &self.state())
            .field("message_sid", &self.message_sid())
            .field("code", &self.code())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NextAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextAttempt")
            .field("code", &self.code)
            .field("route", &self.route)
            .field("not_before", &self.not_before)
            .finish_non_exhaustive()
    }
}
