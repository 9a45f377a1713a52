//! The newest entries of the timeline, and how many were forgotten.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::{EntryCause, NewEntry, TimelineEntry};
use crate::capacity;

#[derive(Debug, Default)]
pub(crate) struct TimelineLog {
    entries: VecDeque<TimelineEntry>,
    last_number: u64,
    /// The bytes that the entries need for requests and responses.
    size: usize,
    forgotten: u64,
    /// The numbers of the entries that were changed since the last call of `take_changed`.
    changed: Vec<u64>,
}

/// Entries, the oldest first, and whether older ones are remembered.
#[derive(Debug)]
pub(crate) struct TimelinePage<'a> {
    pub(crate) entries: Vec<&'a TimelineEntry>,
    pub(crate) has_older: bool,
}

impl TimelineLog {
    /// Adds an entry, and gives its number.
    pub(crate) fn add(&mut self, now: Timestamp, new: NewEntry) -> u64 {
        self.last_number += 1;
        let NewEntry { mut event, delivery, reason, exchange, repeat } = new;
        let entry = TimelineEntry {
            number: self.last_number,
            at: event.at.take().unwrap_or(now),
            cause: event.cause.take().unwrap_or_else(|| EntryCause::entry(self.last_number)),
            problem: event.outcome.is_problem(),
            delivery,
            reason,
            exchange,
            event,
            repeat,
        };
        self.size += entry.size();
        self.entries.push_back(entry);
        while self.entries.len() > capacity::ENTRIES || self.size > capacity::EXCHANGE_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.size -= oldest.size();
            self.forgotten += 1;
        }
        self.last_number
    }

    /// The number of the newest entry; 0 where there is none.
    pub(crate) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// How many entries were forgotten because there is no room for them.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The newest entries of those before a number.
    pub(crate) fn page(&self, before: Option<u64>, most: usize) -> TimelinePage<'_> {
        let end = before.map_or(self.entries.len(), |before| self.index(before));
        let begin = end.saturating_sub(most);
        TimelinePage { entries: self.entries.range(begin..end).collect(), has_older: begin > 0 }
    }

    /// The entries after this number, the oldest first.
    pub(crate) fn since(&self, number: u64) -> impl Iterator<Item = &TimelineEntry> {
        self.entries.range(self.index(number.saturating_add(1))..)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&TimelineEntry> {
        self.entries.get(self.index(number)).filter(|entry| entry.number == number)
    }

    /// Sets the reason of the newest entry that has this request id. False where there is none.
    pub(crate) fn explain(&mut self, request_id: &str, reason: &str) -> bool {
        let has_id = |entry: &&mut TimelineEntry| {
            entry.exchange.as_ref().is_some_and(|exchange| exchange.has_request_id(request_id))
        };
        let Some(entry) = self.entries.iter_mut().rev().find(has_id) else { return false };
        if entry.reason.as_deref() != Some(reason) {
            entry.reason = Some(reason.to_owned());
            self.changed.push(entry.number);
        }
        true
    }

    pub(crate) fn take_changed(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.changed)
    }

    /// Removes all entries. The numbers continue, so that a client cannot confuse new entries with old ones.
    pub(crate) fn clear(&mut self) {
        *self = Self { last_number: self.last_number, ..Self::default() };
    }

    /// The index of the first entry with this number or a higher one: the numbers have no gaps.
    fn index(&self, number: u64) -> usize {
        let first = self.entries.front().map_or(number, |entry| entry.number);
        usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX).min(self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exchange::{Exchange, RecordedBody, RecordedRequest, RecordedResponse},
        timeline::{TimelineEvent, TimelineOutcome},
    };

    fn event() -> TimelineEvent {
        TimelineEvent::new("clock", TimelineOutcome::Neutral, "a day passes")
    }

    fn log_of(entries: usize) -> TimelineLog {
        let mut timeline = TimelineLog::default();
        for _ in 0..entries {
            timeline.add(Timestamp::UNIX_EPOCH, event().into());
        }
        timeline
    }

    fn numbers<'a>(entries: impl IntoIterator<Item = &'a TimelineEntry>) -> Vec<u64> {
        entries.into_iter().map(|entry| entry.number).collect()
    }

    fn answered(id: &str, body: &str) -> NewEntry {
        let body = RecordedBody { text: body.to_owned(), is_truncated: false };
        let request = RecordedRequest {
            method: "POST".to_owned(),
            url: "https://a.example".to_owned(),
            headers: Vec::new(),
            body: RecordedBody::default(),
        };
        let headers = vec![("Apigw-Requestid".to_owned(), id.to_owned())];
        let exchange = Exchange {
            request,
            response: Some(RecordedResponse { status: 500, headers, body }),
            began_at: Timestamp::UNIX_EPOCH,
            milliseconds: 1,
            attempts: Vec::new(),
        };
        NewEntry { exchange: Some(exchange), ..event().into() }
    }

    #[test]
    fn newest_entries_are_kept_and_numbered() {
        let most = u64::try_from(capacity::ENTRIES).unwrap();
        let mut timeline = log_of(0);
        assert_eq!(timeline.since(0).count(), 0);
        timeline = log_of(capacity::ENTRIES + 3);
        assert_eq!(numbers(timeline.page(None, 2).entries), [most + 2, most + 3]);
        assert_eq!(numbers(timeline.since(most)), [most + 1, most + 2, most + 3]);
        assert_eq!((timeline.since(0).count(), timeline.forgotten()), (capacity::ENTRIES, 3));
        assert!(timeline.get(3).is_none() && timeline.get(4).is_some());
        timeline.clear();
        assert_eq!((timeline.since(most).count(), timeline.last_number(), timeline.forgotten()), (0, most + 3, 0));
    }

    #[test]
    fn page_has_the_entries_before_a_number() {
        let timeline = log_of(5);
        let page = |before, most| {
            let page = timeline.page(before, most);
            (numbers(page.entries), page.has_older)
        };
        assert_eq!(page(None, 2), (vec![4, 5], true));
        assert_eq!(page(Some(4), 2), (vec![2, 3], true));
        assert_eq!(page(Some(2), 2), (vec![1], false));
        assert_eq!(page(Some(1), 2), (vec![], false));
        assert_eq!(page(Some(99), 9), (vec![1, 2, 3, 4, 5], false));
    }

    #[test]
    fn oldest_entries_are_forgotten_when_their_bodies_need_too_much() {
        let mut timeline = TimelineLog::default();
        let half = "x".repeat(capacity::EXCHANGE_BYTES / 2);
        for _ in 0..3 {
            timeline.add(Timestamp::UNIX_EPOCH, answered("a", &half));
        }
        assert_eq!((numbers(timeline.since(0)), timeline.forgotten()), (vec![2, 3], 1));
    }

    #[test]
    fn reason_is_set_on_the_newest_entry_with_the_request_id() {
        let mut timeline = TimelineLog::default();
        for id in ["a", "b", "a", "b"] {
            timeline.add(Timestamp::UNIX_EPOCH, answered(id, "internal error"));
        }
        assert!(timeline.explain("a", "the table is gone") && !timeline.explain("c", "?"));
        let reasons: Vec<_> = timeline.since(0).map(|entry| entry.reason.as_deref()).collect();
        assert_eq!(reasons, [None, None, Some("the table is gone"), None]);
        assert_eq!(timeline.take_changed(), [3]);
        assert_eq!(timeline.take_changed(), [0; 0]);
    }
}
