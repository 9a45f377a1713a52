//! An item of the Notifications table.

use std::{collections::BTreeMap, fmt};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    address::E164,
    dynamodb::{Item, StoreError},
    error_code::ErrorCode,
    notification::{Category, NotificationId},
    sid::{AccountSid, MessageSid},
};

/// Where a notification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody is at work on it, or was.
    Claimed,
    /// An attempt ended in the certainty that nothing was sent; it may be claimed again.
    Waiting,
    /// Twilio took it. What becomes of it is told by the message's statuses.
    Accepted,
    /// It cannot be sent as it stands.
    Rejected,
    /// Its recipient does not want it.
    Suppressed,
    /// Its time was over.
    Expired,
    /// Whether it was sent is not known, so it is not sent again.
    Unknown,
}

impl State {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Waiting => "waiting",
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
pub struct Lease(String);

impl Lease {
    /// A new claim's.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the table knows a notification by.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// What an attempt, or the decision not to make one, came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Twilio took it as this message.
    Accepted(MessageSid),
    /// It cannot be sent.
    Rejected {
        /// Why, in words that name the field or the rule.
        reason: String,
        /// Twilio's code, where Twilio refused it.
        code: Option<ErrorCode>,
    },
    /// Certainly not sent, to be tried again.
    Waiting {
        /// Twilio's code, where it answered.
        code: Option<ErrorCode>,
    },
    /// The recipient is suppressed.
    Suppressed,
    /// `expires_at` has passed.
    Expired,
    /// Whether it was sent is not known.
    Unknown {
        /// How that came about.
        reason: &'static str,
    },
}

impl Outcome {
    /// The state it leaves the notification in.
    pub fn state(&self) -> State {
        match self {
            Self::Accepted(_) => State::Accepted,
            Self::Rejected { .. } => State::Rejected,
            Self::Waiting { .. } => State::Waiting,
            Self::Suppressed => State::Suppressed,
            Self::Expired => State::Expired,
            Self::Unknown { .. } => State::Unknown,
        }
    }

    /// Why, where there is something to say.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Rejected { reason, .. } => Some(reason),
            Self::Unknown { reason } => Some(reason),
            Self::Suppressed => Some("the recipient has opted out"),
            Self::Expired => Some("expires_at has passed"),
            Self::Accepted(_) | Self::Waiting { .. } => None,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Rejected { code, .. } | Self::Waiting { code } => *code,
            _ => None,
        }
    }

    /// The assignments of an update expression that record the outcome and append it to the attempts.
    pub(super) fn update(&self, now: Timestamp) -> (String, Item) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut attempt = Item::from([
            ("at".to_owned(), text(&now.to_string())),
            ("channel".to_owned(), text("whatsapp")),
            ("outcome".to_owned(), text(self.state().as_str())),
        ]);
        let mut set = "attempts = list_append(if_not_exists(attempts, :none), :attempt)".to_owned();
        let mut values = Item::from([(":none".to_owned(), AttributeValue::L(Vec::new()))]);
        let mut record = |name: &str, value: Option<AttributeValue>| {
            if let Some(value) = value {
                set.extend([", ", name, " = :", name]);
                attempt.insert(name.to_owned(), value.clone());
                values.insert(format!(":{name}"), value);
            }
        };
        let message_sid = if let Self::Accepted(sid) = self { Some(text(sid.as_str())) } else { None };
        record("message_sid", message_sid);
        record("reason", self.reason().map(text));
        record("code", self.code().map(|code| AttributeValue::N(code.to_string())));
        values.insert(":attempt".to_owned(), AttributeValue::L(vec![AttributeValue::M(attempt)]));
        (set, values)
    }
}

/// An item of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoredNotification {
    /// The account.
    pub account_sid: AccountSid,
    /// The id within the account.
    pub id: NotificationId,
    /// Where it stands.
    pub state: State,
    /// A fingerprint of all it says.
    pub digest: String,
    /// The recipient.
    pub recipient: Option<E164>,
    /// The category.
    pub category: Option<Category>,
    /// Handed back in events.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The claim, while there is one.
    pub lease: Option<Lease>,
    /// When the claim ends.
    pub lease_until: Option<Timestamp>,
    /// The message it became.
    pub message_sid: Option<MessageSid>,
    /// Why it ended as it did.
    pub reason: Option<String>,
    /// Twilio's code.
    pub code: Option<ErrorCode>,
    /// What was tried, the oldest first.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// Over which channel.
    pub channel: String,
    /// In what.
    pub outcome: State,
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
}
