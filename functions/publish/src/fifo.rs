//! An event as a message of a FIFO queue, and as an entry of the event bus.

use domain::{digest::sha256_hex, trace_id::TraceId};
use jiff::Timestamp;
use shared::{
    event_bus::BusEvent,
    queues::{EventMessage, MessageBody},
};

use crate::event::Event;

/// Group and deduplication ids. Source: Amazon SQS, "`SendMessage`": 1 to 128 letters, digits and ASCII punctuation.
const MAX_ID_CHARS: usize = 128;

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
            message: EventMessage { body, group: id(event.group()), deduplication_id: id(event.id()) },
        })
    }

    pub(crate) fn for_bus(&self) -> BusEvent<'_> {
        BusEvent { schema: self.schema, occurred_at: self.occurred_at, json: self.message.body.as_str() }
    }
}

/// The text where SQS takes it, and else its hash: equal texts stay equal.
fn id(text: &str) -> String {
    if (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return text.to_owned();
    }
    sha256_hex(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqs_takes_stays_readable_and_the_rest_is_hashed() {
        assert_eq!(id("AC1#+14155550123"), "AC1#+14155550123");
        for odd in ["", "order 1", "bestellung-ä", &"x".repeat(129)] {
            assert_eq!(id(odd).len(), 64, "{odd}");
        }
        assert_ne!(id("order 1"), id("order 2"));
    }
}
