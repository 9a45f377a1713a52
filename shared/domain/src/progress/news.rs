//! What becomes known about an attempt, and what it changes.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use twilio_types::{error_code::ErrorCode, message_status::ReportedStatus, sid::MessageSid};

use super::ExternalId;
use crate::notification::Notification;

/// The answer to the request that creates a message, mostly Twilio's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateAnswer {
    Accepted(MessageSid),
    /// Another service than Twilio's messages accepted it, under this name if it gave one.
    AcceptedElsewhere(Option<ExternalId>),
    /// Twilio refused it with an error that its code explains.
    Refused(CreateFailure),
    /// Twilio did not accept it, for a reason that passes: try again after this time.
    NotDone(CreateFailure, SignedDuration),
}

/// Why Twilio did not create a message.
#[derive(Clone, PartialEq, Eq)]
pub struct CreateFailure {
    pub reason: Option<String>,
    pub code: Option<ErrorCode>,
}

impl fmt::Debug for CreateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateFailure").field("code", &self.code).finish_non_exhaustive()
    }
}

/// A status of a message, from a callback, from Twilio's list, or from a look at one message.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageReport {
    /// The number of the attempt that became the message.
    pub attempt: usize,
    /// None of an e-mail or an execution of a flow.
    pub message_sid: Option<MessageSid>,
    /// A word that is not known says no more than that the message exists.
    pub status: ReportedStatus,
    pub code: Option<ErrorCode>,
    /// Why it failed, if no code says it.
    pub reason: Option<String>,
}

impl fmt::Debug for MessageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReport")
            .field("attempt", &self.attempt)
            .field("message_sid", &self.message_sid)
            .field("status", &self.status)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// What a report or an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it was known, or it says nothing new.
    Nothing,
    /// Something that has to be written, but nothing has to be sent.
    Recorded,
    /// The notification is ready for a step, after this time.
    Ready(SignedDuration),
    /// A second message of one attempt: it was sent twice.
    Duplicate,
}

/// The notification as the transitions need it.
#[derive(Debug, Clone, Copy)]
pub struct Transition<'a> {
    pub notification: &'a Notification,
    /// When the notification expires; none if it does not.
    pub expires_at: Option<Timestamp>,
    pub now: Timestamp,
}
