//! The events of the archive, in which each batch of events is an object. Reading it takes none from the consumers of the events
//! queue.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use aws_sdk_s3::Client;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::Value;
use shared::archive;
use tokio::time::Instant;

use crate::{error::CommandError, session::Session, since::Since};

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
        let client = Client::from_conf(shared::aws::s3_config(session.aws().await?).build());
        let bucket = session.stack().await?.output("ArchiveBucketName")?.to_owned();
        let now = Timestamp::now();
        let from = since.map(|since| since.at(now));
        let mut reader = ArchiveReader { client, bucket, seen: BTreeMap::new(), given: HashSet::new() };
        let day = from.unwrap_or(now).to_zoned(TimeZone::UTC).date();
        if from.is_none() {
            // Objects that exist already are not new, even if the clocks differ.
            reader.seen = reader.listed(day).await?;
        }
        Ok(Self { reader, from, day })
    }

    /// The events that were archived since the last call, by time.
    pub async fn read(&mut self) -> Result<Vec<Value>, CommandError> {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let mut events = self.reader.new_events(self.day, today).await?;
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
    let client = Client::from_conf(shared::aws::s3_config(session.aws().await?).build());
    let bucket = session.stack().await?.output("ArchiveBucketName")?.to_owned();
    let reader = ArchiveReader { client, bucket, seen: BTreeMap::new(), given: HashSet::new() };
    let [mut day, today] = [from, Timestamp::now()].map(|at| at.to_zoned(TimeZone::UTC).date());
    while day <= today {
        for key in reader.listed(day).await?.into_keys() {
            visit(reader.events(&key).await?)?;
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
    client: Client,
    bucket: String,
    /// The keys of the objects that were read, with their `ETag`s.
    seen: BTreeMap<String, String>,
    given: HashSet<String>,
}

impl ArchiveReader {
    /// The events of these days that were not read before, by time.
    async fn new_events(&mut self, first: Date, last: Date) -> Result<Vec<Value>, CommandError> {
        let mut listed = BTreeMap::new();
        let mut day = first;
        while day <= last {
            listed.extend(self.listed(day).await?);
            day = day.tomorrow().map_err(|error| CommandError::usage(error.to_string()))?;
        }
        let mut events = Vec::new();
        for key in listed.iter().filter(|(key, tag)| self.seen.get(*key) != Some(tag)).map(|(key, _)| key) {
            events.extend(self.events(key).await?);
        }
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

    async fn listed(&self, day: Date) -> Result<BTreeMap<String, String>, CommandError> {
        let prefix = archive::prefix(day);
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let mut pages = list.into_paginator().send();
        let mut listed = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| CommandError::of_sdk("reading the archive", error))?;
            let objects = page.contents.unwrap_or_default().into_iter();
            listed.extend(objects.filter_map(|object| Some((object.key?, object.e_tag.unwrap_or_default()))));
        }
        Ok(listed)
    }

    async fn events(&self, key: &str) -> Result<Vec<Value>, CommandError> {
        let object = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = object.map_err(|error| CommandError::of_sdk("reading the archive", error))?;
        let broken_off = |error| CommandError::no_answer("reading the archive").because(error);
        let bytes = object.body.collect().await.map_err(broken_off)?.into_bytes();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}
