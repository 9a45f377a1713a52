//! An event as a message of a FIFO queue, and as an entry of the event bus.

use domain::trace_id::TraceId;
use jiff::Timestamp;
use shared::{
    event_bus::BusEvent,
    queues::{EventMessage, MessageBody, fifo_id},
};

use crate::event::Event;

/// An event that is ready for the queue, the bus and the archive.
pub(crate) struct PreparedEvent {
    /// The event's id, which the message has as a hash where SQS does not accept it.
    pub(crate) id: String,
    pub(crate) schema: &'static str,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) occurred_at: Timestamp,
    pub(crate) message: EventMessage,
}

impl PreparedEvent {
    pub(crate) fn of(event: &Event) -> serde_json::Result<Self> {
        let body = MessageBody::json(event.to_json()?);
        Ok(Self {
            id: event.id().to_owned(),
            schema: event.schema(),
            trace_id: event.trace_id().cloned(),
            occurred_at: event.occurred_at(),
            message: EventMessage { body, group: fifo_id(event.group()), deduplication_id: fifo_id(event.id()) },
        })
    }

    pub(crate) fn for_bus(&self) -> BusEvent<'_> {
        BusEvent { schema: self.schema, occurred_at: self.occurred_at, json: self.message.body.as_str() }
    }
}
