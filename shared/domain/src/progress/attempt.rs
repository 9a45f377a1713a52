//! An attempt to send an option of a notification.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::{error_code::ErrorCode, message_status::MessageStatus, sid::MessageSid};

use super::Purpose;
use crate::notification::FallbackChannel;

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
    /// The furthest final status that led to a step; none as long as the message is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<MessageStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Twilio's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
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

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// Its result is not known yet.
    Claimed,
    /// Twilio accepted it.
    Accepted,
    /// Twilio accepted it, and reported later that it failed.
    Failed,
    /// Twilio certainly did not accept it, and it is tried again.
    Waiting,
    /// Twilio refused it.
    Rejected,
    /// Twilio refused it, because the person opted out.
    Suppressed,
    /// Its result was never known. It was taken for not sent.
    Unknown,
}
