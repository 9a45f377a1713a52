//! The event bus: Amazon EventBridge, where the rules of other systems find the events. It is optional.
//!
//! EventBridge decides each entry of a request by itself, so a request that succeeds may have entries that were not accepted.
//! These are put again, at first here and then with the record of the stream that they belong to. An event may therefore come
//! twice; it then has the same `event_id`.
//!
//! EventBridge accepts events for a bus that does not exist, and drops them (issue 186 of `aws/aws-sdk`). So the template has a
//! rule on the bus: a bus with a rule exists, and cannot be deleted (Amazon EventBridge API Reference, "`DeleteEventBus`").

use std::{error::Error, time::Duration};

use aws_sdk_eventbridge::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata as _, SdkError},
    operation::put_events::PutEventsError,
    primitives::DateTime,
    types::{PutEventsRequestEntry, PutEventsResultEntry},
};
use jiff::Timestamp;
use stores::fault::AwsFault;

use crate::queues::Publication;

/// The `source` of every event, by which rules tell these events from those of other systems on the same bus.
pub const EVENT_SOURCE: &str = "whatsapp-on-lambda";

/// What EventBridge accepts in one request. Source: Amazon EventBridge API Reference, "`PutEvents`": 10 entries, whose total size
/// is less than 1 MB.
const REQUEST_ENTRIES: usize = 10;
/// The entries of a request together. A MB may be 1,000,000 or 1,048,576 bytes: several entries stay below the smaller number,
/// and an entry that is larger is tried alone.
const REQUEST_BYTES: usize = 1_000_000;
/// No entry of this size is accepted, whichever MB it is.
const ENTRY_BYTES: usize = 1_048_576;
/// What EventBridge counts for the time of an entry. Source: Amazon EventBridge User Guide, "Calculating `PutEvents` event entry
/// size".
const TIME_BYTES: usize = 14;

/// The pauses before entries that were not accepted are put again. EventBridge limits the requests of a second (Amazon
/// EventBridge User Guide, "Quotas"), and a second later more are accepted.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// The event bus.
#[derive(Debug, Clone)]
pub struct EventBus {
    client: Client,
    name: String,
}

/// An event as an entry of the bus.
#[derive(Clone, Copy)]
pub struct BusEvent<'a> {
    /// The name of its schema, which is the `detail-type` of the entry.
    pub schema: &'a str,
    pub occurred_at: Timestamp,
    /// The event as JSON, which is the `detail` of the entry.
    pub json: &'a str,
}

impl BusEvent<'_> {
    /// Source: Amazon EventBridge User Guide, "Calculating `PutEvents` event entry size".
    fn bytes(&self) -> usize {
        EVENT_SOURCE.len() + self.schema.len() + TIME_BYTES + self.json.len()
    }

    fn entry(&self, bus: &str) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(EVENT_SOURCE)
            .detail_type(self.schema)
            .time(DateTime::from_secs(self.occurred_at.as_second()))
            .detail(self.json)
            .build()
    }
}

/// EventBridge did not accept an event that it may accept later.
#[derive(Debug, thiserror::Error)]
#[error("putting events on the event bus failed")]
pub struct EventBusError {
    fault: AwsFault,
    source: Box<dyn Error + Send + Sync>,
}

impl EventBusError {
    /// Who has to act.
    pub fn fault(&self) -> AwsFault {
        self.fault
    }
}

/// What EventBridge said to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// It would be refused at every retry. The reason says nothing of what the event says.
    Refused(String),
    /// It may be accepted later. The code says why it was not.
    Failed(String),
}

