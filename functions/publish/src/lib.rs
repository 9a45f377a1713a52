//! The streams of the Messages and Notifications tables, made into events: on the events queue and in the archive.
//!
//! At least once and in order for each contact. What a record asks for is done before its event is out ([`reactions`]).
//! Environment: `MESSAGES_TABLE`, `CONTACTS_TABLE`, `NOTIFICATIONS_TABLE`, `RATE_LIMITS_TABLE`, `EVENTS_QUEUE_URL`,
//! `OUTBOUND_QUEUE_URL`, `ARCHIVE_BUCKET`, and optionally `SEND_POLICY`.

use std::convert::Infallible;

use aws_lambda_events::{
    dynamodb::{Event as StreamEvent, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use futures::future::join_all;
use lambda_runtime::LambdaEvent;
use shared::{
    archive::Archive,
    contacts::Contacts,
    env::{self, EnvError},
    event::Event,
    messages::Messages,
    notifications::Notifications,
    queues::{EventMessage, EventsQueue, OutboundDoor},
    rate_limits::RateLimits,
    report::Chain,
};

mod events;
mod fifo;
mod reactions;
mod record;

use events::EventBuilder;
use reactions::Reactor;
use record::Change;

/// The function.
#[derive(Debug)]
pub struct Publish {
    builder: EventBuilder,
    queue: EventsQueue,
    archive: Archive,
}

/// A change of a table and what is to be published of it.
struct Prepared {
    sequence_number: String,
    events: Vec<Event>,
}

impl Publish {
    /// Reads the environment and builds the clients.
    pub fn from_env() -> Result<Self, EnvError> {
        let messages_table = env::required("MESSAGES_TABLE")?;
        let contacts_table = env::required("CONTACTS_TABLE")?;
        let notifications_table = env::required("NOTIFICATIONS_TABLE")?;
        let events_queue_url = env::required("EVENTS_QUEUE_URL")?;
        let archive_bucket = env::required("ARCHIVE_BUCKET")?;
        let outbound_queue_url = env::required("OUTBOUND_QUEUE_URL")?;
        let rate_limits_table = env::required("RATE_LIMITS_TABLE")?;
        let policy = env::optional_parsed("SEND_POLICY")?.unwrap_or_default();
        let config = shared::aws::config()?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let sqs = aws_sdk_sqs::Client::new(&config);
        let notifications = Notifications::new(dynamodb.clone(), notifications_table);
        let s3 = shared::aws::s3_config(&config).build();
        Ok(Self {
            builder: EventBuilder {
                messages: Messages::new(dynamodb.clone(), messages_table),
                notifications: notifications.clone(),
                reactor: Reactor {
                    contacts: Contacts::new(dynamodb.clone(), contacts_table),
                    notifications,
                    rate_limits: RateLimits::new(dynamodb, rate_limits_table),
                    outbound: OutboundDoor::new(sqs.clone(), outbound_queue_url),
                    policy,
                },
            },
            queue: EventsQueue::new(sqs, events_queue_url),
            archive: Archive::new(aws_sdk_s3::Client::from_conf(s3), archive_bucket),
        })
    }

    /// Publishes a batch. The first record that fails is reported, and Lambda brings the stream again from there: what
    /// comes before it is done, what comes after it has not been tried.
    pub async fn handle(&self, event: LambdaEvent<StreamEvent>) -> Result<DynamoDbEventResponse, Infallible> {
        let mut response = DynamoDbEventResponse::default();
        if let Err(sequence_number) = self.publish(event.payload.records).await {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(sequence_number);
            response.batch_item_failures.push(failure);
        }
        Ok(response)
    }

    /// Gives the sequence number of the first record that was not published.
    async fn publish(&self, records: Vec<EventRecord>) -> Result<(), String> {
        let (prepared, unprepared) = self.prepare(records).await;
        let published = self.queue_events(&prepared).await;
        let done = published.unwrap_or(prepared.len());
        let archived = prepared.get(..done).unwrap_or_default();
        if let (Some(first), Err(error)) = (archived.first(), self.archive(archived).await) {
            tracing::error!(error = %Chain(&error), "events not archived");
            return Err(first.sequence_number.clone());
        }
        tracing::info!(records = done, "published");
        let failed = prepared.get(done).map(|prepared| prepared.sequence_number.clone());
        failed.or(unprepared).map_or(Ok(()), Err)
    }

    /// Makes events of the records, up to the first that fails, whose sequence number comes along.
    async fn prepare(&self, records: Vec<EventRecord>) -> (Vec<Prepared>, Option<String>) {
        let prepare = async |record: EventRecord| {
            let sequence_number = record.change.sequence_number.clone().unwrap_or_default();
            let events = match Change::read(record) {
                // Boxed, because there are a hundred of them in a batch.
                Ok(change) => Box::pin(self.builder.events(change)).await,
                Err(error) => Err(error.into()),
            };
            match events {
                Ok(events) => Ok(Prepared { sequence_number, events }),
                Err(error) => {
                    tracing::error!(sequence_number, error = %Chain(&error), "record not published");
                    Err(sequence_number)
                }
            }
        };
        let mut prepared = Vec::with_capacity(records.len());
        for result in join_all(records.into_iter().map(prepare)).await {
            match result {
                Ok(record) => prepared.push(record),
                Err(sequence_number) => return (prepared, Some(sequence_number)),
            }
        }
        (prepared, None)
    }

    /// Gives the index of the first record of which not all events were taken.
    async fn queue_events(&self, prepared: &[Prepared]) -> Option<usize> {
        let mut owners = Vec::new();
        let mut messages: Vec<EventMessage> = Vec::new();
        for (index, record) in prepared.iter().enumerate() {
            for event in &record.events {
                let Ok(message) = fifo::message(event) else { return Some(index) };
                owners.push(index);
                messages.push(message);
            }
        }
        let (published, result) = self.queue.publish(&messages).await;
        let error = result.err()?;
        tracing::error!(error = %Chain(&error), published, "events not published");
        owners.get(published).copied()
    }

    async fn archive(&self, prepared: &[Prepared]) -> Result<(), shared::archive::ArchiveError> {
        let events: Vec<&Event> = prepared.iter().flat_map(|record| &record.events).collect();
        match (events.first(), prepared.first()) {
            (Some(first), Some(batch)) => {
                let lines: Vec<String> = events.iter().filter_map(|event| event.to_json().ok()).collect();
                self.archive.append(first.occurred_at(), &batch.sequence_number, &lines).await
            }
            _ => Ok(()),
        }
    }
}
