//! An item of the Notifications table.

use std::{collections::BTreeMap, fmt};

use domain::{
    notification::{Category, NotificationId},
    policy::NotificationProgress,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{
    address::E164,
    error_code::ErrorCode,
    sid::{AccountSid, MessageSid},
};

use crate::dynamodb::{Item, StoreError};

/// Where a notification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationState {
    /// Somebody is at work on it, or was.
    Claimed,
    /// Nothing of it is on its way, and its time has not come; it may be claimed.
    Waiting,
    /// Its template is out, and its content follows when the person answers; it may be claimed.
    AwaitingReply,
    /// Twilio took it. What becomes of it is told by the message's statuses.
    Accepted,
    /// It cannot be sent as it stands.
    Rejected,
    /// Its recipient does not want it.
    Suppressed,
    /// Its time was over.
    Expired,
    /// Whether it was sent is not known, and nobody could tell.
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
            Self::Unknown => "unknown",
        }
    }
}

/// Whose claim it is: unlike anybody else's, so that who comes late cannot settle what is no longer theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(String);

impl LeaseId {
    /// A new claim's.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the table knows a notification by.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    /// The account, named or configured.
    pub account_sid: AccountSid,
    /// The id within the account.
    pub id: NotificationId,
    /// A fingerprint of all it says.
    pub digest: String,
    /// The recipient; none where it could not be read.
    pub recipient: Option<E164>,
    /// The category; none where it could not be read.
    pub category: Option<Category>,
    /// Handed back in events.
    pub metadata: BTreeMap<String, String>,
    /// The notification as it came, to be sent again by another way; none where it cannot be read.
    pub request: Option<String>,
}

impl fmt::Debug for Subject {
    /// Without what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({}#{})", self.account_sid, self.id)
    }
}

/// An item of the table.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct StoredNotification {
    /// The account.
    pub account_sid: AccountSid,
    /// The id within the account.
    pub id: NotificationId,
    /// Where it stands.
    pub state: NotificationState,
    /// A fingerprint of all it says.
    pub digest: String,
    /// The recipient.
    pub recipient: Option<E164>,
    /// The category.
    #[serde(default)]
    pub category: Option<Category>,
    /// Handed back in events.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The notification as it came.
    #[serde(default, rename = "notification_json")]
    pub request: Option<String>,
    /// The first of its ways that has not failed, or that is being tried.
    #[serde(default)]
    pub route: usize,
    /// The claim, while there is one.
    #[serde(default)]
    pub lease: Option<LeaseId>,
    /// When the claim ends.
    #[serde(default)]
    pub lease_until: Option<Timestamp>,
    /// When it was claimed last.
    #[serde(default)]
    pub claimed_at: Option<Timestamp>,
    /// Not again before this time.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// When its template went out whose answer the rest waits for.
    #[serde(default)]
    pub template_sent_at: Option<Timestamp>,
    /// The message it became.
    #[serde(default)]
    pub message_sid: Option<MessageSid>,
    /// Why it stands where it stands.
    #[serde(default)]
    pub reason: Option<String>,
    /// Twilio's code.
    #[serde(default)]
    pub code: Option<ErrorCode>,
    /// What was tried, the oldest first.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// It only notes that the id was used again for something else.
    #[serde(default)]
    pub reuse: bool,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When it may be deleted, in seconds since 1970.
    pub expires_at: i64,
}

impl fmt::Debug for StoredNotification {
    /// Without what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredNotification({}#{}, {})", self.account_sid, self.id, self.state.as_str())
    }
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// Over which channel.
    pub channel: String,
    /// In what.
    pub outcome: NotificationState,
    /// As which message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_sid: Option<MessageSid>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Twilio's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
}

impl StoredNotification {
    /// Reads an item.
    pub fn read(item: Item) -> Result<Self, StoreError> {
        serde_dynamo::from_item(item)
            .map_err(|error| StoreError::new("reading an item of the Notifications table", error))
    }

    /// Unlike any other event's: what an id stands for ends once in a state, and each use of it for something else is
    /// told by itself.
    pub fn event_id(&self) -> String {
        let kind = if self.reuse { self.digest.get(..16).unwrap_or_default() } else { self.state.as_str() };
        format!("{}#{}.{kind}", self.account_sid, self.id)
    }

    /// What a decision has to know of it.
    pub fn progress(&self) -> NotificationProgress {
        NotificationProgress { route: self.route, template_sent_at: self.template_sent_at, not_before: self.not_before }
    }
}

/// What is to be done about a notification, by what stands in the table.
#[derive(Debug, Clone)]
pub enum ClaimState {
    /// Nobody has seen it.
    New,
    /// It may be claimed.
    Claimable(Box<StoredNotification>),
    /// It came to its end.
    Finished(NotificationState),
    /// Somebody is at work on it, at most until then.
    LeasedUntil(Timestamp),
    /// Somebody claimed it and never said what became of it, or nobody could find out.
    OutcomeUnknown(Box<StoredNotification>),
    /// The id belongs to a notification with other content.
    IdReused,
}

impl ClaimState {
    /// Judges what was found.
    pub fn of(found: Option<StoredNotification>, digest: &str, now: Timestamp) -> Self {
        // DynamoDB deletes late: what is past its time is not there.
        let Some(found) = found.filter(|found| found.expires_at >= now.as_second()) else { return Self::New };
        if found.digest != digest {
            return Self::IdReused;
        }
        match (found.state, found.lease_until) {
            (NotificationState::Claimed, Some(until)) if until > now => Self::LeasedUntil(until),
            (NotificationState::Claimed | NotificationState::Unknown, _) => Self::OutcomeUnknown(Box::new(found)),
            (NotificationState::Waiting | NotificationState::AwaitingReply, _) => Self::Claimable(Box::new(found)),
            (state, _) => Self::Finished(state),
        }
    }
}
