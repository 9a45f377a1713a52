//! Shows what the deployed system does on the sandbox's timeline while the stack runs, for each account on its own one.
//!
//! The watcher only reads: the streams of the tables ([`streams`]), the archive of events ([`archive`]), and the emulator's
//! log for refused webhooks ([`front_door`]). It never reads a queue, because it would take messages from their consumer.
//! Pure functions turn items and events into timeline entries: [`messages`], [`contacts`], [`decisions`] and [`events`].

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use sandbox::{Sandbox, TimelineEvent};
use tokio::time::{Instant, sleep};

use crate::{clock::StackClock, stack::Stack};

mod archive;
mod contacts;
mod decisions;
mod events;
mod front_door;
mod messages;
mod received;
mod streams;

use archive::EventArchive;
use front_door::FrontDoor;
use received::ReceivedMessages;
use streams::{ItemChange, TableStream, WatchedTable};

/// A person sees a change as immediate when it is shown within a second.
const PAUSE: Duration = Duration::from_millis(500);
/// After a round the watcher pauses this many times the round's duration, so that it uses a fifth of the time at most and
/// leaves the machine to the functions.
const PAUSE_FACTOR: u32 = 4;
/// The limit of that pause, so that the page stays current.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Watches a stack and records what it does on the timelines of the sandboxes.
#[derive(Debug)]
pub struct Watch {
    streams: [TableStream; 3],
    archive: EventArchive,
    front_door: FrontDoor,
    received: ReceivedMessages,
    /// The clock of the functions, whose times the items and the events have.
    clock: StackClock,
    /// What the system does for an account is shown by its sandbox. The first one also shows what belongs to none of them.
    sandboxes: Vec<Arc<Sandbox>>,
}

impl Watch {
    /// Opens the streams and the archive; `log` is the emulator's log. The timeline begins with the deployment.
    pub async fn open(stack: &Stack, log: &Path, sandboxes: Vec<Arc<Sandbox>>) -> Result<Self> {
        let aws = stack.aws();
        let outputs = &stack.outputs;
        let open = |table, name| TableStream::open(&aws, table, name);
        Ok(Self {
            streams: [
                // Before the messages, so that the message of each change is known, which is written in one transaction.
                open(WatchedTable::Contacts, &outputs.contacts_table_name).await?,
                open(WatchedTable::Messages, &outputs.messages_table_name).await?,
                open(WatchedTable::Notifications, &outputs.notifications_table_name).await?,
            ],
            archive: EventArchive::new(&aws, outputs.archive_bucket_name.clone(), stack.clock.clone()),
            front_door: FrontDoor::new(log),
            received: ReceivedMessages::default(),
            clock: stack.clock.clone(),
            sandboxes,
        })
    }

    /// Watches until it is dropped. A failed read is retried, and reported once.
    pub async fn run(mut self) {
        let mut has_reported = false;
        loop {
            let begin = Instant::now();
            match self.round().await {
                Ok(()) => has_reported = false,
                Err(error) if has_reported => drop(error),
                Err(error) => {
                    eprintln!("The timeline is not updated at the moment; reading is retried: {error:#}");
                    has_reported = true;
                }
            }
            let duration = begin.elapsed();
            sleep((duration * PAUSE_FACTOR).min(LONGEST_PAUSE).max(PAUSE.saturating_sub(duration))).await;
        }
    }

