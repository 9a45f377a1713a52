//! The Messages table: one item for each event of a message.
//!
//! | `subject` | `event` | what the item holds | written by | expires |
//! |---|---|---|---|---|
//! | `AC#SM` | `inbound` | the form of a message to us, our answer, the change of the preference | `inbound`; `reconcile`, if the webhook did not arrive | after the configured retention |
//! | `AC#<notification>#<attempt>` | `SM#<status>` | the form of a status callback of a message of ours: both keys are in the signed callback | `status`; `reconcile`, for a final status | after the configured retention |
//! | `AC#SM` | `status#<status>` | the form of a status callback of another system's message | `status` | after the configured retention |
//! | `AC#SM` | `media#<index>` | what became of a file of a message to us | `store-media` | with its message |
//! | `AC#<notification>#<attempt>` | `email#<status>` | what SendGrid reported of the e-mail of an attempt | `sendgrid-events` | after the configured retention |
//! | `AC#form#<hash>` | `unknown` | a signed form that is neither | `inbound`, `status` | after the configured retention |
//!
//! A form may come to either of the two URLs, so `inbound` and `status` write all of these, and `apply-webhooks` those that they
//! could not write.
//!
//! *Invariant:* the write that stores a webhook is the write that recognises a duplicate: one Put under the condition
//! that the item is not stored yet. No item is written twice, except that an erasure makes a marker of a message
//! ([`crate::personal_data`]).

use std::fmt;

use aws_sdk_dynamodb::{
    Client,
    operation::query::builders::QueryFluentBuilder,
    types::{Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem},
};
use domain::{
    limits::{Retention, expiry},
    notification::NotificationId,
    opt_out_keywords::Language,
    preference::Preference,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use twilio_types::sid::{AccountSid, MessageSid};
use twilio_webhook::{form::RawForm, signature::TrustedForm};

use crate::{
    attribute::text,
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
    format,
};

mod email_event;
mod event;
mod inbound;
mod missing;
mod raw_form;
mod reports;
mod stored_media;
mod unknown_form;

pub use email_event::{EmailRecordOutcome, StoredEmailEvent};
pub use event::{MessageEvent, MessageSubject, UnknownMessageEvent};
pub use reports::StatusReport;
pub use stored_media::{MediaLookup, MediaOutcome, MediaRecord, StoredMedia};
pub use unknown_form::{FormHash, FormOutcome, StoredForm};

/// An item of the table.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredMessage {
    pub message_sid: MessageSid,
    pub event: MessageEvent,
    pub account_sid: AccountSid,
    /// When the webhook arrived; for a message that `reconcile` found, Twilio's time.
    pub received_at: Timestamp,
    /// In seconds since 1970.
    pub expires_at: i64,
    /// The form that Twilio sent.
    pub raw: RawForm,
    /// Inbound: our answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Inbound: the new preference, if the message changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<Preference>,
    /// Inbound: a possible opt-out, because a stop word of this language is among other words. A person should look at
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_miss: Option<Language>,
    /// Status: Twilio's error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    /// Status: the notification that the callback URL names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<NotificationId>,
    /// Status: the attempt that the callback URL names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The names of the parameters that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable_parameters: Vec<String>,
    #[serde(default, skip_serializing_if = "Source::is_webhook")]
    pub source: Source,
}

impl fmt::Debug for StoredMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMessage")
            .field("message_sid", &self.message_sid)
            .field("event", &self.event)
            .field("account_sid", &self.account_sid)
            .field("received_at", &self.received_at)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl StoredMessage {
    /// The hash key.
    pub fn subject(&self) -> MessageSubject {
        match (&self.notification_id, self.attempt) {
            (Some(id), Some(attempt)) => MessageSubject::Attempt(self.account_sid.clone(), id.clone(), attempt),
            _ => MessageSubject::Message(self.account_sid.clone(), self.message_sid.clone()),
        }
    }

    /// An item without the fields that only inbound messages or only statuses have.
    pub(crate) fn new(
        message_sid: &MessageSid,
        account_sid: &AccountSid,
        event: MessageEvent,
        form: TrustedForm<'_>,
        arrival: MessageArrival,
        retention: Retention,
    ) -> Self {
        Self {
            message_sid: message_sid.clone(),
            event,
            account_sid: account_sid.clone(),
            received_at: arrival.at,
            expires_at: expiry(arrival.at, retention.into()),
            raw: form.form().to_raw(),
            answer: None,
            preference: None,
            near_miss: None,
            error_code: None,
            notification_id: None,
            attempt: None,
            unreadable_parameters: Vec::new(),
            source: arrival.source,
        }
    }
}

/// How we learnt of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    #[default]
    Webhook,
    /// The webhook did not arrive, and `reconcile` found the event in Twilio's list of messages.
    Reconcile,
}

impl Source {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_webhook(&self) -> bool {
        *self == Self::Webhook
    }
}

/// When and how we learnt of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageArrival {
    /// The time that counts as the arrival: for a message that `reconcile` found, Twilio's time.
    pub at: Timestamp,
    pub source: Source,
    pub reply: Reply,
}

