//! What a replay would replay.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use crate::{
    archived_event::ArchivedEvent,
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

/// Counts by day and type.
#[derive(Debug, Default)]
pub(super) struct Summary {
    counts: BTreeMap<(Date, String), Count>,
    pub(super) unreadable: usize,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    events: u64,
    first: Timestamp,
    last: Timestamp,
}

/// The fields are those of the JSON output.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct CountRow {
    day: Date,
    event_type: String,
    events: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Summary {
    pub(super) fn add(&mut self, event: &ArchivedEvent) {
        let at = event.occurred_at;
        let key = (at.to_zoned(TimeZone::UTC).date(), event.event_type.clone());
        let count = self.counts.entry(key).or_insert(Count { events: 0, first: at, last: at });
        count.events += 1;
        (count.first, count.last) = (count.first.min(at), count.last.max(at));
    }

    fn rows(&self) -> Vec<CountRow> {
        let row = |((day, event_type), count): (&(Date, String), &Count)| {
            let Count { events, first, last } = *count;
            CountRow { day: *day, event_type: event_type.clone(), events, first, last }
        };
        self.counts.iter().map(row).collect()
    }

    pub(super) fn show(&self, session: &Session) -> Result<(), CommandError> {
        if self.unreadable > 0 {
            session.terminal.warn(&format!("{} lines of the archive cannot be read", self.unreadable));
        }
        if self.counts.is_empty() && session.output.format() == Format::Table {
            return session.output.line("No event of the archive is selected.");
        }
        let columns = ["day", "event_type", "events", "first", "last"];
        session.output.table(&PropertyTable::new(&columns, self.rows())?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_counted_by_day_and_type() {
        let mut summary = Summary::default();
        for (event_type, at) in [
            ("twilio_inbound", "2026-11-20T23:59:59Z"),
            ("twilio_inbound", "2026-11-20T09:00:00Z"),
            ("twilio_inbound", "2026-11-21T00:00:00Z"),
            ("twilio_status", "2026-11-20T09:00:00Z"),
        ] {
            let event = json!({"event_type": event_type, "schema": "x", "event_id": "1", "occurred_at": at,
                               "account_sid": "AC00000000000000000000000000000001"});
            summary.add(&ArchivedEvent::read(event).unwrap());
        }
        let rows = summary.rows();
        let counted: Vec<_> = rows.iter().map(|row| (row.event_type.as_str(), row.events)).collect();
        assert_eq!(counted, [("twilio_inbound", 2), ("twilio_status", 1), ("twilio_inbound", 1)]);
        assert_eq!(rows[0].first.to_string(), "2026-11-20T09:00:00Z");
        assert_eq!(rows[0].last.to_string(), "2026-11-20T23:59:59Z");
    }
}
