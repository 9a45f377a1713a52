//! The Messages table: one item for each thing that happened to a message.

use std::{fmt, str::FromStr};

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
use serde::{Deserialize, Serialize};
use twilio_types::{
    message_status::MessageStatus,
    sid::{AccountSid, MessageSid},
};
use twilio_webhook::{form::RawForm, signature::VerifiedForm};

use crate::{
    attribute::{text, text_in},
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

mod missing;
mod reports;

pub use reports::StatusReport;

/// What happened to a message: the table's range key, `inbound` or `status#delivered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MessageEvent {
    /// It came in.
    Inbound,
    /// Twilio reported its status.
    Status(MessageStatus),
}

/// Not a range key of the Messages table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event of a message: expected inbound, or status# and a message status")]
pub struct UnknownMessageEvent;

impl fmt::Display for MessageEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inbound => f.write_str("inbound"),
            Self::Status(status) => write!(f, "status#{status}"),
        }
    }
}

impl FromStr for MessageEvent {
    type Err = UnknownMessageEvent;

    fn from_str(text: &str) -> Result<Self, UnknownMessageEvent> {
        match text.strip_prefix("status#") {
            Some(status) => status.parse().map(Self::Status).map_err(|_| UnknownMessageEvent),
            None if text == "inbound" => Ok(Self::Inbound),
            None => Err(UnknownMessageEvent),
        }
    }
}

impl TryFrom<String> for MessageEvent {
    type Error = UnknownMessageEvent;

    fn try_from(text: String) -> Result<Self, UnknownMessageEvent> {
        text.parse()
    }
}

impl From<MessageEvent> for String {
    fn from(event: MessageEvent) -> String {
        event.to_string()
    }
}

/// An item of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredMessage {
    /// The message.
    pub message_sid: MessageSid,
    /// What happened to it.
    pub event: MessageEvent,
    /// Whose message it is.
    pub account_sid: AccountSid,
    /// When it reached us.
    pub received_at: Timestamp,
    /// When it may be deleted, in seconds since 1970.
    pub expires_at: i64,
    /// The form as Twilio signed it.
    pub raw: RawForm,
    /// Inbound: the message we answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Inbound: what the message changed the person's preference to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<Preference>,
    /// Inbound: the message has a word for stopping in this language among others, for a person to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_miss: Option<Language>,
    /// Status: the error's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    /// Status: the notification that the callback's URL names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<NotificationId>,
    /// How we came to know of it.
    #[serde(default, skip_serializing_if = "Source::is_webhook")]
    pub source: Source,
}

impl StoredMessage {
    /// The item of an event that a signed form reports, without what follows from it.
    pub(crate) fn new(
        message_sid: &MessageSid,
        account_sid: &AccountSid,
        event: MessageEvent,
        form: &VerifiedForm,
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
            source: arrival.source,
        }
    }
}

/// How we came to know what happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Twilio told us, as it should.
    #[default]
    Webhook,
    /// It was missing, and was found at Twilio.
    Reconcile,
}

impl Source {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_webhook(&self) -> bool {
        *self == Self::Webhook
    }
}

/// When something reached us, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageArrival {
    /// The time that counts: for what was found later, Twilio's.
    pub at: Timestamp,
    /// How.
    pub source: Source,
}

impl MessageArrival {
    /// By webhook, now.
    pub fn webhook(now: Timestamp) -> Self {
        Self { at: now, source: Source::Webhook }
    }
}

/// What became of recording an item.
#[derive(Debug, PartialEq)]
pub enum RecordOutcome {
    /// It is there now.
    First,
    /// It was there before, as given here.
    Duplicate(Box<StoredMessage>),
}

/// The Messages table.
#[derive(Debug, Clone)]
pub struct Messages {
    client: Client,
    table: String,
}

/// The write that stores a webhook is the write that dedupes it: it leaves everything or nothing.
const IS_FIRST: &str = "attribute_not_exists(message_sid)";

