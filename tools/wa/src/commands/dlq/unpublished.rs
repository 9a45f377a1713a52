//! A message of the queue of unpublished records: what was not published as an event, or not archived.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::evidence::{self, EvidenceRecord};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use shared::{evidence::EvidenceBucket, queues::read_note};
use stores::{
    dynamodb::Item,
    republish::{EventTable, Republication, republish},
};

use super::{stream::records, target::RetryOutcome};
use crate::{error::CommandError, redaction::redacted_debug, session::Session};

/// A note of `publish`, or Lambda's message about records that it gave up.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum UnpublishedRecord {
    /// Source: AWS Lambda, "Retain discarded batch records": the message has the position of the records and not the records.
    GivenUp {
        #[serde(rename = "requestContext", default)]
        context: RequestContext,
        #[serde(rename = "DDBStreamBatchInfo")]
        position: StreamPosition,
    },
    /// Published events that the archive did not accept, each a line of this object.
    Unarchived { reason: String, archive_key: String, events: Vec<Value> },
    /// Consents, STOPs and STARTs that the evidence bucket did not accept.
    Unrecorded { reason: String, evidence: Vec<EvidenceRecord> },
    /// An item of which no event was published.
    Item {
        reason: String,
        #[serde(default)]
        table: Option<String>,
        #[serde(default)]
        keys: BTreeMap<String, Key>,
        #[serde(default)]
        event_id: Option<String>,
    },
    /// Something else, with the reason why it cannot be read.
    #[serde(skip)]
    Other(String),
}

