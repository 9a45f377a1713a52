//! An attempt to send an option of a notification.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{
    error_code::ErrorCode,
    message_status::MessageStatus,
    sid::{ContentSid, MessageSid},
};

use super::Purpose;
use crate::{notification::FallbackChannel, templates::PassedOver};

/// An attempt to send an option. Attempts are numbered from 0, by their place in [`super::Progress::attempts`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    #[serde(rename = "route")]
    pub option: usize,
    #[serde(default, skip_serializing_if = "is_default")]
    pub purpose: Purpose,
    pub channel: FallbackChannel,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When its result was last recorded.
    pub at: Timestamp,
    #[serde(rename = "outcome")]
    pub result: AttemptResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_sid: Option<MessageSid>,
    /// What names it elsewhere than among Twilio's messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// The furthest final status that led to a step; none as long as the message is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<MessageStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Twilio's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// The template that was chosen for the name in the notification; none if that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_sid: Option<ContentSid>,
    /// The options before this one that could not be sent, because of their templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("option", &self.option)
            .field("channel", &self.channel)
            .field("claimed_at", &self.claimed_at)
            .field("result", &self.result)
            .field("message_sid", &self.message_sid)
            .field("status", &self.status)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// The name of what an attempt became, if it is no message of Twilio's: the `X-Message-Id` of SendGrid, or the SID of an
/// execution of a Studio flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalId(String);

impl ExternalId {
    /// It is stored with each attempt.
    const MAX_CHARS: usize = 200;

    pub fn new(text: &str) -> Self {
        Self(text.chars().filter(|c| !c.is_control()).take(Self::MAX_CHARS).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// Its result is not known yet, or was never known and another option followed.
    Claimed,
    /// Twilio accepted it.
    Accepted,
    /// Twilio accepted it, and reported later that it failed.
    Failed,
    /// Twilio certainly did not accept it, and it is tried again.
    Waiting,
    /// Twilio refused it.
    Rejected,
    /// Twilio refused it, because the person opted out; or it was not sent to an address that gets no e-mail.
    Suppressed,
    /// Its result was never known. It counts as not sent.
    Unknown,
}
