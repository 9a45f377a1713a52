//! What the deployed system does, told to the sandbox's timeline while the stack is up.
//!
//! The watcher reads and takes nothing away: the streams of the tables ([`streams`]) and the archive of events
//! ([`archive`]), never a queue, and the log of the emulator for webhooks that were refused ([`front_door`]). What an item
//! says in words is in [`messages`], [`contacts`] and [`decisions`], what an event says in [`events`]: pure functions.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use sandbox::{Sandbox, TimelineEvent};
use tokio::time::{Instant, sleep};

use crate::stack::Stack;

mod archive;
mod contacts;
mod decisions;
mod events;
mod front_door;
mod messages;
mod streams;

use archive::Archive;
use front_door::FrontDoor;
use streams::{Change, Table, TableStream};

/// What a person sees at once is what is shown within a second.
const PAUSE: Duration = Duration::from_millis(500);
/// A round that takes long shares its machine with others that have more to do: of all time it gets a fifth.
const SHARE: u32 = 4;
/// And yet it comes back soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Watches a stack and tells the sandbox beside it.
#[derive(Debug)]
pub struct Watch {
    streams: [TableStream; 3],
    archive: Archive,
    front_door: FrontDoor,
    sandbox: Arc<Sandbox>,
}

impl Watch {
    /// Opens all that is read; `log` is the emulator's. What happens from now on is told, and what has happened since the
    /// deployment.
    pub async fn open(stack: &Stack, log: &Path, sandbox: Arc<Sandbox>) -> Result<Self> {
        let aws = stack.aws();
        let outputs = &stack.outputs;
        let open = |table, name| TableStream::open(&aws, table, name);
        Ok(Self {
            streams: [
                open(Table::Messages, &outputs.messages_table_name).await?,
                open(Table::Contacts, &outputs.contacts_table_name).await?,
                open(Table::Notifications, &outputs.notifications_table_name).await?,
            ],
            archive: Archive::new(&aws, outputs.archive_bucket_name.clone()),
            front_door: FrontDoor::new(log),
            sandbox,
        })
    }

    /// Watches until it is dropped. What cannot be read is tried again, and said once.
    pub async fn run(mut self) {
        let mut has_complained = false;
        loop {
            let begin = Instant::now();
            match self.round().await {
                Ok(()) => has_complained = false,
                Err(error) if has_complained => drop(error),
                Err(error) => {
                    eprintln!("What the system does is not shown on the page for now: {error:#}");
                    has_complained = true;
                }
            }
            let took = begin.elapsed();
            sleep((took * SHARE).min(LONGEST_PAUSE).max(PAUSE.saturating_sub(took))).await;
        }
    }

    async fn round(&mut self) -> Result<()> {
        for refused in self.front_door.next().await? {
            self.sandbox.record(front_door::told(&refused));
        }
        let (mut changes, read) = self.changes().await;
        // The tables' changes in the order in which they were made: sequence numbers of one length grow.
        changes.sort_by(|one, other| one.1.sequence_number.cmp(&other.1.sequence_number));
        for happening in changes.iter().filter_map(|(table, change)| told(*table, change)) {
            self.sandbox.record(happening);
        }
        read?;
        for happening in self.archive.next(Instant::now()).await?.iter().filter_map(events::told) {
            self.sandbox.record(happening);
        }
        Ok(())
    }

    /// What could be read, and whether all could: what was read is not brought again.
    async fn changes(&mut self) -> (Vec<(Table, Change)>, Result<()>) {
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

fn told(table: Table, change: &Change) -> Option<TimelineEvent> {
    match table {
        Table::Messages => messages::told(change),
        Table::Contacts => contacts::told(change),
        Table::Notifications => decisions::told(change),
    }
}

/// A SID as a person tells two of them apart: its last digits.
fn short(sid: &str) -> String {
    let (start, end) = (sid.get(..2).unwrap_or(sid), sid.len().saturating_sub(6));
    format!("{start}...{}", sid.get(end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// A change as a stream tells it.
    pub(super) fn change(before: Option<&Value>, now: &Value) -> Change {
        let item = |value: &Value| serde_dynamo::to_item(value).unwrap();
        Change { old: before.map(item), new: item(now), sequence_number: String::new() }
    }

    #[test]
    fn two_sids_are_told_apart_by_their_ends() {
        assert_eq!(short("SM0000000000000000000000000000beef"), "SM...00beef");
        assert_eq!(short(""), "...");
    }
}