/// Whether Twilio still waits for our answer, in which a message to the person can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Awaited,
    TooLate,
}

impl MessageArrival {
    /// A webhook that is stored before it is answered.
    pub fn webhook(now: Timestamp) -> Self {
        Self { at: now, source: Source::Webhook, reply: Reply::Awaited }
    }

    /// A webhook that arrived at this time, and was answered before it is stored.
    pub fn answered_webhook(at: Timestamp) -> Self {
        Self { at, source: Source::Webhook, reply: Reply::TooLate }
    }

    /// An event of Twilio's list of messages, with Twilio's time.
    pub fn listed(at: Timestamp) -> Self {
        Self { at, source: Source::Reconcile, reply: Reply::TooLate }
    }
}

/// What became of recording an event.
#[derive(Debug, PartialEq)]
pub enum RecordOutcome {
    First,
    /// It was recorded before, as this item. None if the item has expired.
    Duplicate(Option<Box<StoredMessage>>),
}

impl RecordOutcome {
    /// The outcome of a record that this item refused.
    pub(crate) fn duplicate_of(item: Item) -> Result<Self, StoreError> {
        Messages::read(item).map(|first| Self::Duplicate(Some(Box::new(first))))
    }
}

#[derive(Debug, Clone)]
pub struct Messages {
    pub(crate) client: Client,
    pub(crate) table: String,
}

const IS_FIRST: &str = "attribute_not_exists(subject)";

impl Messages {
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Records an event unless it is recorded already, with one request in both cases.
    pub async fn record(&self, message: &StoredMessage) -> Result<RecordOutcome, StoreError> {
        let operation = "recording in the Messages table";
        match self.put_first(operation, to_item(operation, message, &message.subject())?).await? {
            None => Ok(RecordOutcome::First),
            Some(item) => RecordOutcome::duplicate_of(item),
        }
    }

    /// Writes an item unless one with its keys is stored, which is given then.
    async fn put_first(&self, operation: &'static str, item: Item) -> Result<Option<Item>, StoreError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item)).condition_expression(IS_FIRST);
        match conditional(operation, put).await? {
            ConditionalWrite::Written(_) => Ok(None),
            ConditionalWrite::Refused(item) => Ok(Some(item)),
        }
    }

    /// [`Messages::record`] as an action of a transaction.
    pub fn record_action(&self, message: &StoredMessage) -> Result<TransactWriteItem, StoreError> {
        let operation = "recording in the Messages table";
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(to_item(operation, message, &message.subject())?))
            .condition_expression(IS_FIRST)
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Reads an item, such as the one that refused a record.
    pub fn read(item: Item) -> Result<StoredMessage, StoreError> {
        read("reading an item of the Messages table", item)
    }

    /// The query for the events of a subject.
    fn events_of(&self, subject: &MessageSubject) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("subject = :subject")
            .expression_attribute_values(":subject", text(subject))
    }

    /// Opens the connection at the cold start, so that the first message does not wait for its handshake. The error is
    /// only for the log: the first real call retries, and reports what is wrong.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let key = |name: &str| (name.to_owned(), text("warm"));
        let get =
            self.client.get_item().table_name(&self.table).set_key(Some(Item::from([key("subject"), key("event")])));
        let answer = get.send().await;
        answer.map(drop).map_err(|error| StoreError::of_sdk("opening the connection to DynamoDB", error))
    }
}

fn to_item(operation: &'static str, event: &impl Serialize, subject: &MessageSubject) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(event).map_err(|error| StoreError::new(operation, error))?;
    item.insert("subject".to_owned(), text(subject));
    format::MESSAGE.mark(&mut item);
    raw_form::pack(&mut item);
    Ok(item)
}

fn read<T: DeserializeOwned>(operation: &'static str, mut item: Item) -> Result<T, StoreError> {
    format::MESSAGE.check(operation, &item)?;
    raw_form::unpack(&mut item);
    serde_dynamo::from_item(item).map_err(|error| StoreError::new(operation, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::number;
    use twilio_webhook::form::Form;

    #[test]
    fn an_item_holds_the_present_fields_of_a_message_only() {
        let message = StoredMessage {
            message_sid: "SM00000000000000000000000000000001".parse().unwrap(),
            event: MessageEvent::Inbound,
            account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
            received_at: "2026-11-20T09:00:00.123Z".parse().unwrap(),
            expires_at: 1_795_000_000,
            raw: Form::parse(b"Body=&A=1&A=2&=nameless").to_raw(),
            answer: None,
            preference: None,
            near_miss: Some(Language::Portuguese),
            error_code: None,
            notification_id: None,
            attempt: None,
            unreadable_parameters: vec!["Latitude".to_owned()],
            source: Source::Webhook,
        };
        let item: Item = to_item("", &message, &message.subject()).unwrap();
        assert_eq!(item.get("received_at"), Some(&text("2026-11-20T09:00:00.123Z")));
        assert_eq!(item.get("expires_at"), Some(&number("1795000000")));
        assert!(!item.contains_key("answer") && !item.contains_key("source"));
        assert_eq!(item.get("near_miss"), Some(&text("pt")));
        assert_eq!(Messages::read(item).unwrap(), message);
    }
}