    async fn round(&mut self) -> Result<()> {
        let explain = |id: &str, reason: &str| self.sandboxes.iter().any(|sandbox| sandbox.explain(id, reason));
        for webhook in self.front_door.next(Instant::now(), explain).await? {
            if let Some(sandbox) = self.sandboxes.first() {
                sandbox.record(front_door::timeline_event(&webhook));
            }
        }
        let (mut changes, read) = self.changes().await;
        // The changes of all tables in the order in which they were made: the emulator's sequence numbers have one length
        // and increase.
        changes.sort_by(|one, other| one.1.sequence_number.cmp(&other.1.sequence_number));
        for (_, change) in changes.iter().filter(|(table, _)| *table == WatchedTable::Messages) {
            self.received.note(change);
        }
        for (table, change) in &changes {
            for sandbox in self.sandboxes.iter().filter(|sandbox| change.is_of(&sandbox.account_sid())) {
                self.record(sandbox, timeline_events(*table, change, &self.received));
            }
        }
        read?;
        let events = self.archive.next(Instant::now()).await?;
        for sandbox in &self.sandboxes {
            let account_sid = sandbox.account_sid();
            let of_account = events.iter().filter(|event| event["account_sid"] == account_sid.as_str());
            self.record(sandbox, of_account.filter_map(events::timeline_event));
        }
        Ok(())
    }

    /// Records what the functions did, at the sandbox's time of it.
    fn record(&self, sandbox: &Sandbox, events: impl IntoIterator<Item = TimelineEvent>) {
        let ahead = seconds_ahead(sandbox.now(), Timestamp::try_from(self.clock.now()).unwrap_or_default());
        for mut event in events {
            event.at = event.at.map(|at| at.saturating_add(ahead).unwrap_or(at));
            sandbox.record(event);
        }
    }

    /// The changes that could be read, and the error of the last stream that could not be read. They are returned together,
    /// because a stream does not return a change twice.
    async fn changes(&mut self) -> (Vec<(WatchedTable, ItemChange)>, Result<()>) {
        let (mut changes, mut read) = (Vec::new(), Ok(()));
        for stream in &mut self.streams {
            match stream.next().await {
                Ok(new) => changes.extend(new.into_iter().map(|change| (stream.table, change))),
                Err(error) => read = Err(error),
            }
        }
        if !changes.is_empty() {
            self.archive.expect_events(Instant::now());
        }
        (changes, read)
    }
}

fn timeline_events(table: WatchedTable, change: &ItemChange, received: &ReceivedMessages) -> Vec<TimelineEvent> {
    match table {
        WatchedTable::Messages => messages::timeline_event(change).into_iter().collect(),
        WatchedTable::Contacts => contacts::timeline_events(change, received),
        WatchedTable::Notifications => decisions::timeline_event(change).into_iter().collect(),
    }
}

/// How far one clock is ahead of another one. Clocks are moved by whole seconds, so that the rest is the time between the two
/// looks at them.
fn seconds_ahead(one: Timestamp, other: Timestamp) -> SignedDuration {
    let milliseconds = one.duration_since(other).as_millis() + 500;
    SignedDuration::from_secs(i64::try_from(milliseconds.div_euclid(1_000)).unwrap_or_default())
}

/// The prefix and the last digits of a SID, by which a person distinguishes two of them.
fn short(sid: &str) -> String {
    let (start, end) = (sid.get(..2).unwrap_or(sid), sid.len().saturating_sub(6));
    format!("{start}...{}", sid.get(end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// A change as it is read from a stream.
    pub(super) fn change(before: Option<&Value>, now: &Value) -> ItemChange {
        let item = |value: &Value| serde_dynamo::to_item(value).unwrap();
        ItemChange { old: before.map(item), new: item(now), sequence_number: String::new() }
    }

    #[test]
    fn moved_clock_is_ahead_by_whole_seconds() {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        for (one, other, seconds) in [(1_000, 999, 0), (999, 1_000, 0), (86_400_003, 0, 86_400), (0, 5_001, -5)] {
            assert_eq!(seconds_ahead(at(one), at(other)), SignedDuration::from_secs(seconds), "{one} {other}");
        }
    }

    #[test]
    fn short_sid_has_its_prefix_and_its_last_digits() {
        assert_eq!(short("SM0000000000000000000000000000beef"), "SM...00beef");
        assert_eq!(short(""), "...");
    }
}
