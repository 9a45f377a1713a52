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

use super::LeaseId;
use crate::dynamodb::{Item, StoreError};

/// The state of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationState {
    /// A function works on it, or stopped without an outcome.
    Claimed,
    /// No message of it is on its way; it may be claimed.
    Waiting,
    /// Its template was sent, and its content follows the recipient's answer; it may be claimed.
    AwaitingReply,
    /// Twilio accepted it. The statuses of its message say what became of it.
    Accepted,
    /// It cannot be sent.
    Rejected,
    /// Its recipient opted out, or a rule protects the recipient.
    Suppressed,
    Expired,
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
            Self::Unknown => "unknown",
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
    pub recipient: Option<E164>,
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

/// A notification's item.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct StoredNotification {
    pub account_sid: AccountSid,
    pub id: NotificationId,
    pub state: NotificationState,
    pub digest: String,
    pub recipient: Option<E164>,
    #[serde(default)]
    pub category: Option<Category>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The notification as it was queued.
    #[serde(default, rename = "notification_json")]
    pub request: Option<String>,
    /// The first option that has not failed, or that is being sent: 0 is the content, 1 the first fallback.
    #[serde(default)]
    pub route: usize,
    /// Present while it is claimed.
    #[serde(default)]
    pub lease: Option<LeaseId>,
    #[serde(default)]
    pub lease_until: Option<Timestamp>,
    /// When it was last claimed.
    #[serde(default)]
    pub claimed_at: Option<Timestamp>,
    /// The earliest time of the next attempt.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// When the template was sent whose answer the content waits for.
    #[serde(default)]
    pub template_sent_at: Option<Timestamp>,
    /// The message of the latest attempt.
    #[serde(default)]
    pub message_sid: Option<MessageSid>,
    /// Why it has its state.
    #[serde(default)]
    pub reason: Option<String>,
    /// Twilio's code.
    #[serde(default)]
    pub code: Option<ErrorCode>,
    /// The oldest first.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// The item is a `reuse#` item: it only records that the id was used for another notification.
    #[serde(default)]
    pub reuse: bool,
    /// When it last changed its state. The conditions of later writes compare it.
    pub updated_at: Timestamp,
    /// In seconds since 1970.
    pub expires_at: i64,
}

impl fmt::Debug for StoredNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredNotification")
            .field("account_sid", &self.account_sid)
            .field("id", &self.id)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

/// An attempt at a notification.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    pub channel: String,
    /// The state that it left the notification in.
    pub outcome: NotificationState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_sid: Option<MessageSid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Twilio's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("at", &self.at)
            .field("channel", &self.channel)
            .field("outcome", &self.outcome)
            .field("message_sid", &self.message_sid)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl StoredNotification {
    pub fn read(item: Item) -> Result<Self, StoreError> {
        serde_dynamo::from_item(item)
            .map_err(|error| StoreError::new("reading an item of the Notifications table", error))
    }

    /// The id of the event about this state. A notification ends once in a state, and each reuse of its id is an event
    /// too, so the id is unique.
    pub fn event_id(&self) -> String {
        let kind = if self.reuse { self.digest.get(..16).unwrap_or_default() } else { self.state.as_str() };
        format!("{}#{}.{kind}", self.account_sid, self.id)
    }

    /// What the policy needs to know of it.
    pub fn progress(&self) -> NotificationProgress {
        NotificationProgress { route: self.route, template_sent_at: self.template_sent_at, not_before: self.not_before }
    }
}
