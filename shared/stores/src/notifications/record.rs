//! A notification as it is stored.

use std::{collections::BTreeMap, fmt, time::Duration};

use domain::{
    digest::sha256_hex,
    limits::{AUTHENTICATION_EXPIRY, validity},
    notification::{Category, Notification, NotificationId},
    pause::PauseScope,
    policy::REPLY_WITHIN,
    progress::{CancelOutcome, Change, Outcome, Phase, Progress, Reopening, Transition},
    waiting::{WaitReason, hand_over},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{
    address::Recipient,
    sid::{AccountSid, MessageSid},
};

use super::{LeaseId, item::to_milliseconds, next_version};

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
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Claimed,
        Self::AwaitingReply,
        Self::Accepted,
        Self::Rejected,
        Self::Suppressed,
        Self::Expired,
        Self::Cancelled,
        Self::Unknown,
    ];

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

impl Subject {
    /// Forgets for whom it was and what it said: a notification to an erased person must not store them again.
    pub fn forget_person(&mut self) {
        (self.recipient, self.request) = (None, None);
        self.metadata.clear();
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

/// What a notification waits for.
#[derive(Clone, PartialEq, Eq)]
pub struct Due {
    /// When it goes on, by the index `by_due`. While a message of it is on a queue, that is some minutes later, in case the
    /// message is lost ([`domain::waiting`]).
    pub at: Timestamp,
    pub reason: WaitReason,
    /// Since when it has waited for this reason.
    pub since: Timestamp,
    /// What a pause would have to cover to keep it waiting, besides its account.
    pub scopes: Vec<PauseScope>,
}

impl fmt::Debug for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Due").field("at", &self.at).field("reason", &self.reason).finish_non_exhaustive()
    }
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
    /// Present while it waits: it then comes again by itself.
    pub due: Option<Due>,
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
            due: None,
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

    /// The notification as it is stored after it was written at this time over the version that it was read with.
    pub(super) fn written_at(mut self, now: Timestamp) -> Self {
        (self.version, self.updated_at) = (next_version(Some(self.version), now), now);
        self
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

    /// Applies a transition, with what depends on its result: a lease lasts until the result of its attempt is known, an
    /// accepted message without an outcome is looked up when Twilio cannot send it any more, and what is ready again, awaits
    /// a reply, or is followed by another option without a delivery is due at its time.
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
        self.open_until = self.look_up_at(notification);
        if change != Change::Nothing {
            self.due = None;
            self.wait_after(notification, on.expires_at, now);
        }
        change
    }

    /// Nothing more is sent, by a decision. If a message may still arrive, what becomes of it is the outcome, and it is looked
    /// up.
    pub fn end(&mut self, notification: &Notification, outcome: Outcome, reason: String) {
        self.progress.end(outcome, reason);
        (self.lease, self.due) = (None, None);
        self.open_until = self.look_up_at(notification);
    }

    /// Cancels it, if it can be cancelled: then nothing is waited for any more. `by` says in the reason who cancelled it.
    pub fn cancel(&mut self, by: Option<&str>, now: Timestamp) -> CancelOutcome {
        let notification = self.notification();
        let outcome = self.progress.cancel(by, notification.as_ref(), to_milliseconds(now));
        if outcome == CancelOutcome::Cancelled {
            (self.lease, self.due) = (None, None);
            self.open_until = notification.and_then(|notification| self.look_up_at(&notification));
        }
        outcome
    }

    /// When the messages without a final status are looked up at Twilio: when it cannot send the last of them any more. None
    /// if there is none, or if the outcome is known or does not depend on them.
    pub(super) fn look_up_at(&self, notification: &Notification) -> Option<Timestamp> {
        let is_open =
            matches!(self.progress.phase, Phase::Accepted | Phase::AwaitingReply) && self.progress.outcome.is_none();
        let last_claimed_at = self.progress.open_messages().map(|(_, attempt)| attempt.claimed_at).max();
        last_claimed_at.filter(|_| is_open)?.checked_add(validity(notification)).ok()
    }

    /// The notification waits until a time. A notification that waits on for the same reason has waited since it began.
    pub fn wait_until(&mut self, at: Timestamp, reason: WaitReason, scopes: Vec<PauseScope>, now: Timestamp) {
        let before = self.due.take().filter(|due| due.reason == reason);
        let since = before.map_or(now, |due| due.since);
        self.due = Some(Due { at, reason, since, scopes });
    }

    /// What it waits for after a transition, if it waits.
    fn wait_after(&mut self, notification: &Notification, expires_at: Option<Timestamp>, now: Timestamp) {
        let (at, reason) = match self.progress.phase {
            Phase::Ready { not_before, .. } => (not_before.unwrap_or(now), WaitReason::Retry),
            // A reply brings it back earlier.
            Phase::AwaitingReply => {
                let asked_at = self.progress.last().map_or(now, |attempt| attempt.claimed_at);
                let reply_by = || asked_at.saturating_add(REPLY_WITHIN).unwrap_or(Timestamp::MAX);
                let reply_by = expires_at.unwrap_or_else(reply_by);
                match self.progress.delivery_due_at(notification).filter(|due_at| *due_at < reply_by) {
                    Some(due_at) => (due_at, WaitReason::Delivery),
                    None => (reply_by, WaitReason::Reply),
                }
            }
            Phase::Accepted => match self.progress.delivery_due_at(notification) {
                Some(due_at) if expires_at.is_none_or(|expires_at| due_at < expires_at) => {
                    (due_at, WaitReason::Delivery)
                }
                _ => return,
            },
            Phase::Claimed | Phase::Unknown | Phase::Ended => return,
        };
        // By which sender its next message goes is decided then.
        let scopes = vec![PauseScope::Category(notification.category)];
        self.wait_until(at, reason, scopes, now);
    }

    /// Makes a notification that is due go on at its time: before it is written. Gives the delay of the message that has to
    /// be put on the queue afterwards; none if nothing is due, or if the index alone brings it back. `hops` is how many
    /// messages in a row the writer has sent to itself.
    #[must_use = "the message has to be put on the queue"]
    pub fn hand_over(&mut self, hops: u8, now: Timestamp) -> Option<Duration> {
        let due = self.due.as_mut()?;
        let handover = hand_over(due.at, due.reason, hops, now);
        due.at = handover.due_at;
        handover.delay
    }

    /// An operator retries the notification ([`Progress::reopen`]). It is written with the decision that follows.
    pub fn reopen(&mut self, now: Timestamp) -> Reopening {
        let reopening = self.progress.reopen(now);
        if reopening == Reopening::Reopened {
            self.due = None;
        }
        reopening
    }

    /// Whether it could not be read when it came with this body. A later version may be able to read it.
    pub fn was_unreadable(&self, body: &str) -> bool {
        self.subject.recipient.is_none() && self.subject.digest == sha256_hex(body.as_bytes())
    }

    /// The id of the event about the outcome. A notification has each outcome once, and once more after each retry by an
    /// operator, and each reuse of its id is an event too, so the id is unique.
    pub fn event_id(&self) -> String {
        let kind = if self.reuse {
            self.subject.digest.get(..16).unwrap_or_default()
        } else {
            self.progress.outcome.map_or(self.state().as_str(), Outcome::as_str)
        };
        let retry = self.progress.reopened_at.map(|at| format!(".{}", at.as_millisecond())).unwrap_or_default();
        format!("{}#{}.{kind}{retry}", self.subject.account_sid, self.subject.id)
    }
}