redacted_debug!(UnpublishedRecord);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestContext {
    #[serde(default)]
    condition: String,
    #[serde(default)]
    function_arn: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamPosition {
    pub(super) shard_id: String,
    pub(super) start_sequence_number: String,
    pub(super) end_sequence_number: String,
    pub(super) stream_arn: String,
}

/// All keys of the tables are texts.
#[derive(Deserialize)]
pub(super) struct Key {
    #[serde(rename = "S")]
    text: String,
}

impl UnpublishedRecord {
    pub(super) fn read(body: &str) -> Self {
        read_note(body).unwrap_or_else(|unreadable| Self::Other(unreadable.to_string()))
    }

    /// The event's id, or else what names the records.
    pub(super) fn id(&self) -> Option<String> {
        match self {
            Self::GivenUp { position, .. } => Some(format!("{}:{}", position.shard_id, position.start_sequence_number)),
            Self::Unarchived { archive_key, .. } => Some(archive_key.clone()),
            Self::Unrecorded { evidence, .. } => evidence.first().map(|first| first.key.clone()),
            Self::Item { event_id: Some(event_id), .. } => Some(event_id.clone()),
            Self::Item { keys, .. } if !keys.is_empty() => {
                Some(keys.values().rev().map(|key| key.text.as_str()).collect::<Vec<_>>().join(" "))
            }
            Self::Item { .. } | Self::Other(_) => None,
        }
    }

    pub(super) fn table(&self) -> Option<&str> {
        match self {
            Self::GivenUp { position, .. } => table_of_stream(&position.stream_arn),
            Self::Item { table, .. } => table.as_deref(),
            Self::Unarchived { .. } | Self::Unrecorded { .. } | Self::Other(_) => None,
        }
    }

    pub(super) fn reason(&self) -> String {
        match self {
            Self::GivenUp { context: RequestContext { condition, function_arn }, .. } => {
                let function = function_arn.split(":function:").nth(1).unwrap_or("a function");
                format!(
                    "{function} failed at these records of the stream until Lambda gave up ({condition}): its log says why"
                )
            }
            Self::Unarchived { reason, .. } | Self::Unrecorded { reason, .. } | Self::Item { reason, .. } => {
                reason.clone()
            }
            Self::Other(why) => why.clone(),
        }
    }

    /// Brings it to the stream again, or writes it to the archive. The caller deletes the letter afterwards.
    pub(super) async fn retry(&self, session: &Session) -> Result<RetryOutcome, CommandError> {
        let refused = |refusal: &str| Ok(RetryOutcome::Refused(refusal.to_owned()));
        match self {
            Self::Item { table: Some(name), keys, .. } => {
                let Some(table) = event_table(session, name).await? else {
                    return refused("it is of no table of this stack");
                };
                mark(session, table, name, [item(keys)]).await
            }
            Self::GivenUp { position, .. } => {
                let name = table_of_stream(&position.stream_arn).unwrap_or_default();
                let Some(table) = event_table(session, name).await? else {
                    return refused("it is of no table of this stack");
                };
                match records(session, position).await? {
                    keys if keys.is_empty() => {
                        refused("the stream has these records no longer: it keeps them for 24 hours")
                    }
                    keys => mark(session, table, name, keys).await,
                }
            }
            Self::Unarchived { archive_key, .. } if !archive_key.starts_with("events/") => {
                refused("it names no object of the archive")
            }
            Self::Unarchived { archive_key, events, .. } => {
                archive(session, archive_key, events).await?;
                Ok(RetryOutcome::Retried)
            }
            Self::Unrecorded { evidence, .. } if evidence.iter().any(|one| !one.key.starts_with(evidence::PREFIX)) => {
                refused("it names no object of the evidence bucket")
            }
            Self::Unrecorded { evidence, .. } => {
                record(session, evidence).await?;
                Ok(RetryOutcome::Retried)
            }
            Self::Item { table: None, .. } => refused("it names no item"),
            Self::Other(why) => refused(why),
        }
    }
}

/// Marks items to publish them again.
async fn mark(
    session: &Session,
    table: EventTable,
    name: &str,
    keys: impl IntoIterator<Item = Item>,
) -> Result<RetryOutcome, CommandError> {
    let client = session.dynamodb().await?;
    let mut marked = 0;
    for keys in keys {
        if republish(&client, table, name, keys, Timestamp::now()).await? == Republication::Marked {
            marked += 1;
        }
    }
    Ok(match marked {
        0 => RetryOutcome::Refused("the item is not stored any more, or has changed since".to_owned()),
        _ => RetryOutcome::Retried,
    })
}

async fn archive(session: &Session, key: &str, events: &[Value]) -> Result<(), CommandError> {
    let client = aws_sdk_s3::Client::from_conf(shared::aws::s3_config(session.aws().await?).build());
    let bucket = session.stack().await?.output("ArchiveBucketName")?.to_owned();
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let written = shared::archive::Archive::new(client, bucket).put(key, &lines).await;
    written.map_err(|error| CommandError::no_answer("writing events to the archive").because(error))
}

async fn record(session: &Session, evidence: &[EvidenceRecord]) -> Result<(), CommandError> {
    let client = aws_sdk_s3::Client::from_conf(shared::aws::s3_config(session.aws().await?).build());
    let bucket = EvidenceBucket::new(client, session.stack().await?.output("EvidenceBucketName")?.to_owned());
    for record in evidence {
        let written = bucket.put(record).await;
        written.map_err(|error| CommandError::no_answer("writing to the evidence bucket").because(error))?;
    }
    Ok(())
}

/// The stack's table of this name. A note is only a message: it cannot name another table.
async fn event_table(session: &Session, name: &str) -> Result<Option<EventTable>, CommandError> {
    let stack = session.stack().await?;
    let tables = [
        ("MessagesTableName", EventTable::Messages),
        ("ContactsTableName", EventTable::Contacts),
        ("NotificationsTableName", EventTable::Notifications),
    ];
    Ok(tables
        .into_iter()
        .find(|(output, _)| stack.output(output).is_ok_and(|table| table == name))
        .map(|(_, table)| table))
}

fn item(keys: &BTreeMap<String, Key>) -> Item {
    keys.iter().map(|(name, key)| (name.clone(), AttributeValue::S(key.text.clone()))).collect()
}

/// Source: Service Authorization Reference, "Amazon DynamoDB": `...:table/NAME/stream/LABEL`.
fn table_of_stream(arn: &str) -> Option<&str> {
    arn.split('/').nth(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> UnpublishedRecord {
        UnpublishedRecord::read(&body.to_string())
    }

    #[test]
    fn a_note_is_named_by_its_event_or_its_item() {
        let mut note = json!({
            "reason": "too long", "table": "Messages-1", "keys": {"subject": {"S": "AC1#SM1"}, "event": {"S": "inbound"}},
            "stream": "arn", "sequence_number": "1", "event_id": "SM1", "archive_key": "events/1.jsonl",
        });
        let refused = read(&note);
        assert_eq!((refused.id().as_deref(), refused.table()), (Some("SM1"), Some("Messages-1")));
        assert_eq!(refused.reason(), "too long");
        note["event_id"] = Value::Null;
        let unreadable = read(&note);
        assert_eq!(unreadable.id().as_deref(), Some("AC1#SM1 inbound"));
        let UnpublishedRecord::Item { keys, .. } = unreadable else { panic!() };
        assert_eq!(item(&keys)["subject"].as_s().unwrap(), "AC1#SM1");
    }

    #[test]
    fn records_that_lambda_gave_up_are_named_by_their_position() {
        // Source: AWS Lambda, "Retain discarded batch records".
        let given_up = read(&json!({
            "requestContext": {
                "requestId": "316aa6d0", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 1,
                "functionArn": "arn:aws:lambda:us-east-2:123456789012:function:publish",
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0", "timestamp": "2019-11-14T00:13:19.329Z",
            "DDBStreamBatchInfo": {
                "shardId": "shardId-1", "startSequenceNumber": "855680", "endSequenceNumber": "855681", "batchSize": 1,
                "approximateArrivalOfFirstRecord": "2019-11-14T00:13:19Z", "approximateArrivalOfLastRecord": "2019-11-14T00:13:19Z",
                "streamArn": "arn:aws:dynamodb:us-east-2:123456789012:table/Contacts-1/stream/2019-11-14",
            },
        }));
        assert_eq!(given_up.id().as_deref(), Some("shardId-1:855680"));
        assert_eq!(given_up.table(), Some("Contacts-1"));
        assert!(given_up.reason().starts_with("publish failed at these records"), "{}", given_up.reason());
    }

    #[test]
    fn events_that_were_not_archived_are_named_by_their_object() {
        let note = json!({"reason": "the archive", "archive_key": "events/1.jsonl", "events": [{"event_id": "SM1"}]});
        assert_eq!(read(&note).id().as_deref(), Some("events/1.jsonl"));
    }

    #[test]
    fn note_of_a_later_release_is_refused_by_its_version() {
        let note = json!({"format": 2, "reason": "too long", "table": "Messages-1", "keys": {}, "event_id": "SM1"});
        let later = read(&note);
        assert!(later.id().is_none() && later.table().is_none());
        assert!(later.reason().contains("has the format 2"), "{}", later.reason());
    }

    #[test]
    fn another_message_is_shown_as_it_is() {
        for body in ["not JSON", "{}", "[1]"] {
            let other = UnpublishedRecord::read(body);
            assert!(matches!(other, UnpublishedRecord::Other(_)), "{body}");
            assert_eq!(other.id(), None);
        }
    }
}
