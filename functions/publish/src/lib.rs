//! The streams of the Messages, Contacts and Notifications tables, made into events: on the events queue and in the archive.
//!
//! - Every event is published at least once. Lambda keeps the order of the changes of one item only, so the opt-outs and
//!   opt-ins of a person come in their order, and all other events of a contact are sorted by their `sequence`.
//! - What follows from a record is done before its event is published ([`events`]): a status is applied to its notification
//!   ([`report`]) and counts for its route ([`route_health`]), an answer wakes waiting notifications ([`wake`]), and a reported
//!   opt-out is recorded ([`opt_out`]), and the files of a message are named on the queue of `store-media` ([`received_media`]).
//!   The sender of a message is learned, so that `reconcile` reads the messages to it.
//! - A record that can never be published does not hold up the others ([`mod@unpublished`]).
//! - If there is an evidence bucket, consents, STOPs and STARTs are stored there too, after the archive ([`evidence`]).
//! - If there is an event bus, each event is put on it too, after the queue and before its record counts as done.
//!
//! Environment: `MESSAGES_TABLE`, `CONTACTS_TABLE`, `NOTIFICATIONS_TABLE`, `RATE_LIMITS_TABLE`, `EVENTS_QUEUE_URL`,
//! `UNPUBLISHED_QUEUE_URL`, `OUTBOUND_QUEUE_URL`, `ARCHIVE_BUCKET`, and optionally `URGENT_QUEUE_URL` and
//! `MARKETING_QUEUE_URL` (the outbound queue), `MEDIA_QUEUE_URL` (no file is stored), `EVENT_BUS_NAME` (no bus), `EVIDENCE_BUCKET` (no evidence),
//! `TENANTS_TABLE`,
//! `TWILIO_ACCOUNT_SID`, and for the accounts that the document in the table does not name `SEND_POLICY`,
//! `MESSAGING_SERVICE_SID`, `OPT_OUT_SCOPE` (`all`, or `sender`) and `STORE_INBOUND_MEDIA` (`true`).

use std::convert::Infallible;

