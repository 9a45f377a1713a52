//! The trace id of a notification or of a message: what all log lines and events about it have in common.
//!
//! It is computed from what every webhook, queue message and stored item says already, so that each function knows it
//! without a read, and an operator can compute it from an id. It has the form of a W3C trace id, with which tools for logs
//! and traces can search (W3C, "Trace Context", section 3.2.2.3).

use std::fmt;

use serde::Serialize;
use twilio_types::sid::{AccountSid, MessageSid};

use crate::{digest::sha256_hex, notification::NotificationId};

/// 16 bytes as hexadecimal digits.
const DIGITS: usize = 32;

/// A trace id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TraceId(String);

impl TraceId {
    /// All that happens to a notification: its queue messages, its attempts, their status callbacks and events.
    pub fn of_notification(account_sid: &AccountSid, id: &NotificationId) -> Self {
        Self::of_subject("notification", account_sid, id.as_str())
    }

    /// All that happens to a message that no notification of ours became: one from a person, or of another system.
    pub fn of_message(account_sid: &AccountSid, message_sid: &MessageSid) -> Self {
        Self::of_subject("message", account_sid, message_sid.as_str())
    }

    /// What a status callback is about: the notification that its URL names, or else its message.
    pub fn of_callback(
        account_sid: &AccountSid,
        message_sid: &MessageSid,
        notification_id: Option<&NotificationId>,
    ) -> Self {
        notification_id
            .map_or_else(|| Self::of_message(account_sid, message_sid), |id| Self::of_notification(account_sid, id))
    }

    /// The kind keeps a notification apart whose id has the form of a message SID.
    fn of_subject(kind: &str, account_sid: &AccountSid, id: &str) -> Self {
        let mut digest = sha256_hex(format!("{kind}#{account_sid}#{id}").as_bytes());
        digest.truncate(DIGITS);
        Self(digest)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountSid {
        "AC00000000000000000000000000000001".parse().unwrap()
    }

    fn id(text: &str) -> NotificationId {
        NotificationId::try_from(text.to_owned()).unwrap()
    }

    fn message() -> MessageSid {
        "SM00000000000000000000000000000001".parse().unwrap()
    }

    /// The command in docs/observability.md computes the same.
    #[test]
    fn trace_id_is_the_documented_digest() {
        let trace_id = TraceId::of_notification(&account(), &id("order-18473-shipped"));
        assert_eq!(trace_id.to_string(), "167781a7c968edff5c72643e85bbd202");
        assert!(trace_id.to_string().bytes().all(|byte| b"0123456789abcdef".contains(&byte)));
    }

    #[test]
    fn callback_has_the_trace_id_of_its_notification() {
        let id = id("order-1");
        let of_callback = |id| TraceId::of_callback(&account(), &message(), id);
        assert_eq!(of_callback(Some(&id)), TraceId::of_notification(&account(), &id));
        assert_eq!(of_callback(None), TraceId::of_message(&account(), &message()));
    }

    #[test]
    fn notification_with_the_id_of_a_message_has_another_trace_id() {
        let of_notification = TraceId::of_notification(&account(), &id(message().as_str()));
        assert_ne!(of_notification, TraceId::of_message(&account(), &message()));
    }

    #[test]
    fn same_id_of_another_account_has_another_trace_id() {
        let other = "AC00000000000000000000000000000002".parse().unwrap();
        assert_ne!(TraceId::of_message(&account(), &message()), TraceId::of_message(&other, &message()));
    }
}
