//! The archive of events in S3: an object for each batch, under the day of its first event.
//!
//! A batch is named after the time at which its items changed (`publish`, `batch_name`), and a batch that was archived again with
//! more events is the same object. An event may be in two batches.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use futures::{Stream, StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde_json::Value;
use shared::archive;

use crate::{error::CommandError, session::Session};

/// How much later than it happened an event may be published: `reconcile` reads Twilio's list back for 13 days.
const PUBLISHED_WITHIN: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How much later than its first event the last one of a batch may have happened, with clocks that differ.
const BATCH_LASTS: SignedDuration = SignedDuration::from_mins(5);
/// How many objects are read at the same time.
const CONCURRENT_READS: usize = 16;

const READING: &str = "reading the archive";

/// The bucket.
#[derive(Clone)]
pub struct ArchiveBucket {
    client: Client,
    name: String,
}

/// What an object holds.
#[derive(Default)]
pub struct ArchivedBatch {
    pub events: Vec<Value>,
    /// Lines that are no JSON.
    pub unreadable: usize,
}

/// The time in which events were published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedWithin {
    pub first: Timestamp,
    pub last: Timestamp,
}

impl PublishedWithin {
    /// When events may have been published that happened in this time.
    pub fn of_events(since: Timestamp, until: Timestamp) -> Self {
        Self { first: since, last: until.saturating_add(PUBLISHED_WITHIN).unwrap_or(Timestamp::MAX) }
    }

    /// When a batch may have been published that has an event of this time or a later one.
    pub fn of_events_from(since: Timestamp) -> Self {
        let first = since.checked_sub(BATCH_LASTS).unwrap_or(Timestamp::MIN);
        Self { first, last: Timestamp::MAX }
    }

    /// The days under which these batches may be stored.
    fn days(self) -> Option<(Date, Date)> {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        Some((day(self.first.checked_sub(PUBLISHED_WITHIN).ok()?), day(self.last)))
    }

    /// Whether a batch with this key was published in the time.
    pub fn covers(self, key: &str) -> bool {
        // What has another name is read, so that nothing is overlooked.
        published_at(key).is_none_or(|at| (self.first.as_second()..=self.last.as_second()).contains(&at))
    }
}

/// The time in the name of a batch, in whole seconds since 1970.
fn published_at(key: &str) -> Option<i64> {
    let (_, name) = key.rsplit_once('/')?;
    name.split_once('-')?.0.parse().ok()
}

impl ArchiveBucket {
    pub async fn of(session: &Session) -> Result<Self, CommandError> {
        let client = Client::from_conf(shared::aws::s3_config(session.aws().await?).build());
        let name = session.stack().await?.output("ArchiveBucketName")?.to_owned();
        Ok(Self { client, name })
    }

    /// The keys of a day's objects with their `ETag`s.
    pub async fn listed(&self, day: Date) -> Result<BTreeMap<String, String>, CommandError> {
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(archive::prefix(day));
        let mut pages = list.into_paginator().send();
        let mut listed = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| CommandError::of_sdk(READING, error))?;
            let objects = page.contents.unwrap_or_default().into_iter();
            listed.extend(objects.filter_map(|object| Some((object.key?, object.e_tag.unwrap_or_default()))));
        }
        Ok(listed)
    }

    /// The keys of the batches that were published in a time, in the order in which they were.
    pub async fn published(&self, within: PublishedWithin) -> Result<Vec<String>, CommandError> {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let Some((mut day, last)) = within.days() else {
            return Err(CommandError::usage("the archive has no such day"));
        };
        let mut keys = Vec::new();
        while day <= last.min(today) {
            keys.extend(self.listed(day).await?.into_keys().filter(|key| within.covers(key)));
            day = day.tomorrow().map_err(|error| CommandError::usage(error.to_string()))?;
        }
        keys.sort_by(|one, other| (published_at(one), one).cmp(&(published_at(other), other)));
        Ok(keys)
    }

    /// The events of these objects, in their order.
    pub fn batches<'a>(
        &'a self,
        keys: impl Iterator<Item = &'a String>,
    ) -> impl Stream<Item = Result<ArchivedBatch, CommandError>> {
        stream::iter(keys.map(|key| self.events(key)).collect::<Vec<_>>()).buffered(CONCURRENT_READS)
    }

    /// The events of an object.
    pub async fn events(&self, key: &str) -> Result<ArchivedBatch, CommandError> {
        let object = self.client.get_object().bucket(&self.name).key(key).send().await;
        let object = object.map_err(|error| CommandError::of_sdk(READING, error))?;
        let broken_off = |error| CommandError::no_answer(READING).because(error);
        let bytes = object.body.collect().await.map_err(broken_off)?.into_bytes();
        let mut batch = ArchivedBatch::default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(event) => batch.events.push(event),
                Err(_) => batch.unreadable += 1,
            }
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_selected_by_the_time_in_their_names() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let within = PublishedWithin { first: at("2026-11-20T09:00:00.7Z"), last: at("2026-11-20T10:00:00Z") };
        let key = |second: i64| format!("events/year=2026/month=11/day=07/{second:010}-Messages-1-2.jsonl");
        let nine = at("2026-11-20T09:00:00Z").as_second();
        for (key, expected) in [
            (key(nine), true),
            (key(nine - 1), false),
            (key(nine + 3_600), true),
            (key(nine + 3_601), false),
            ("events/year=2026/month=11/day=07/other.jsonl".to_owned(), true),
        ] {
            assert_eq!(within.covers(&key), expected, "{key}");
        }
    }

    #[test]
    fn batches_before_the_events_asked_for_are_not_read() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let within = PublishedWithin::of_events_from(at("2026-11-20T09:00:00Z"));
        let key =
            |time: &str| format!("events/year=2026/month=11/day=20/{:010}-Messages-1-2.jsonl", at(time).as_second());
        assert!(!within.covers(&key("2026-11-20T08:54:59Z")));
        assert!(within.covers(&key("2026-11-20T08:55:00Z")) && within.covers(&key("2026-12-20T09:00:00Z")));
    }

    #[test]
    fn message_that_was_found_late_is_in_the_range() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let within = PublishedWithin::of_events(at("2026-11-20T09:00:00Z"), at("2026-11-20T10:00:00Z"));
        let (first, last) = within.days().unwrap();
        assert_eq!((first.to_string().as_str(), last.to_string().as_str()), ("2026-11-06", "2026-12-04"));
    }
}