use aws_lambda_events::{
    dynamodb::{Event as StreamEvent, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use futures::future::join_all;
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use shared::{
    archive::{Archive, ArchiveError},
    env, erasure,
    event_bus::EventBus,
    evidence::EvidenceBucket,
    log::{traced, untraced},
    queues::{EventsQueue, LaneQueues, LaneUrls, MediaQueue, Publication, UnpublishedQueue},
    report::Chain,
    start::StartError,
    tenants::TenantCache,
};
use stores::{
    contacts::Contacts, fault::AwsFault, messages::Messages, notifications::Notifications, rate_limits::RateLimits,
    senders::KnownSenders,
};
use tracing::Instrument as _;

mod enqueue;
mod error;
mod event;
mod events;
mod evidence;
mod fifo;
mod opt_out;
mod queued;
mod received_media;
mod record;
mod report;
mod route_health;
mod unarchived;
mod unpublished;
mod wake;

#[cfg(test)]
mod aws_stand_in;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod test_data;

use error::EventError;
use events::EventBuilder;
use evidence::EvidenceWriter;
use fifo::PreparedEvent;
use opt_out::OptOutRecorder;
use queued::QueuedEvents;
use received_media::MediaForwarder;
use record::{Change, RecordLocation};
use report::ReportHandler;
use route_health::RouteWatch;
use unpublished::{Unpublished, settle};
use wake::ReplyHandler;

/// The function.
#[derive(Debug)]
pub struct PublishFunction {
    builder: EventBuilder,
    queue: EventsQueue,
    bus: Option<EventBus>,
    queued: QueuedEvents,
    unpublished: UnpublishedQueue,
    archive: Archive,
    evidence: Option<EvidenceWriter>,
}

/// A record and what is to be published of it.
struct Prepared {
    location: RecordLocation,
    /// The error is one that every retry would end with.
    events: Result<Vec<PreparedEvent>, EventError>,
}

impl Prepared {
    fn events(&self) -> &[PreparedEvent] {
        self.events.as_deref().unwrap_or_default()
    }
}

impl PublishFunction {
    /// Reads the environment and builds the clients.
    pub async fn from_env() -> Result<Self, StartError> {
        let messages_table = env::required("MESSAGES_TABLE")?;
        let contacts_table = env::required("CONTACTS_TABLE")?;
        let notifications_table = env::required("NOTIFICATIONS_TABLE")?;
        let events_queue_url = env::required("EVENTS_QUEUE_URL")?;
        let unpublished_queue_url = env::required("UNPUBLISHED_QUEUE_URL")?;
        let archive_bucket = env::required("ARCHIVE_BUCKET")?;
        let lane_urls = LaneUrls::from_env()?;
        let rate_limits_table = env::required("RATE_LIMITS_TABLE")?;
        let media_queue_url = env::optional("MEDIA_QUEUE_URL");
        let event_bus_name = env::optional("EVENT_BUS_NAME");
        let config = shared::aws::config().await?;
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let sqs = aws_sdk_sqs::Client::new(&config);
        let (tenants, erasure) = tokio::join!(TenantCache::from_env(&dynamodb), erasure::key_from_env(&config));
        let notifications = Notifications::new(dynamodb.clone(), notifications_table)
            .with_retention(env::optional_parsed("MESSAGE_RETENTION_DAYS")?.unwrap_or_default());
        let s3 = shared::aws::s3_config(&config).build();
        let erasure = erasure?;
        let contacts = Contacts::new(dynamodb.clone(), contacts_table, erasure.clone());
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let evidence = env::optional("EVIDENCE_BUCKET")
            .map(|name| EvidenceWriter { bucket: EvidenceBucket::new(s3.clone(), name), erasure });
        let queues = LaneQueues::new(sqs.clone(), lane_urls);
        Ok(Self {
            builder: EventBuilder {
                messages: Messages::new(dynamodb.clone(), messages_table),
                notifications: notifications.clone(),
                senders: KnownSenders::new(dynamodb.clone(), rate_limits_table.clone()),
                replies: ReplyHandler {
                    contacts: contacts.clone(),
                    notifications: notifications.clone(),
                    queues: queues.clone(),
                },
                reports: ReportHandler {
                    notifications,
                    routes: RouteWatch::new(&dynamodb, &rate_limits_table),
                    rate_limits: RateLimits::new(dynamodb, rate_limits_table),
                    queues,
                },
                opt_outs: OptOutRecorder { contacts },
                media: MediaForwarder { queue: media_queue_url.map(|url| MediaQueue::new(sqs.clone(), url)) },
                tenants: tenants?,
            },
            queue: EventsQueue::new(sqs.clone(), events_queue_url),
            bus: event_bus_name.map(|name| EventBus::new(aws_sdk_eventbridge::Client::new(&config), name)),
            queued: QueuedEvents::default(),
            unpublished: UnpublishedQueue::new(sqs, unpublished_queue_url),
            archive: Archive::new(s3, archive_bucket),
            evidence,
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

    /// Gives the sequence number of the first record that is to be tried again.
    async fn publish(&self, records: Vec<EventRecord>) -> Result<(), String> {
        let (prepared, unprepared) = self.prepare(records).await;
        self.builder.reports.routes.write().await;
        let events: Vec<_> = prepared.iter().flat_map(Prepared::events).collect();
        let publication = self.put_on_destinations(&events).await;
        let (done, unpublished) = settle(&prepared, &publication);
        self.keep(prepared.get(..done).unwrap_or_default(), &unpublished).await?;
        tracing::info!(records = done, "published");
        let failed = prepared.get(done).map(|prepared| prepared.location.sequence_number.clone());
        failed.or(unprepared).map_or(Ok(()), Err)
    }

    /// Puts events on the queue, and those that the queue has decided on the bus. Where the bus is out of order, their records
    /// come again, and the events are put on the bus alone.
    async fn put_on_destinations(&self, events: &[&PreparedEvent]) -> Publication {
        let wanted = || events.iter().enumerate().filter(|(_, event)| !self.queued.contains(event));
        let (places, messages): (Vec<_>, Vec<_>) = wanted().map(|(place, event)| (place, &event.message)).unzip();
        let on_queue = self.queue.publish(&messages).await.among(&places, events.len());
        if let Some(error) = &on_queue.error {
            tracing::error!(error = %Chain(error), published = on_queue.decided, "events not published");
        }
        let Some(bus) = &self.bus else { return on_queue };
        let on_bus: Vec<_> = events.iter().take(on_queue.decided).map(|event| event.for_bus()).collect();
        let on_bus = bus.publish(&on_bus).await;
        if let Some(error) = &on_bus.error {
            tracing::error!(
                error = %Chain(error),
                published = on_bus.decided,
                alarm = (error.fault() == AwsFault::Denied).then_some("event_bus"),
                "events not put on the event bus: their records come again"
            );
        }
        let queued = on_queue.decided;
        let accepted_by_queue = |place: &usize| !on_queue.refused.contains_key(place);
        let come_again: Vec<_> = (on_bus.decided..queued).filter(accepted_by_queue).collect();
        let come_again = come_again.iter().filter_map(|place| events.get(*place).copied());
        self.queued.update(events.iter().take(on_bus.decided).copied(), come_again, Timestamp::now());
        on_queue.and(on_bus)
    }

    /// Makes events of the records, up to the first that is to be tried again, whose sequence number comes along.
    async fn prepare(&self, records: Vec<EventRecord>) -> (Vec<Prepared>, Option<String>) {
        let prepare = async |mut record: EventRecord| {
            let location = RecordLocation::take_from(&mut record);
            match self.events(record, &location).await {
                Err(error) if !error.is_permanent() => Err(location.sequence_number),
                events => Ok(Prepared { location, events }),
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

    async fn events(&self, record: EventRecord, location: &RecordLocation) -> Result<Vec<PreparedEvent>, EventError> {
        let change = Change::read(record)?;
        let span = change.trace_id().as_ref().map_or_else(untraced, traced);
        let events = async {
            // Boxed, because there are a hundred of them in a batch.
            let events = Box::pin(self.builder.events(change)).await;
            events.inspect_err(|error| {
                let sequence_number = &location.sequence_number;
                if !error.is_permanent() {
                    tracing::error!(sequence_number, error = %Chain(error), "record not published");
                }
            })
        };
        Ok(events.instrument(span).await?.iter().map(PreparedEvent::of).collect::<Result<_, _>>()?)
    }

    /// Archives the events of records that need no retry, and then notes what can never be published: a note points at
    /// the archive. While the archive bucket accepts nothing, its events are kept on the same queue, and the stream goes on.
    /// Fails with the sequence number of the record that is to be tried again.
    async fn keep(&self, done: &[Prepared], unpublished: &[Unpublished<'_>]) -> Result<(), String> {
        let (archive_key, mut notes) = match self.archive(done).await {
            Ok(archive_key) => (archive_key, Vec::new()),
            Err(error) => {
                tracing::error!(
                    error = %Chain(&error),
                    alarm = "unarchived",
                    "the archive did not accept published events: they are on the queue of unpublished records"
                );
                (None, unarchived::notes(done, unpublished))
            }
        };
        if let Some(evidence) = &self.evidence {
            notes.extend(evidence.write(done).await);
        }
        let first = if notes.is_empty() { unpublished.first().map(|one| one.location) } else { None };
        let first = first.or(done.first().map(|first| &first.location));
        unpublished.iter().for_each(Unpublished::log);
        notes.extend(unpublished.iter().map(|unpublished| unpublished.note(archive_key.as_deref())));
        self.unpublished.put(&notes).await.map_err(|error| {
            tracing::error!(error = %Chain(&error), "notes of unpublished records not written");
            first.map(|location| location.sequence_number.clone()).unwrap_or_default()
        })
    }

    /// Gives the key of the object with the events, if there are any.
    async fn archive(&self, prepared: &[Prepared]) -> Result<Option<String>, ArchiveError> {
        let events: Vec<_> = prepared.iter().flat_map(Prepared::events).collect();
        let (Some(event), Some(batch)) = (events.first(), batch_name(prepared)) else { return Ok(None) };
        let lines: Vec<_> = events.iter().map(|event| event.message.body.as_str()).collect();
        self.archive.append(event.occurred_at, &batch, &lines).await.map(Some)
    }
}

/// The name of these records in the archive: the same for the same records. It begins with the time, so that the objects of
/// all tables sort by it, and a reader finds the new ones behind those that it has read. A sequence number is unique in one stream only,
/// and a batch that Lambda divides has the same first record, but another last one.
fn batch_name(prepared: &[Prepared]) -> Option<String> {
    let (first, last) = (&prepared.first()?.location, &prepared.last()?.location);
    let table = first.table().unwrap_or_default();
    Some(format!("{:010}-{table}-{}-{}", first.changed_at, first.sequence_number, last.sequence_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archived_batches_of_all_tables_sort_by_time() {
        let batch = |changed_at: i64, table: &str| {
            let location = RecordLocation {
                stream: format!("arn:aws:dynamodb:us-east-1:123456789012:table/{table}/stream/1"),
                changed_at,
                sequence_number: "111".to_owned(),
                keys: serde_dynamo::Item::default(),
            };
            batch_name(&[Prepared { location, events: Ok(Vec::new()) }]).unwrap()
        };
        let names = [batch(0, "Messages"), batch(999_999_999, "Notifications"), batch(1_790_000_000, "Messages")];
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(names[2], "1790000000-Messages-111-111");
    }
}