impl EventBus {
    /// The bus with this name in the function's account and region.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Puts events on the bus. It passes over an event that EventBridge can never accept, and stops after the request with the
    /// first one that it may accept later. The bus has no order, so that later events of that request may be on it already.
    pub async fn publish(&self, events: &[BusEvent<'_>]) -> Publication<EventBusError> {
        let mut publication = Publication::default();
        for batch in divide(events) {
            match self.put_with_retries(batch).await {
                Ok(verdicts) => add_verdicts(&mut publication, &verdicts),
                Err(error) => publication.error = Some(error),
            }
            if publication.error.is_some() {
                break;
            }
        }
        publication
    }

    /// Gives a verdict for each event. Puts again what was not accepted.
    async fn put_with_retries(&self, batch: &[BusEvent<'_>]) -> Result<Vec<Verdict>, EventBusError> {
        let mut verdicts = self.put(batch).await?;
        for pause in PAUSES {
            let failed = |(index, verdict): (usize, &Verdict)| matches!(verdict, Verdict::Failed(_)).then_some(index);
            let failed: Vec<_> = verdicts.iter().enumerate().filter_map(failed).collect();
            if failed.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
            let again: Vec<_> = failed.iter().filter_map(|index| batch.get(*index).copied()).collect();
            for (index, verdict) in failed.into_iter().zip(self.put(&again).await?) {
                if let Some(earlier) = verdicts.get_mut(index) {
                    *earlier = verdict;
                }
            }
        }
        Ok(verdicts)
    }

    /// Gives a verdict for each event. EventBridge refuses a request as a whole for one of its entries, so these are put one by
    /// one then.
    async fn put(&self, events: &[BusEvent<'_>]) -> Result<Vec<Verdict>, EventBusError> {
        if let [event] = events
            && event.bytes() >= ENTRY_BYTES
        {
            let reason = format!("its entry has {} bytes, and EventBridge accepts less than 1 MB", event.bytes());
            return Ok(vec![Verdict::Refused(reason)]);
        }
        let entries = events.iter().map(|event| event.entry(&self.name)).collect();
        let error = match self.client.put_events().set_entries(Some(entries)).send().await {
            Ok(answer) => return verdicts(events.len(), answer.entries()),
            Err(error) => error,
        };
        match (refusal_of_content(&error), events) {
            (None, _) => Err(EventBusError { fault: AwsFault::of(&error), source: error.into() }),
            (Some(reason), [_]) => Ok(vec![Verdict::Refused(reason)]),
            (Some(_), _) => {
                let mut verdicts = Vec::with_capacity(events.len());
                for event in events {
                    verdicts.extend(Box::pin(self.put(&[*event])).await?);
                }
                Ok(verdicts)
            }
        }
    }
}

/// Divides events into requests that EventBridge accepts, in their order.
fn divide<'a, 'b>(events: &'a [BusEvent<'b>]) -> Vec<&'a [BusEvent<'b>]> {
    let mut requests = Vec::new();
    let mut rest = events;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |event: &&BusEvent<'_>| {
            bytes += event.bytes();
            bytes < REQUEST_BYTES
        };
        let size = rest.iter().take(REQUEST_ENTRIES).take_while(fits).count().max(1);
        let (request, remaining) = rest.split_at(size);
        requests.push(request);
        rest = remaining;
    }
    requests
}

/// Why EventBridge refuses a request for what an entry says, if it does: with status 413 (issue 3411 of `boto/boto3`), or with the
/// code of an invalid request, "Total size of the entries in the request is over the limit" (issue 563 of
/// `awslabs/aws-service-catalog-puppet`).
fn refusal_of_content(error: &SdkError<PutEventsError, HttpResponse>) -> Option<String> {
    let SdkError::ServiceError(service) = error else { return None };
    match service.err().code() {
        Some("ValidationException") => Some("EventBridge refused it with the code ValidationException".to_owned()),
        _ if service.raw().status().as_u16() == 413 => Some("EventBridge refused it with the status 413".to_owned()),
        _ => None,
    }
}

/// The answers to the entries of a request, in the order of the request.
fn verdicts(events: usize, results: &[PutEventsResultEntry]) -> Result<Vec<Verdict>, EventBusError> {
    if results.len() != events {
        let source = format!("EventBridge answered to {} of {events} entries", results.len()).into();
        return Err(EventBusError { fault: AwsFault::Unavailable, source });
    }
    Ok(results.iter().map(verdict).collect())
}

/// Source: Amazon EventBridge API Reference, "`PutEventsResultEntry`". Of the codes that it calls not retryable, two are about
/// what the entry says. The others are about permissions, which an operator corrects.
fn verdict(result: &PutEventsResultEntry) -> Verdict {
    match result.error_code() {
        None => Verdict::Accepted,
        Some(code @ ("MalformedDetail" | "InvalidArgument")) => {
            Verdict::Refused(format!("EventBridge refused it with the code {code}"))
        }
        Some(code) => Verdict::Failed(code.to_owned()),
    }
}

fn add_verdicts(publication: &mut Publication<EventBusError>, verdicts: &[Verdict]) {
    for verdict in verdicts {
        match verdict {
            Verdict::Accepted => {}
            Verdict::Refused(reason) => {
                publication.refused.insert(publication.decided, reason.clone());
            }
            Verdict::Failed(code) => {
                let is_temporary = matches!(code.as_str(), "InternalFailure" | "ThrottlingException");
                publication.error = Some(EventBusError {
                    fault: if is_temporary { AwsFault::Unavailable } else { AwsFault::Denied },
                    source: format!("EventBridge did not accept an event, with the code {code}").into(),
                });
                return;
            }
        }
        publication.decided += 1;
    }
}

#[cfg(test)]
mod tests;
