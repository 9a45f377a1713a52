//! Statuses that Twilio reports of the messages to an erased person.
//!
//! A status callback has the number of the person, and comes when Twilio sends it: `read` may come weeks after the message. It is stored
//! with one conditional write ([`crate::record_status`]), so an erasure leaves a marker at the key of each status that may still
//! come: the callback is a duplicate then, and is not stored. That costs the callbacks of others nothing.

use domain::{
    callback_url::CallbackOrigin,
    limits::{Retention, expiry},
};
use futures::future::try_join_all;
use jiff::Timestamp;
use twilio_types::{
    message_status::MessageStatus,
    sid::{AccountSid, MessageSid},
};

use crate::{
    attribute::{number, text, time},
    dynamodb::{Item, StoreError},
    format,
    messages::{MessageEvent, MessageSubject, Messages},
    personal_data::{ERASED_AT, empty_form},
};

const OPERATION: &str = "marking an erased message in the Messages table";

/// The statuses that a callback of an outbound message reports. Source: Twilio, "Messages resource", "Message Status values".
const REPORTED: [MessageStatus; 11] = [
    MessageStatus::Scheduled,
    MessageStatus::Accepted,
    MessageStatus::Queued,
    MessageStatus::Sending,
    MessageStatus::Sent,
    MessageStatus::PartiallyDelivered,
    MessageStatus::Delivered,
    MessageStatus::Read,
    MessageStatus::Canceled,
    MessageStatus::Undelivered,
    MessageStatus::Failed,
];

/// A message to an erased person, and what its callbacks name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ErasedMessage {
    pub account_sid: AccountSid,
    pub message_sid: MessageSid,
    /// None for a message of another system.
    pub origin: Option<CallbackOrigin>,
}

impl ErasedMessage {
    /// The message of an item that holds a status of it.
    pub fn of_status(item: &Item) -> Option<Self> {
        let stored = Messages::read(item.clone()).ok()?;
        stored.event.status()?;
        let origin = stored.notification_id.zip(stored.attempt);
        Some(Self {
            account_sid: stored.account_sid,
            message_sid: stored.message_sid,
            origin: origin.map(|(notification_id, attempt)| CallbackOrigin { notification_id, attempt }),
        })
    }

    fn marker(&self, status: MessageStatus, now: Timestamp, retention: Retention) -> Item {
        let Self { account_sid, message_sid, origin } = self;
        let event = match origin {
            Some(_) => MessageEvent::AttemptStatus(message_sid.clone(), status.into()),
            None => MessageEvent::Status(status.into()),
        };
        let subject = MessageSubject::of_status(account_sid, message_sid, origin.as_ref());
        let mut marker = Item::from([
            ("subject".to_owned(), text(subject)),
            ("event".to_owned(), text(event)),
            ("message_sid".to_owned(), text(message_sid)),
            ("account_sid".to_owned(), text(account_sid)),
            ("received_at".to_owned(), time(now)),
            ("expires_at".to_owned(), number(expiry(now, retention.into()))),
            ("raw".to_owned(), empty_form()),
            (ERASED_AT.to_owned(), time(now)),
        ]);
        format::MESSAGE.mark(&mut marker);
        marker
    }
}

impl Messages {
    /// Puts a marker in the place of each status of a message, whether or not it was reported. No event follows from it.
    pub async fn refuse_statuses(
        &self,
        message: &ErasedMessage,
        now: Timestamp,
        retention: Retention,
    ) -> Result<(), StoreError> {
        let put = async |status| {
            let marker = message.marker(status, now, retention);
            let put = self.client.put_item().table_name(&self.table).set_item(Some(marker)).send().await;
            put.map(drop).map_err(|error| StoreError::of_sdk(OPERATION, error))
        };
        try_join_all(REPORTED.into_iter().map(put)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::text_in;

    fn message(origin: Option<CallbackOrigin>) -> ErasedMessage {
        ErasedMessage {
            account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
            message_sid: "SM00000000000000000000000000000001".parse().unwrap(),
            origin,
        }
    }

    #[test]
    fn marker_has_the_key_of_the_status_and_can_be_read() {
        let origin = CallbackOrigin { notification_id: "order-1".to_owned().try_into().unwrap(), attempt: 2 };
        let cases = [
            (Some(origin), "#order-1#2", "SM00000000000000000000000000000001#read"),
            (None, "#SM00000000000000000000000000000001", "status#read"),
        ];
        for (origin, subject, event) in cases {
            let message = message(origin);
            let now = "2026-11-20T09:00:00Z".parse().unwrap();
            let marker = message.marker(MessageStatus::Read, now, Retention::default());
            assert_eq!(text_in(&marker, "subject"), Some(format!("{}{subject}", message.account_sid).as_str()));
            assert_eq!(text_in(&marker, "event"), Some(event));
            // A callback that it refuses reads it.
            assert!(Messages::read(marker).unwrap().raw.is_empty());
        }
    }
}
