//! `wa replay`

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::{
    archive_bucket::{ArchiveBucket, PublishedWithin},
    archived_event::ArchivedEvent,
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

mod cursor;
mod destination;
mod selection;
mod summary;

use cursor::{Cursor, Position};
use destination::{Delivery, Destination, DestinationName};
use selection::{Selection, SelectionArguments};
use summary::Summary;

/// How many events are delivered together: what SQS and EventBridge accept in one request.
const CHUNK: usize = 10;

/// How many event ids are remembered, so that an event in two batches is replayed once. More would only use memory: what
/// comes twice has the same id.
const REMEMBERED: usize = 1_000_000;

#[derive(clap::Args)]
#[command(after_help = "\
Events are read from the archive. Each keeps its event_id, so that a consumer that has processed it ignores it.

--to queue and --to bus give the events to your systems again, on the events queue or the event bus. --to tables records
what people wrote, statuses, opt-outs, opt-ins and consents in the tables again, as their webhooks did: what is recorded already
changes nothing, and what is not is published too.

The cursor that a run prints when it is interrupted continues it, with the same other options.

Example:
  wa replay --since 2d --contact +14155550123 --to queue --dry-run
  wa replay --since 2026-11-20T09:00:00Z --until 2026-11-20T10:00:00Z --to tables")]
pub struct ReplayArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Where the events go
    #[arg(long, value_enum, value_name = "DESTINATION")]
    to: DestinationName,
    /// Events per second, so that the system has room for new ones
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "EVENTS")]
    rate: u32,
    /// Only count the events by type and day, and replay none
    #[arg(long)]
    dry_run: bool,
    /// Continue an interrupted run after this position
    #[arg(long, value_name = "CURSOR")]
    from_cursor: Option<Cursor>,
}

/// What a run did. The fields are those of the JSON output.
#[derive(Debug, Default, Serialize)]
struct ReplayCounts {
    /// That the options select.
    selected: u64,
    /// That the destination accepted or the tables did not have.
    replayed: u64,
    /// That the tables had, or do not hold, or the destination can never accept.
    unchanged: u64,
    refused: u64,
    /// Lines of the archive that are no event.
    unreadable: u64,
}

impl ReplayCounts {
    fn add(&mut self, delivery: Delivery) {
        self.replayed += delivery.replayed;
        self.unchanged += delivery.unchanged;
        self.refused += delivery.refused;
    }
}

pub async fn run(arguments: &ReplayArguments, session: &Session) -> Result<(), CommandError> {
    let now = Timestamp::now();
    let selection = arguments.selection.parse(session, now)?;
    let bucket = ArchiveBucket::of(session).await?;
    let mut keys = bucket.published(PublishedWithin::of_events(selection.since, selection.until)).await?;
    if let Some(cursor) = &arguments.from_cursor {
        cursor.skip(&mut keys)?;
    }
    if arguments.dry_run {
        let summary = summarize(session, &bucket, &keys, &selection).await?;
        return summary.show(session);
    }
    session.announce_change().await?;
    let destination = Destination::of(arguments.to, session, arguments.from_cursor.as_ref()).await?;
    session.terminal.confirm(&format!(
        "Replay the selected events of {} archived batches to the {}? --dry-run counts them.",
        keys.len(),
        arguments.to.noun()
    ))?;
    let mut replay = Replay {
        session,
        bucket: &bucket,
        selection: &selection,
        position: Position::start(destination.run(), arguments.from_cursor.as_ref()),
        destination,
        ticks: ticks(arguments.rate),
        seen: HashSet::new(),
        counts: ReplayCounts::default(),
    };
    replay.objects(&keys).await?;
    replay.show()
}

/// The ticks of the chunks.
fn ticks(rate: u32) -> Interval {
    let chunk = u32::try_from(CHUNK).unwrap_or(u32::MAX);
    let mut ticks = interval(Duration::from_secs(1) * chunk / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn summarize(
    session: &Session,
    bucket: &ArchiveBucket,
    keys: &[String],
    selection: &Selection,
) -> Result<Summary, CommandError> {
    let bar = session.terminal.progress(keys.len(), "Batches read");
    let mut summary = Summary::default();
    let mut seen = HashSet::new();
    for key in keys {
        let batch = bucket.events(key).await?;
        summary.unreadable += batch.unreadable;
        for event in batch.events {
            match ArchivedEvent::read(event) {
                Ok(event) if selection.wants(&event) && remember(&mut seen, &event) => summary.add(&event),
                Ok(_) => {}
                Err(_) => summary.unreadable += 1,
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(summary)
}

/// Whether the event is met for the first time.
fn remember(seen: &mut HashSet<String>, event: &ArchivedEvent) -> bool {
    if seen.len() >= REMEMBERED {
        seen.clear();
    }
    seen.insert(event.event_id.clone())
}

/// A run. It prints where it stopped if it does not come to its end.
struct Replay<'a> {
    session: &'a Session,
    bucket: &'a ArchiveBucket,
    selection: &'a Selection,
    destination: Destination<'a>,
    position: Position,
    ticks: Interval,
    seen: HashSet<String>,
    counts: ReplayCounts,
}

impl Replay<'_> {
    async fn objects(&mut self, keys: &[String]) -> Result<(), CommandError> {
        let bar = self.session.terminal.progress(keys.len(), "Batches replayed");
        for key in keys {
            self.object(key).await?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        self.position.finish();
        Ok(())
    }

    async fn object(&mut self, key: &str) -> Result<(), CommandError> {
        let batch = self.bucket.events(key).await?;
        let done = self.position.lines_done(key);
        let lines = batch.events.len();
        self.counts.unreadable += batch.unreadable as u64;
        let mut chunk = Vec::with_capacity(CHUNK);
        for (line, event) in (1..).zip(batch.events).skip(done) {
            match ArchivedEvent::read(event) {
                Ok(event) if self.selection.wants(&event) && remember(&mut self.seen, &event) => chunk.push(event),
                Ok(_) => {}
                Err(_) => self.counts.unreadable += 1,
            }
            if chunk.len() == CHUNK {
                self.deliver(&mut chunk).await?;
                self.position.move_to(key, line);
            }
        }
        self.deliver(&mut chunk).await?;
        self.position.move_to(key, lines);
        Ok(())
    }

    async fn deliver(&mut self, chunk: &mut Vec<ArchivedEvent>) -> Result<(), CommandError> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.ticks.tick().await;
        self.counts.selected += chunk.len() as u64;
        let delivery = self.destination.deliver(chunk).await?;
        self.counts.add(delivery);
        chunk.clear();
        Ok(())
    }

    fn show(&self) -> Result<(), CommandError> {
        let ReplayCounts { selected, replayed, unchanged, refused, unreadable } = &self.counts;
        if self.session.output.format() == Format::Table {
            self.session.output.line(&format!(
                "{selected} events: {replayed} replayed, {unchanged} unchanged, {refused} refused; {unreadable} lines of \
                 the archive cannot be read."
            ))?;
        } else {
            let columns = ["selected", "replayed", "unchanged", "refused", "unreadable"];
            self.session.output.one(&PropertyTable::new(&columns, [&self.counts])?)?;
        }
        if *refused + *unreadable > 0 {
            return Err(CommandError::answer_is_no("not every event was replayed"));
        }
        Ok(())
    }
}
