//! The published events: the new objects of the archive, which the publish function writes after the queue has accepted the
//! events.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use anyhow::{Context as _, Result};
use aws_sdk_s3::Client;
use aws_types::SdkConfig;
use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::Instant;

use crate::clock::StackClock;

/// How long after the latest change of a table the archive is read for its events.
const EXPECTED_FOR: Duration = Duration::from_mins(2);
/// How much later than an object another object may appear whose key sorts before it: the tables are published concurrently.
const OUT_OF_ORDER: Duration = Duration::from_mins(1);
/// How many objects one call reads at most.
const OBJECTS_PER_CALL: usize = 200;
/// How many objects are read at the same time.
const OBJECTS_AT_ONCE: usize = 16;

/// The archive bucket, whose new objects are read.
#[derive(Debug)]
pub(super) struct EventArchive {
    client: Client,
    bucket: String,
    read: ReadObjects,
    expected_until: Option<Instant>,
    clock: StackClock,
    /// How far the clock was ahead at the last call.
    seconds_ahead: u32,
}

impl EventArchive {
    pub(super) fn new(aws: &SdkConfig, bucket: String, clock: StackClock) -> Self {
        let config = aws_sdk_s3::config::Builder::from(aws).force_path_style(true).build();
        let read = ReadObjects { remembers: clock.shared().is_some(), ..ReadObjects::default() };
        Self { client: Client::from_conf(config), bucket, read, expected_until: None, clock, seconds_ahead: 0 }
    }

    /// Reads the archive from now on: a table changed, so that events may follow.
    pub(super) fn expect_events(&mut self, now: Instant) {
        self.expected_until = Some(now + EXPECTED_FOR);
    }

    /// The events that were archived since the last call, a limited number of objects in each call.
    pub(super) async fn next(&mut self, now: Instant) -> Result<Vec<Value>> {
        if self.expected_until.is_none_or(|until| until < now) {
            return Ok(Vec::new());
        }
        let ahead = self.clock.seconds_ahead();
        if ahead < self.seconds_ahead {
            self.read.begin_again();
        }
        self.seconds_ahead = ahead;
        let list = self.client.list_objects_v2().bucket(&self.bucket).set_start_after(self.read.start_after(now));
        // Every page: on a busy stack the objects of one minute are more than one page has.
        let mut pages = list.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let objects = page.context("cannot list the archive of events")?.contents.unwrap_or_default();
            keys.extend(objects.into_iter().filter_map(|object| object.key));
        }
        let new = self.read.new_ones(keys.into_iter());
        let bodies: Vec<_> =
            stream::iter(new.clone()).map(|key| self.object(key)).buffered(OBJECTS_AT_ONCE).collect().await;
        let mut events = Vec::new();
        for (key, body) in new.into_iter().zip(bodies) {
            match body {
                Ok(body) => events.extend(lines(&body)),
                // The events read so far are returned first, because their objects are not read again; the next call meets
                // the error again.
                Err(_) if !events.is_empty() => break,
                Err(error) => return Err(error),
            }
            self.read.note(key, now);
        }
        Ok(events)
    }

    async fn object(&self, key: String) -> Result<Vec<u8>> {
        let object = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = object.context("cannot read the archive of events")?;
        Ok(object.body.collect().await?.to_vec())
    }
}

fn lines(body: &[u8]) -> impl Iterator<Item = Value> {
    body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

/// The keys of the objects that were read.
#[derive(Debug, Default)]
struct ReadObjects {
    /// No new object appears at or before this key.
    start: Option<String>,
    /// The keys read after it, in the order in which they were read.
    keys: VecDeque<(Instant, String)>,
    known: HashSet<String>,
    /// Whether the keys of all objects are known for ever, so that the archive can be read again from its beginning.
    remembers: bool,
}

impl ReadObjects {
    /// The clock was set back: the keys of new objects, which begin with the date, may be before those that were read.
    fn begin_again(&mut self) {
        self.start = None;
        self.keys.clear();
    }

    /// The key after which new objects may appear.
    fn start_after(&mut self, now: Instant) -> Option<String> {
        while let Some((_, key)) = self.keys.pop_front_if(|(at, _)| now.duration_since(*at) > OUT_OF_ORDER) {
            if !self.remembers {
                self.known.remove(&key);
            }
            self.start = self.start.take().max(Some(key));
        }
        self.start.clone()
    }

    fn new_ones(&self, listed: impl Iterator<Item = String>) -> Vec<String> {
        listed.filter(|key| !self.known.contains(key)).take(OBJECTS_PER_CALL).collect()
    }

    fn note(&mut self, key: String, now: Instant) {
        self.known.insert(key.clone());
        self.keys.push_back((now, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_is_read_once_also_when_late() {
        let begin = Instant::now();
        let mut read = ReadObjects::default();
        let listed = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>().into_iter();
        assert_eq!(read.start_after(begin), None);
        for (now, keys, new) in [(begin, &["1", "3"][..], &["1", "3"][..]), (begin, &["1", "2", "3"], &["2"])] {
            let found = read.new_ones(listed(keys));
            assert_eq!(found, new);
            for key in found {
                read.note(key, now);
            }
        }
        assert_eq!(read.start_after(begin + OUT_OF_ORDER), None);
        assert_eq!(read.start_after(begin + OUT_OF_ORDER * 2), Some("3".to_owned()));
        assert!(read.keys.is_empty() && read.known.is_empty());
    }

    #[test]
    fn object_is_read_once_when_the_clock_was_set_back() {
        let begin = Instant::now();
        let mut read = ReadObjects { remembers: true, ..ReadObjects::default() };
        read.note("day=27/1".to_owned(), begin);
        read.note("day=27/2".to_owned(), begin);
        let later = begin + OUT_OF_ORDER * 2;
        assert_eq!(read.start_after(later), Some("day=27/2".to_owned()));
        read.note("day=27/3".to_owned(), later);
        read.begin_again();
        assert_eq!(read.start_after(later), None);
        let listed = ["day=26/4", "day=27/1", "day=27/2", "day=27/3"].map(str::to_owned);
        assert_eq!(read.new_ones(listed.into_iter()), ["day=26/4"]);
        read.note("day=26/4".to_owned(), later);
        assert_eq!(read.start_after(later + OUT_OF_ORDER * 2), Some("day=26/4".to_owned()));
    }

    #[test]
    fn listed_objects_are_limited_per_call() {
        let listed = (0..=OBJECTS_PER_CALL).map(|number| number.to_string());
        assert_eq!(ReadObjects::default().new_ones(listed).len(), OBJECTS_PER_CALL);
    }

    #[test]
    fn each_json_line_is_an_event() {
        assert_eq!(lines(b"{\"a\":1}\n2\n\n").collect::<Vec<_>>(), [serde_json::json!({"a": 1}), 2.into()]);
    }
}
