//! What SendGrid reported of the e-mail of an attempt. It is stored beside the status callbacks of other attempts, under the
//! same hash key, so that a consistent read of an attempt's subject shows whether it became a message on any channel.

use std::fmt;

use domain::{
    email::EmailStatus,
    limits::{Retention, expiry},
    notification::NotificationId,
    progress::MessageReport,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twilio_types::sid::AccountSid;

use super::{MessageSubject, Messages, to_item};
use crate::{
    attribute::{text, text_in},
    dynamodb::{Item, StoreError},
};

/// The range key begins with it; the status follows.
const PREFIX: &str = "email#";

/// An item of such an event.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEmailEvent {
    /// `email#delivered`: each status of an attempt is stored once.
    event: String,
    pub account_sid: AccountSid,
    pub notification_id: NotificationId,
    pub attempt: u32,
    pub email_status: EmailStatus,
    /// When it happened, as SendGrid says.
    pub occurred_at: Timestamp,
    pub received_at: Timestamp,
    /// In seconds since 1970.
    pub expires_at: i64,
    /// SendGrid's `sg_message_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_id: Option<String>,
    /// What the receiving server or SendGrid said: free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_answer: Option<String>,
    /// Why it was not delivered, in words that hold no address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl fmt::Debug for StoredEmailEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredEmailEvent")
            .field("account_sid", &self.account_sid)
            .field("notification_id", &self.notification_id)
            .field("attempt", &self.attempt)
            .field("email_status", &self.email_status)
            .finish_non_exhaustive()
    }
}

impl StoredEmailEvent {
    /// An event of an attempt, without what only some events have.
    pub fn new(
        (account_sid, notification_id, attempt): (AccountSid, NotificationId, u32),
        email_status: EmailStatus,
        occurred_at: Timestamp,
        received_at: Timestamp,
        retention: Retention,
    ) -> Self {
        Self {
            event: format!("{PREFIX}{email_status}"),
            account_sid,
            notification_id,
            attempt,
            email_status,
            occurred_at,
            received_at,
            expires_at: expiry(received_at, retention.into()),
            email_id: None,
            server_answer: None,
            reason: None,
        }
    }

    /// The hash key.
    pub fn subject(&self) -> MessageSubject {
        MessageSubject::Attempt(self.account_sid.clone(), self.notification_id.clone(), self.attempt)
    }

    /// Whether an item of the Messages table is such an event.
    pub fn is_in(item: &Item) -> bool {
        text_in(item, "event").is_some_and(|event| event.starts_with(PREFIX))
    }

    /// What it says about its attempt.
    pub fn report(&self) -> MessageReport {
        MessageReport {
            attempt: usize::try_from(self.attempt).unwrap_or(usize::MAX),
            message_sid: None,
            status: self.email_status.message_status().into(),
            code: None,
            reason: self.reason.clone(),
        }
    }
}

/// What became of recording an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailRecordOutcome {
    First,
    Duplicate,
}

impl Messages {
    /// Records an event unless the same status of its attempt is recorded already.
    pub async fn record_email(&self, event: &StoredEmailEvent) -> Result<EmailRecordOutcome, StoreError> {
        let operation = "recording an event of an e-mail in the Messages table";
        let item = to_item(operation, event, &event.subject())?;
        Ok(match self.put_first(operation, item).await? {
            None => EmailRecordOutcome::First,
            Some(_) => EmailRecordOutcome::Duplicate,
        })
    }

    /// Reads an item of such an event.
    pub fn read_email(item: Item) -> Result<StoredEmailEvent, StoreError> {
        super::read("reading an event of an e-mail in the Messages table", item)
    }

    /// All recorded events of the e-mail of an attempt, read consistently.
    pub async fn email_events(&self, attempt: &MessageSubject) -> Result<Vec<StoredEmailEvent>, StoreError> {
        let operation = "reading the events of an e-mail";
        let query = self
            .events_of(attempt)
            .filter_expression("begins_with(#event, :email)")
            .expression_attribute_names("#event", "event")
            .expression_attribute_values(":email", text(PREFIX))
            .consistent_read(true);
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let items = items.map_err(|error| StoreError::of_sdk(operation, error))?;
        items.into_iter().map(Self::read_email).collect()
    }
}

#[cfg(test)]
mod tests {
    use twilio_types::message_status::MessageStatus;

    use super::*;

    #[test]
    fn an_event_is_read_back_from_its_item_and_says_what_happened() {
        let of = ("AC00000000000000000000000000000001".parse().unwrap(), "order-1".to_owned().try_into().unwrap(), 2);
        let at = "2026-11-20T09:00:00Z".parse().unwrap();
        let bounced = StoredEmailEvent {
            server_answer: Some("550 no such user ava@example.com".to_owned()),
            reason: Some("the e-mail bounced".to_owned()),
            ..StoredEmailEvent::new(of, EmailStatus::Bounced, at, at, Retention::default())
        };
        let item = to_item("", &bounced, &bounced.subject()).unwrap();
        assert!(StoredEmailEvent::is_in(&item));
        assert_eq!(text_in(&item, "subject"), Some("AC00000000000000000000000000000001#order-1#2"));
        assert_eq!(Messages::read_email(item).unwrap(), bounced);
        let report = bounced.report();
        assert_eq!((report.attempt, report.status), (2, MessageStatus::Undelivered.into()));
        assert!(!format!("{bounced:?}").contains("ava@"));
    }
}
