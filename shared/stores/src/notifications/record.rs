//! A notification as it is stored.

use std::{collections::BTreeMap, fmt};

use domain::{
    limits::{AUTHENTICATION_EXPIRY, validity},
    notification::{Category, Notification, NotificationId},
    progress::{Change, Outcome, Phase, Progress, Transition},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{
    address::Recipient,
    sid::{AccountSid, MessageSid},
};

use super::LeaseId;

/// The state of a notification, as the table, the events and the API name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationState {
    /// A function works on it, or stopped without a result.
    Claimed,
    /// No message of it is on its way; it may be claimed.
    Waiting,
    /// Its template was sent, and its content follows the recipient's answer.
    AwaitingReply,
    /// Twilio accepted it. Its outcome says what became of it.
    Accepted,
    /// It cannot be sent.
    Rejected,
    /// Its recipient opted out, or a rule protects the recipient.
    Suppressed,
    Expired,
    Cancelled,
    /// It is not known whether it was sent, and the search for its message found no answer.
    Unknown,
}

impl NotificationState {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Waiting => "waiting",
            Self::AwaitingReply => "awaiting_reply",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Suppressed => "suppressed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// The state of a phase, which needs the outcome if nothing more is sent.
    pub const fn of(phase: Phase, outcome: Option<Outcome>) -> Self {
        match (phase, outcome) {
            (Phase::Ready { .. }, _) => Self::Waiting,
            (Phase::Claimed, _) => Self::Claimed,
            (Phase::AwaitingReply, _) => Self::AwaitingReply,
            (Phase::Unknown, _) => Self::Unknown,
            (Phase::Ended, Some(Outcome::Suppressed)) => Self::Suppressed,
            (Phase::Ended, Some(Outcome::Expired)) => Self::Expired,
            (Phase::Ended, Some(Outcome::Cancelled)) => Self::Cancelled,
            (Phase::Ended, Some(Outcome::Rejected)) => Self::Rejected,
            (Phase::Accepted | Phase::Ended, _) => Self::Accepted,
        }
    }
}

/// What the table stores of a notification that is independent of its progress.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    /// The account that the notification names, or the configured one.
    pub account_sid: AccountSid,
    pub id: NotificationId,
    /// See [`domain::notification::Notification::digest`].
    pub digest: String,
    /// None if the notification could not be read.
    pub recipient: Option<Recipient>,
    /// None if the notification could not be read.
    pub category: Option<Category>,
    /// Returned in events.
    pub metadata: BTreeMap<String, String>,
    /// The notification as it was queued, so that another option can be sent later; none if it could not be read.
    pub request: Option<String>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("account_sid", &self.account_sid).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The right of one function to send the last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub id: LeaseId,
    /// When it ends. It lasts longer than its holder may run.
    pub until: Timestamp,
    /// When it is certain that no message of the attempt can exist that Twilio neither reports nor lists: Twilio tries to
    /// send it no longer than its validity period.
    pub resolvable_at: Timestamp,
}

/// A notification's item.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredNotification {
    pub subject: Subject,
    pub progress: Progress,
    /// Present while it is claimed, and until its unknown outcome is resolved.
    pub lease: Option<Lease>,
    /// By when the outcome of an accepted message should be known: then `reconcile` looks it up. None if it is known.
    pub open_until: Option<Timestamp>,
    /// When the notification was first put on a queue.
    pub enqueued_at: Timestamp,
    /// The item is a `reuse#` item: it only records that the id was used for another notification.
    pub reuse: bool,
    /// Changes with every write.
    pub version: i64,
    pub updated_at: Timestamp,
    /// In seconds since 1970.
    pub expires_at: i64,
}

impl fmt::Debug for StoredNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredNotification")
            .field("subject", &self.subject)
            .field("progress", &self.progress)
            .field("version", &self.version)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

impl StoredNotification {
    /// A notification of which nothing is stored.
    pub fn new(subject: Subject, enqueued_at: Timestamp) -> Self {
        Self {
            subject,
            progress: Progress::default(),
            lease: None,
            open_until: None,
            enqueued_at,
            reuse: false,
            version: 0,
            updated_at: enqueued_at,
            expires_at: 0,
        }
    }

    pub fn state(&self) -> NotificationState {
        NotificationState::of(self.progress.phase, self.progress.outcome)
    }

    /// The message of the last attempt.
    pub fn message_sid(&self) -> Option<&MessageSid> {
        self.progress.last()?.message_sid.as_ref()
    }

    /// The notification as it was queued; none if it could not be read.
    pub fn notification(&self) -> Option<Notification> {
        Notification::parse(self.subject.request.as_deref()?).ok()
    }

    /// When the notification expires: as it says, or soon for a one-time password, which is useless after some minutes.
    pub fn ends_at(&self, notification: &Notification) -> Option<Timestamp> {
        notification.expires_at.or_else(|| {
            let begins_at = notification.send_at.map_or(self.enqueued_at, |send_at| send_at.max(self.enqueued_at));
            let is_password = notification.category == Category::Authentication;
            is_password.then(|| begins_at.saturating_add(AUTHENTICATION_EXPIRY).unwrap_or(Timestamp::MAX))
        })
    }

    /// Applies a transition, with what depends on its result: a lease lasts until the result of its attempt is known, and an
    /// accepted message without an outcome is looked up when Twilio cannot send it any more.
    pub fn apply(
        &mut self,
        notification: &Notification,
        now: Timestamp,
        transition: impl FnOnce(&mut Progress, &Transition<'_>) -> Change,
    ) -> Change {
        let on = Transition { notification, expires_at: self.ends_at(notification), now };
        let change = transition(&mut self.progress, &on);
        let phase = self.progress.phase;
        if !matches!(phase, Phase::Claimed | Phase::Unknown) {
            self.lease = None;
        }
        let is_open = matches!(phase, Phase::Accepted | Phase::AwaitingReply) && self.progress.outcome.is_none();
        let claimed_at = self.progress.last().map(|attempt| attempt.claimed_at).filter(|_| is_open);
        self.open_until = claimed_at.and_then(|claimed_at| claimed_at.checked_add(validity(notification)).ok());
        change
    }

    /// The id of the event about the outcome. A notification has each outcome once, and each reuse of its id is an event
    /// too, so the id is unique.
    pub fn event_id(&self) -> String {
        let kind = if self.reuse {
            self.subject.digest.get(..16).unwrap_or_default()
        } else {
            self.progress.outcome.map_or(self.state().as_str(), Outcome::as_str)
        };
        format!("{}#{}.{kind}", self.subject.account_sid, self.subject.id)
    }
}