impl Messages {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Records what happened, once: one request whether it is the first time or not.
    pub async fn record(&self, message: &StoredMessage) -> Result<RecordOutcome, StoreError> {
        let operation = "recording in the Messages table";
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(operation, message)?))
            .condition_expression(IS_FIRST);
        match conditional(operation, put).await? {
            ConditionalWrite::Written(_) => Ok(RecordOutcome::First),
            ConditionalWrite::Refused(item) => Self::read(item).map(|found| RecordOutcome::Duplicate(Box::new(found))),
        }
    }

    /// The same write as an action of a transaction.
    pub fn recording(&self, message: &StoredMessage) -> Result<TransactWriteItem, StoreError> {
        let operation = "recording in the Messages table";
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(to_item(operation, message)?))
            .condition_expression(IS_FIRST)
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The item that refused a recording.
    pub fn read(item: Item) -> Result<StoredMessage, StoreError> {
        serde_dynamo::from_item(item).map_err(|error| StoreError::new("reading an item of the Messages table", error))
    }

    /// A query for what was reported of a message.
    fn statuses_of(&self, message_sid: &MessageSid) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("message_sid = :sid AND begins_with(event, :status)")
            .expression_attribute_values(":sid", text(message_sid))
            .expression_attribute_values(":status", text("status#"))
    }

    /// Every status that was reported of a message, read consistently: at most 13 small items.
    pub async fn statuses(&self, message_sid: &MessageSid) -> Result<Vec<MessageStatus>, StoreError> {
        let answer = self
            .statuses_of(message_sid)
            .consistent_read(true)
            .projection_expression("event")
            .send()
            .await
            .map_err(|error| StoreError::of_sdk("listing a message's statuses", error))?;
        let status = |item: &Item| match text_in(item, "event")?.parse() {
            Ok(MessageEvent::Status(status)) => Some(status),
            _ => None,
        };
        Ok(answer.items().iter().filter_map(status).collect())
    }

    /// Opens the connection, so that the first message does not wait for its handshake. The error is for the log: the first
    /// real call retries, and says what is wrong.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let key = |name: &str| (name.to_owned(), text("warm"));
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Item::from([key("message_sid"), key("event")])));
        let answer = get.send().await;
        answer.map(drop).map_err(|error| StoreError::of_sdk("opening the connection to DynamoDB", error))
    }
}

fn to_item(operation: &'static str, message: &StoredMessage) -> Result<Item, StoreError> {
    serde_dynamo::to_item(message).map_err(|error| StoreError::new(operation, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::number;
    use twilio_webhook::form::Form;

    #[test]
    fn an_event_is_read_and_written_as_the_range_key() {
        for (event, text) in
            [(MessageEvent::Inbound, "inbound"), (MessageEvent::Status(MessageStatus::Delivered), "status#delivered")]
        {
            assert_eq!(event.to_string(), text);
            assert_eq!(text.parse(), Ok(event));
        }
        assert_eq!("status#lost".parse::<MessageEvent>(), Err(UnknownMessageEvent));
        assert_eq!("".parse::<MessageEvent>(), Err(UnknownMessageEvent));
    }

    #[test]
    fn an_item_keeps_all_of_a_message_and_nothing_that_is_not_there() {
        let message = StoredMessage {
            message_sid: "SM00000000000000000000000000000001".parse().unwrap(),
            event: MessageEvent::Inbound,
            account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
            received_at: "2026-11-20T09:00:00.123Z".parse().unwrap(),
            expires_at: 1_795_000_000,
            raw: Form::parse(b"Body=&A=1&A=2").to_raw(),
            answer: None,
            preference: None,
            near_miss: Some(Language::Portuguese),
            error_code: None,
            notification_id: None,
            source: Source::Webhook,
        };
        let item: Item = to_item("", &message).unwrap();
        assert_eq!(item.get("received_at"), Some(&text("2026-11-20T09:00:00.123Z")));
        assert_eq!(item.get("expires_at"), Some(&number("1795000000")));
        assert!(!item.contains_key("answer") && !item.contains_key("source"));
        assert_eq!(item.get("near_miss"), Some(&text("pt")));
        assert_eq!(Messages::read(item).unwrap(), message);
    }
}
