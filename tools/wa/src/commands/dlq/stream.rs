//! The records at a position of a table's stream.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::{
    Client,
    error::ProvideErrorMetadata as _,
    types::{AttributeValue as StreamValue, Record, ShardIteratorType},
};
use stores::dynamodb::Item;

use super::unpublished::StreamPosition;
use crate::{error::CommandError, session::Session};

const READING: &str = "reading the stream of a table";

/// The keys of the items that these records are about; none if the stream has the records no longer.
pub(super) async fn records(session: &Session, position: &StreamPosition) -> Result<Vec<Item>, CommandError> {
    let client = Client::new(session.aws().await?);
    let get = client
        .get_shard_iterator()
        .stream_arn(&position.stream_arn)
        .shard_id(&position.shard_id)
        .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
        .sequence_number(&position.start_sequence_number);
    let mut iterator = match get.send().await {
        Ok(answer) => answer.shard_iterator,
        // Source: Amazon DynamoDB Streams API Reference, "GetShardIterator".
        Err(error) if matches!(error.code(), Some("TrimmedDataAccessException" | "ResourceNotFoundException")) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(CommandError::of_sdk(READING, error)),
    };
    let mut items = Vec::new();
    while let Some(from) = iterator {
        let answer = client.get_records().shard_iterator(from).send().await;
        let answer = answer.map_err(|error| CommandError::of_sdk(READING, error))?;
        let records = answer.records.unwrap_or_default();
        let is_empty = records.is_empty();
        for record in records {
            if is_after(&record, &position.end_sequence_number) {
                return Ok(items);
            }
            items.extend(keys(record));
        }
        // A shard that is still written to always has a next iterator.
        iterator = if is_empty { None } else { answer.next_shard_iterator };
    }
    Ok(items)
}

/// Sequence numbers are numbers of up to 40 digits, without zeros in front.
fn is_after(record: &Record, end: &str) -> bool {
    let number = record.dynamodb().and_then(|change| change.sequence_number()).unwrap_or_default();
    (number.len(), number) > (end.len(), end)
}

fn keys(record: Record) -> Option<Item> {
    let keys = record.dynamodb?.keys?.into_iter();
    // All keys of the tables are texts.
    keys.map(|(name, value)| match value {
        StreamValue::S(text) => Some((name, AttributeValue::S(text))),
        _ => None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodbstreams::types::StreamRecord;

    use super::*;

    fn record(sequence_number: &str) -> Record {
        let change = StreamRecord::builder().sequence_number(sequence_number);
        Record::builder().dynamodb(change.keys("subject", StreamValue::S("AC1#SM1".to_owned())).build()).build()
    }

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        for (number, is_behind) in [("999", false), ("1000", false), ("1001", true), ("20000", true)] {
            assert_eq!(is_after(&record(number), "1000"), is_behind, "{number}");
        }
    }

    #[test]
    fn keys_of_a_record_are_those_of_its_item() {
        assert_eq!(keys(record("1")).unwrap()["subject"].as_s().unwrap(), "AC1#SM1");
    }
}
