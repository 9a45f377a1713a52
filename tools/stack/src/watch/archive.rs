//! The events that went out: the new objects of the archive, which publish writes when the queue has taken them.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use anyhow::{Context as _, Result};
use aws_sdk_s3::Client;
use aws_types::SdkConfig;
use serde_json::Value;
use tokio::time::Instant;

/// How long after the latest change of a table its events are looked for.
const EXPECTED_FOR: Duration = Duration::from_mins(2);
/// How much later than an object another may come whose key is before its own: the tables are published beside each
/// other.
const OUT_OF_ORDER: Duration = Duration::from_mins(1);
/// How many objects are read at once, at the most.
const AT_ONCE: usize = 50;

/// The archive bucket, read as it grows.
#[derive(Debug)]
pub(super) struct Archive {
    client: Client,
    bucket: String,
    read: Read,
    expected_until: Option<Instant>,
}

impl Archive {
    pub(super) fn new(aws: &SdkConfig, bucket: String) -> Self {
        let config = aws_sdk_s3::config::Builder::from(aws).force_path_style(true).build();
        Self { client: Client::from_conf(config), bucket, read: Read::default(), expected_until: None }
    }

    /// Something changed of which there may be events soon.
    pub(super) fn expect_events(&mut self, now: Instant) {
        self.expected_until = Some(now + EXPECTED_FOR);
    }

    /// The events that came since the last call; many of them in several calls.
    pub(super) async fn next(&mut self, now: Instant) -> Result<Vec<Value>> {
        if self.expected_until.is_none_or(|until| until < now) {
            return Ok(Vec::new());
        }
        let list = self.client.list_objects_v2().bucket(&self.bucket).set_start_after(self.read.start_after(now));
        let listed = list.send().await.context("cannot list the archive of events")?;
        let keys = listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        let mut events = Vec::new();
        for key in self.read.new_ones(keys) {
            match self.object(&key).await {
                Ok(body) => events.extend(lines(&body)),
                // What was read is not brought again, so it goes out first.
                Err(_) if !events.is_empty() => break,
                Err(error) => return Err(error),
            }
            self.read.note(key, now);
        }
        Ok(events)
    }

    async fn object(&self, key: &str) -> Result<Vec<u8>> {
        let object = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = object.context("cannot read the archive of events")?;
        Ok(object.body.collect().await?.to_vec())
    }
}

fn lines(body: &[u8]) -> impl Iterator<Item = Value> {
    body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

/// Which objects were read.
#[derive(Debug, Default)]
struct Read {
    /// Nothing new comes at or before this key.
    floor: Option<String>,
    /// Those after it, the first read at the front.
    keys: VecDeque<(Instant, String)>,
    known: HashSet<String>,
}

impl Read {
    /// The key after which there may be new ones.
    fn start_after(&mut self, now: Instant) -> Option<String> {
        while let Some((_, key)) = self.keys.pop_front_if(|(at, _)| now.duration_since(*at) > OUT_OF_ORDER) {
            self.known.remove(&key);
            self.floor = self.floor.take().max(Some(key));
        }
        self.floor.clone()
    }

    fn new_ones(&self, listed: impl Iterator<Item = String>) -> Vec<String> {
        listed.filter(|key| !self.known.contains(key)).take(AT_ONCE).collect()
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
    fn an_object_is_read_once_and_a_late_one_too() {
        let begin = Instant::now();
        let mut read = Read::default();
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
    fn not_all_are_read_at_once() {
        let listed = (0..=AT_ONCE).map(|number| number.to_string());
        assert_eq!(Read::default().new_ones(listed).len(), AT_ONCE);
    }

    #[test]
    fn each_line_is_an_event() {
        assert_eq!(lines(b"{\"a\":1}\n2\n\n").collect::<Vec<_>>(), [serde_json::json!({"a": 1}), 2.into()]);
    }
}
