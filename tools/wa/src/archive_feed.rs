//! The events of the archive, in which each batch of events is an object. Reading it takes none from the consumers of the events
//! queue.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use futures::TryStreamExt as _;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    archive_bucket::{ArchiveBucket, PublishedWithin},
    error::CommandError,
    session::Session,
    since::Since,
};

/// Between two list requests, which cost 5 dollars per million.
const PAUSE: Duration = Duration::from_secs(2);
/// How many event ids are remembered, so that an event in two batches is given once.
const REMEMBERED: usize = 100_000;

/// Events as they are archived, each once.
pub struct EventFeed {
    reader: ArchiveReader,
    from: Option<Timestamp>,
    day: Date,
}

impl EventFeed {
    /// Begins at a time, or with what is archived from now on.
    pub async fn start(session: &Session, since: Option<Since>) -> Result<Self, CommandError> {
        let bucket = ArchiveBucket::of(session).await?;
        let now = Timestamp::now();
        let from = since.map(|since| since.at(now));
        let mut reader = ArchiveReader { bucket, seen: BTreeMap::new(), given: HashSet::new() };
        let day = from.unwrap_or(now).to_zoned(TimeZone::UTC).date();
        if from.is_none() {
            // Objects that exist already are not new, even if the clocks differ.
            reader.seen = reader.bucket.listed(day).await?;
        }
        Ok(Self { reader, from, day })
    }

    /// The events that were archived since the last call, by time.
    pub async fn read(&mut self) -> Result<Vec<Value>, CommandError> {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let mut events = self.reader.new_events(self.day, today, self.from).await?;
        events.retain(|event| self.from.is_none_or(|from| happened_at(event).is_none_or(|at| at >= from)));
        // A batch is stored under the day of its first event, which may be yesterday.
        self.day = self.day.max(today.saturating_sub(1.day()));
        Ok(events)
    }

    /// Waits until it is worth reading again. `began` is when the last reading began.
    pub async fn pause(began: Instant) {
        // A day's list may have many pages: reading it may take up half of the time, and no more.
        tokio::time::sleep(PAUSE.max(began.elapsed())).await;
    }
}

/// Reads all batches from the day of a time on, and gives them one after another. An event that was archived twice is given
/// twice.
pub async fn for_each_batch(
    session: &Session,
    from: Timestamp,
    mut visit: impl FnMut(Vec<Value>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let bucket = ArchiveBucket::of(session).await?;
    let within = PublishedWithin::of_events_from(from);
    let [mut day, today] = [from, Timestamp::now()].map(|at| at.to_zoned(TimeZone::UTC).date());
    while day <= today {
        let listed = bucket.listed(day).await?;
        let mut batches = std::pin::pin!(bucket.batches(listed.keys().filter(|key| within.covers(key))));
        while let Some(batch) = batches.try_next().await? {
            visit(batch.events)?;
        }
        day = day.tomorrow().map_err(|error| CommandError::usage(error.to_string()))?;
    }
    Ok(())
}

fn happened_at(event: &Value) -> Option<Timestamp> {
    event.get("occurred_at")?.as_str()?.parse().ok()
}

/// The archive, and what was read of it.
struct ArchiveReader {
    bucket: ArchiveBucket,
    /// The keys of the objects that were read, with their `ETag`s.
    seen: BTreeMap<String, String>,
    given: HashSet<String>,
}

impl ArchiveReader {
    /// The events of these days that were not read before, by time, without the batches that end before `from`.
    async fn new_events(
        &mut self,
        first: Date,
        last: Date,
        from: Option<Timestamp>,
    ) -> Result<Vec<Value>, CommandError> {
        let mut listed = BTreeMap::new();
        let mut day = first;
        while day <= last {
            listed.extend(self.bucket.listed(day).await?);
            day = day.tomorrow().map_err(|error| CommandError::usage(error.to_string()))?;
        }
        let within = from.map(PublishedWithin::of_events_from);
        let is_new = |(key, tag): &(&String, &String)| {
            self.seen.get(*key) != Some(*tag) && within.is_none_or(|within| within.covers(key))
        };
        let new: Vec<_> = listed.iter().filter(is_new).map(|(key, _)| key.clone()).collect();
        let batches: Vec<_> = self.bucket.batches(new.iter()).try_collect().await?;
        let mut events: Vec<_> = batches.into_iter().flat_map(|batch| batch.events).collect();
        self.seen = listed;
        if self.given.len() > REMEMBERED {
            self.given.clear();
        }
        // A batch that was archived again with more events is read again.
        events.retain(|event| {
            let id = event.get("event_id").and_then(Value::as_str).unwrap_or_default();
            self.given.insert(id.to_owned())
        });
        events.sort_by_key(happened_at);
        Ok(events)
    }
}
