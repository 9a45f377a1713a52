//! The attributes of a notification's item.

use std::{collections::BTreeMap, mem};

use domain::{
    json::without_byte_order_mark,
    limits::{NOTIFICATION_RETENTION, expiry},
    notification::{Category, NotificationId},
    pause::PauseScope,
    progress::{Attempt, Outcome, Phase, Progress, Purpose, Step},
    waiting::WaitReason,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{
    address::Recipient,
    error_code::ErrorCode,
    sid::{AccountSid, MessageSid},
};

use super::{
    Due, Lease, LeaseId, NotificationState, StoredNotification, Subject, due::due_shard, key, next_version,
    open::open_shard_of,
};
use crate::{
    attribute::time,
    dynamodb::{Item, StoreError},
    format,
};

const READING: &str = "reading an item of the Notifications table";

/// The attributes, except for `open_until` and `due_at`, which are written with a fixed length because they are range keys.
///
/// A write costs a unit for each started kilobyte, and an item is written five times. So it repeats nothing: the account and
/// the id are in the key, unless that is the key of a reused id, and recipient, category and metadata are in the request, as
/// long as that is stored.
#[derive(Serialize, Deserialize)]
struct Attributes {
    #[serde(default, skip_serializing)]
    notification: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account_sid: Option<AccountSid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<NotificationId>,
    state: NotificationState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipient: Option<Recipient>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<Category>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notification_json: Option<String>,
    /// The option of the step that is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    route: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<Purpose>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolvable_at: Option<Timestamp>,
    /// The message of the last attempt, for the index. It is not repeated in the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_sid: Option<MessageSid>,
    /// The shard of the index of the notifications without an outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(default, skip_serializing)]
    open_until: Option<Timestamp>,
    /// For the index of what is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_shard: Option<String>,
    #[serde(default, skip_serializing)]
    due_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    due_scopes: Vec<PauseScope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waits_for: Option<WaitReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waits_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Attempt>,
    /// When an operator last retried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reopened_at: Option<Timestamp>,
    /// When it was cancelled although a message of it was under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<Timestamp>,
    enqueued_at: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reuse: bool,
    version: i64,
    updated_at: Timestamp,
    expires_at: i64,
}

impl StoredNotification {
    pub fn read(item: Item) -> Result<Self, StoreError> {
        format::NOTIFICATION.check(READING, &item)?;
        let mut attributes: Attributes =
            serde_dynamo::from_item(item).map_err(|error| StoreError::new(READING, error))?;
        let subject = attributes.subject()?;
        Ok(Self::from_attributes(subject, attributes))
    }

    /// The item with the next version. `seen` is the version that was read.
    pub(super) fn to_item(&self, seen: Option<i64>, now: Timestamp) -> Result<Item, StoreError> {
        let Self { subject, progress, .. } = self;
        let step = progress.ready_step();
        let not_before = if let Phase::Ready { not_before, .. } = progress.phase { not_before } else { None };
        let open_until = self.open_until.filter(|_| progress.outcome.is_none());
        let request = subject.request.clone().filter(|_| !self.is_request_used());
        // What the request does not say.
        let (recipient, category, metadata) = match request {
            Some(_) => (None, None, BTreeMap::new()),
            None => (subject.recipient.clone(), subject.category, subject.metadata.clone()),
        };
        let attributes = Attributes {
            notification: String::new(),
            account_sid: self.reuse.then(|| subject.account_sid.clone()),
            id: self.reuse.then(|| subject.id.clone()),
            state: self.state(),
            outcome: progress.outcome,
            reason: progress.reason.clone(),
            code: progress.code,
            digest: subject.digest.clone(),
            recipient,
            category,
            metadata,
            notification_json: request,
            route: step.map(|step| step.option),
            purpose: step.map(|step| step.purpose).filter(|purpose| *purpose != Purpose::default()),
            not_before,
            lease: self.lease.as_ref().map(|lease| lease.id.clone()),
            lease_until: self.lease.as_ref().map(|lease| to_milliseconds(lease.until)),
            resolvable_at: self.lease.as_ref().map(|lease| to_milliseconds(lease.resolvable_at)),
            message_sid: self.message_sid().cloned(),
            open: open_until.map(|_| open_shard_of(&subject.account_sid, &subject.id)),
            open_until: None,
            due_shard: self.due.as_ref().map(|_| due_shard(&subject.id)),
            due_at: None,
            due_scopes: self.due.as_ref().map(|due| due.scopes.clone()).unwrap_or_default(),
            waits_for: self.due.as_ref().map(|due| due.reason),
            waits_since: self.due.as_ref().map(|due| to_milliseconds(due.since)),
            attempts: stored_attempts(&progress.attempts),
            reopened_at: progress.reopened_at.map(to_milliseconds),
            cancelled_at: progress.cancelled_at.map(to_milliseconds),
            enqueued_at: self.enqueued_at,
            reuse: self.reuse,
            version: next_version(seen, now),
            updated_at: now,
            expires_at: expiry(now, NOTIFICATION_RETENTION),
        };
        let mut item: Item = serde_dynamo::to_item(attributes)
            .map_err(|error| StoreError::new("writing an item of the Notifications table", error))?;
        item.extend(key(&subject.account_sid, &subject.id));
        format::NOTIFICATION.mark(&mut item);
        item.extend(open_until.map(|until| ("open_until".to_owned(), time(until))));
        item.extend(self.due.as_ref().map(|due| ("due_at".to_owned(), time(due.at))));
        Ok(item)
    }

    /// Whether nothing can follow that needs the request. A delivered message cannot fail any more, so what it said is not
    /// stored any longer, and the item is written again at half the units. A one-time password is useless after any outcome.
    fn is_request_used(&self) -> bool {
        match self.progress.outcome {
            None | Some(Outcome::Unknown) => false,
            Some(Outcome::Delivered | Outcome::Read) => true,
            Some(_) => self.subject.category == Some(Category::Authentication),
        }
    }

    /// Whether it has ended, and its content is stored all the same, because an operator may retry it.
    pub(super) fn keeps_content_after_its_end(&self) -> bool {
        let has_ended = self.progress.outcome.is_some_and(|outcome| outcome != Outcome::Unknown);
        has_ended && self.subject.request.is_some() && !self.is_request_used()
    }

    fn from_attributes(subject: Subject, found: Attributes) -> Self {
        let step = Step { option: found.route.unwrap_or_default(), purpose: found.purpose.unwrap_or_default() };
        let phase = match found.state {
            NotificationState::Waiting => Phase::Ready { step, not_before: found.not_before },
            NotificationState::Claimed => Phase::Claimed,
            NotificationState::AwaitingReply => Phase::AwaitingReply,
            NotificationState::Accepted => Phase::Accepted,
            NotificationState::Unknown => Phase::Unknown,
            NotificationState::Rejected
            | NotificationState::Suppressed
            | NotificationState::Expired
            | NotificationState::Cancelled => Phase::Ended,
        };
        let mut attempts = found.attempts;
        if let Some(last) = attempts.last_mut().filter(|last| last.message_sid.is_none()) {
            last.message_sid = found.message_sid;
        }
        let lease = match (found.lease, found.lease_until, found.resolvable_at) {
            (Some(id), Some(until), Some(resolvable_at)) => Some(Lease { id, until, resolvable_at }),
            _ => None,
        };
        let due = found.due_at.zip(found.waits_for);
        let since = found.waits_since.unwrap_or(found.updated_at);
        let due = due.map(|(at, reason)| Due { at, reason, since, scopes: found.due_scopes });
        Self {
            subject,
            progress: Progress {
                phase,
                attempts,
                outcome: found.outcome,
                reason: found.reason,
                code: found.code,
                reopened_at: found.reopened_at,
                cancelled_at: found.cancelled_at,
            },
            lease,
            open_until: found.open_until,
            due,
            enqueued_at: found.enqueued_at,
            reuse: found.reuse,
            version: found.version,
            updated_at: found.updated_at,
            expires_at: found.expires_at,
        }
    }
}

/// The attempts without what is stored elsewhere, or would only make the item longer.
fn stored_attempts(attempts: &[Attempt]) -> Vec<Attempt> {
    let mut attempts = attempts.to_vec();
    for attempt in &mut attempts {
        attempt.claimed_at = to_milliseconds(attempt.claimed_at);
        attempt.at = to_milliseconds(attempt.at);
    }
    if let Some(last) = attempts.last_mut() {
        last.message_sid = None;
    }
    attempts
}

pub(super) fn to_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// What events and the API show of a request.
#[derive(Deserialize)]
struct RequestSummary {
    to: Recipient,
    category: Category,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

impl Attributes {
    /// Reads the subject, from the key and the request where no attributes say it.
    fn subject(&mut self) -> Result<Subject, StoreError> {
        let (account_sid, id) = match (self.account_sid.take(), self.id.take()) {
            (Some(account_sid), Some(id)) => (account_sid, id),
            _ => self.key_parts().ok_or_else(|| StoreError::new(READING, InvalidKey))?,
        };
        let mut subject = Subject {
            account_sid,
            id,
            digest: mem::take(&mut self.digest),
            recipient: self.recipient.take(),
            category: self.category,
            metadata: mem::take(&mut self.metadata),
            request: self.notification_json.take(),
        };
        // It was read before it was stored.
        let request = subject.request.as_deref().map(without_byte_order_mark);
        let request = request.and_then(|request| serde_json::from_str(request).ok());
        if let Some(RequestSummary { to, category, metadata }) = request {
            subject.recipient = Some(to);
            subject.category = Some(category);
            subject.metadata = metadata.unwrap_or_default();
        }
        Ok(subject)
    }

    fn key_parts(&self) -> Option<(AccountSid, NotificationId)> {
        let (account_sid, id) = self.notification.split_once('#')?;
        Some((account_sid.parse().ok()?, id.to_owned().try_into().ok()?))
    }
}

/// A key of the Notifications table that names no notification.
#[derive(Debug, thiserror::Error)]
#[error("the key is not an account SID, # and an id")]
struct InvalidKey;
