//! A record of a stream, read.

use std::mem;

use aws_lambda_events::dynamodb::EventRecord;
use serde_dynamo::Item;
use stores::{
    messages::StoredMessage,
    notifications::{NotificationState, StoredNotification},
};

/// What a record tells.
#[derive(Debug)]
pub(crate) enum Change {
    /// Something happened to a message.
    Message(Box<StoredMessage>),
    /// A notification came to a state it was not in before.
    Notification(Box<StoredNotification>),
    /// Nothing to publish: an item that time deleted, or a write that changed no state.
    Nothing,
}

/// Where an operator finds a record.
#[derive(Debug)]
pub(crate) struct RecordLocation {
    /// The stream's ARN, which names its table.
    pub(crate) stream: String,
    /// The place in the stream, which Lambda brings a batch again from.
    pub(crate) sequence_number: String,
    /// The item's keys.
    pub(crate) keys: Item,
}

impl RecordLocation {
    /// Takes it out of a record, which [`Change::read`] does not need it for.
    pub(crate) fn take_from(record: &mut EventRecord) -> Self {
        Self {
            stream: record.event_source_arn.take().unwrap_or_default(),
            sequence_number: record.change.sequence_number.take().unwrap_or_default(),
            keys: mem::take(&mut record.change.keys),
        }
    }

    /// The table's name. Source: Service Authorization Reference, "Amazon DynamoDB": `...:table/NAME/stream/LABEL`.
    pub(crate) fn table(&self) -> Option<&str> {
        self.stream.split('/').nth(1)
    }
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("an item of the {table} table cannot be read")]
pub(crate) struct UnreadableRecord {
    table: &'static str,
    source: serde_dynamo::Error,
}

impl Change {
    pub(crate) fn read(record: EventRecord) -> Result<Self, UnreadableRecord> {
        let (new, old) = (record.change.new_image, record.change.old_image);
        match record.event_name.as_str() {
            // A note of whose a message is has no state.
            "INSERT" | "MODIFY" if new.contains_key("notification") && new.contains_key("state") => {
                Self::notification(new, &old)
            }
            "INSERT" if new.contains_key("message_sid") => serde_dynamo::from_item(new)
                .map(|message| Self::Message(Box::new(message)))
                .map_err(|source| UnreadableRecord { table: "Messages", source }),
            _ => Ok(Self::Nothing),
        }
    }

    fn notification(new: Item, old: &Item) -> Result<Self, UnreadableRecord> {
        let unreadable = |source| UnreadableRecord { table: "Notifications", source };
        let before: Option<NotificationState> =
            old.get("state").cloned().map(serde_dynamo::from_attribute_value).transpose().map_err(unreadable)?;
        let now: StoredNotification = serde_dynamo::from_item(new).map_err(unreadable)?;
        let changed = before != Some(now.state);
        Ok(if changed { Self::Notification(Box::new(now)) } else { Self::Nothing })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(name: &str, new: &serde_json::Value, old: &serde_json::Value) -> EventRecord {
        let record = json!({
            "awsRegion": "eu-west-1", "eventID": "1", "eventName": name,
            "dynamodb": {"Keys": {}, "NewImage": new, "OldImage": old, "SequenceNumber": "1", "SizeBytes": 1}
        });
        serde_json::from_value(record).unwrap()
    }

    fn message() -> serde_json::Value {
        json!({
            "message_sid": {"S": "SM00000000000000000000000000000001"}, "event": {"S": "inbound"},
            "account_sid": {"S": "AC00000000000000000000000000000001"}, "received_at": {"S": "2026-11-20T09:00:00Z"},
            "expires_at": {"N": "1795000000"}, "raw": {"M": {"Body": {"S": "Hi"}, "A": {"L": [{"S": "1"}, {"S": "2"}]}}}
        })
    }

    fn notification(state: &str) -> serde_json::Value {
        json!({
            "notification": {"S": "AC00000000000000000000000000000001#order-1"}, "id": {"S": "order-1"},
            "account_sid": {"S": "AC00000000000000000000000000000001"}, "state": {"S": state}, "digest": {"S": "d"},
            "recipient": {"NULL": true}, "category": {"NULL": true}, "metadata": {"M": {"order": {"S": "1"}}},
            "updated_at": {"S": "2026-11-20T09:00:00Z"}, "expires_at": {"N": "1795000000"}, "code": {"N": "21211"},
            "attempts": {"L": [{"M": {"at": {"S": "2026-11-20T09:00:00Z"}, "channel": {"S": "whatsapp"}, "outcome": {"S": state}}}]}
        })
    }

    #[test]
    fn a_new_item_of_the_messages_table_is_a_message() {
        let Change::Message(message) = Change::read(record("INSERT", &message(), &json!({}))).unwrap() else {
            panic!()
        };
        assert_eq!(message.raw.len(), 2);
    }

    #[test]
    fn a_notification_counts_when_its_state_has_changed() {
        let read =
            |new: &str, old: serde_json::Value| Change::read(record("MODIFY", &notification(new), &old)).unwrap();
        let Change::Notification(found) = read("rejected", notification("claimed")) else { panic!() };
        assert_eq!((found.metadata["order"].as_str(), found.attempts.len()), ("1", 1));
        assert!(matches!(read("claimed", notification("claimed")), Change::Nothing));
        assert!(matches!(read("suppressed", json!({})), Change::Notification(_)));
    }

    #[test]
    fn what_time_deletes_is_no_event() {
        assert!(matches!(Change::read(record("REMOVE", &json!({}), &message())).unwrap(), Change::Nothing));
    }

    #[test]
    fn an_item_that_cannot_be_read_is_an_error_and_not_lost() {
        let mut broken = message();
        broken["event"] = json!({"S": "status#lost"});
        assert!(Change::read(record("INSERT", &broken, &json!({}))).is_err());
    }
}
