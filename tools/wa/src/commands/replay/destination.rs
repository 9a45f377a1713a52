//! Where replayed events go.

use clap::ValueEnum;
use futures::future::try_join_all;
use shared::{
    event_bus::{BusEvent, EventBus},
    queues::{EventMessage, EventsQueue, MessageBody, fifo_id},
};

use super::cursor::{Cursor, new_run};
use crate::{
    archived_event::ArchivedEvent,
    error::CommandError,
    session::Session,
    table_recorder::{Mode, Recorded, TableRecorder},
};

/// As `--to` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DestinationName {
    /// The events queue
    Queue,
    /// The event bus
    Bus,
    /// The tables: what people wrote, statuses, opt-outs, opt-ins and consents
    Tables,
}

impl DestinationName {
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Queue => "events queue",
            Self::Bus => "event bus",
            Self::Tables => "tables",
        }
    }
}

/// What became of some events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) replayed: u64,
    pub(super) unchanged: u64,
    /// That can never be accepted.
    pub(super) refused: u64,
}

pub(super) struct Destination<'a> {
    run: String,
    target: Target<'a>,
}

enum Target<'a> {
    Queue(EventsQueue),
    Bus(EventBus),
    Tables(Box<TableRecorder<'a>>),
}

impl<'a> Destination<'a> {
    /// The destination of a run, which continues another one if there is a cursor.
    pub(super) async fn of(
        name: DestinationName,
        session: &'a Session,
        from: Option<&Cursor>,
    ) -> Result<Self, CommandError> {
        let target = match name {
            DestinationName::Queue => {
                let client = aws_sdk_sqs::Client::new(session.aws().await?);
                Target::Queue(EventsQueue::new(client, session.stack().await?.output("EventsQueueUrl")?.to_owned()))
            }
            DestinationName::Bus => {
                let Some(bus) = session.stack().await?.parameter("EventBusName") else {
                    return Err(CommandError::not_found(
                        "the stack has no event bus: its parameter EventBusName is empty",
                    ));
                };
                Target::Bus(EventBus::new(aws_sdk_eventbridge::Client::new(session.aws().await?), bus.to_owned()))
            }
            DestinationName::Tables => Target::Tables(Box::new(TableRecorder::new(session).await?)),
        };
        Ok(Self { run: from.map_or_else(new_run, |cursor| cursor.run().to_owned()), target })
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Delivers some events. Fails if one of them may be accepted later: all of them come again then.
    pub(super) async fn deliver(&self, events: &[ArchivedEvent]) -> Result<Delivery, CommandError> {
        match &self.target {
            Target::Queue(queue) => {
                let messages: Vec<_> = events.iter().map(|event| message(event, &self.run)).collect();
                let publication = queue.publish(&messages.iter().collect::<Vec<_>>()).await;
                let error = publication.error.map(CommandError::from);
                delivered(publication.decided, publication.refused.len(), error)
            }
            Target::Bus(bus) => {
                let texts: Vec<_> = events.iter().map(|event| event.json.to_string()).collect();
                let entries = events.iter().zip(&texts).map(|(event, json)| BusEvent {
                    schema: &event.schema,
                    occurred_at: event.occurred_at,
                    json,
                });
                let entries: Vec<_> = entries.collect();
                let publication = bus.publish(&entries).await;
                let error = publication
                    .error
                    .map(|error| CommandError::no_answer("the event bus did not accept an event").because(error));
                delivered(publication.decided, publication.refused.len(), error)
            }
            Target::Tables(recorder) => {
                let outcomes = try_join_all(events.iter().map(|event| recorder.record(event, Mode::Write))).await?;
                Ok(outcomes.into_iter().fold(Delivery::default(), Delivery::with))
            }
        }
    }
}

impl Delivery {
    fn with(mut self, recorded: Recorded) -> Self {
        match recorded {
            Recorded::Missing => self.replayed += 1,
            Recorded::Present | Recorded::Nothing => self.unchanged += 1,
            Recorded::Unreadable => self.refused += 1,
        }
        self
    }
}

fn delivered(decided: usize, refused: usize, error: Option<CommandError>) -> Result<Delivery, CommandError> {
    match error {
        Some(error) => Err(error),
        None => Ok(Delivery { replayed: (decided - refused) as u64, unchanged: 0, refused: refused as u64 }),
    }
}

/// The message of an event. The queue drops a repetition by the same run, which was interrupted.
fn message(event: &ArchivedEvent, run: &str) -> EventMessage {
    EventMessage {
        body: MessageBody::json(event.json.to_string()),
        group: fifo_id(&event.group()),
        deduplication_id: fifo_id(&format!("{}.replay.{run}", event.event_id)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn message_of_another_run_is_no_repetition() {
        let event = || {
            ArchivedEvent::read(json!({
                "event_type": "contact_opted_out", "schema": "contact.opted_out.v1", "event_id": "1",
                "account_sid": "AC00000000000000000000000000000001", "occurred_at": "2026-11-20T09:00:00Z",
                "contact": "+14155550123",
            }))
            .unwrap()
        };
        let [one, same, other] = ["run1", "run1", "run2"].map(|run| message(&event(), run));
        assert_eq!(one.deduplication_id, same.deduplication_id);
        assert_ne!(one.deduplication_id, other.deduplication_id);
        assert_eq!(one.group, "AC00000000000000000000000000000001#+14155550123");
        let body: serde_json::Value = serde_json::from_str(one.body.as_str()).unwrap();
        assert_eq!(body["event_id"], "1");
    }
}
