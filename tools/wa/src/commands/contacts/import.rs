//! `wa contacts import`

use std::{fmt, path::PathBuf, time::Duration};

use domain::preference::{Preference, PreferenceEffect, RecordedPreference};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use stores::{contacts::Contacts, dynamodb::StoreError};
use tokio::time::{MissedTickBehavior, interval};
use twilio_types::sid::AccountSid;

use crate::{
    commands::consent::recorded_by,
    contact_file::{self, ContactChange, ContactEntry},
    error::CommandError,
    output::{Format, PropertyTable},
    people::{ConsentWrite, record_consent, record_preference},
    session::Session,
    signing::read,
};

/// How many invalid lines are listed.
const MAX_LISTED: usize = 20;
/// Enough to keep a connection to another continent busy at the rate.
const CONCURRENT_WRITES: usize = 16;

#[derive(clap::Args)]
#[command(after_help = "\
Columns: address, action (suppress, unsuppress, consent or withdraw) and at are required, and for consent and withdraw
category, source and text too. Others: scope (all, marketing, a sender), reason, message_sid, text_version, locale, ip,
user_agent.
Commas, semicolons or tabs are between the columns, with or without a byte order mark, as spreadsheets write them. A ' before
= + - or @ is removed, which `wa contacts export` puts there.
The whole file is checked before anything is written. The newest preference wins, in whatever order they are written, so a
file that is imported again, also after an interruption, changes nothing twice.

Example:
  wa contacts import stops.csv")]
pub struct ImportArguments {
    /// A CSV file with a header; - is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Lines per second, so that the table has room for its other users
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "LINES")]
    rate: u32,
    /// Only check the file, and say what it would write; neither AWS nor Twilio is called
    #[arg(long)]
    dry_run: bool,
}

/// What a file has. The fields are those of the JSON output.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct FileContents {
    lines: usize,
    suppressions: usize,
    ends_of_suppressions: usize,
    consents: usize,
}

/// How many lines were written. The fields are those of the JSON output.
#[derive(Debug, Default, Serialize)]
struct ImportCounts {
    lines: u64,
    written: u64,
    unchanged: u64,
}

/// Checks the file, asks, and writes.
pub async fn run(arguments: &ImportArguments, session: &Session) -> Result<(), CommandError> {
    let bytes = read(&arguments.file)?;
    let recorded_by = if arguments.dry_run { None } else { recorded_by(session).await };
    let entries = contact_file::read(&bytes, Timestamp::now(), recorded_by.as_deref()).map_err(|invalid| {
        let mut text: Vec<_> = invalid.iter().take(MAX_LISTED).map(ToString::to_string).collect();
        if invalid.len() > MAX_LISTED {
            text.push(format!("and {} more", invalid.len() - MAX_LISTED));
        }
        CommandError::usage(format!("{}: nothing was written\n  {}", arguments.file.display(), text.join("\n  ")))
    })?;
    if entries.is_empty() {
        return Err(CommandError::usage(format!("{}: there is no line after the header", arguments.file.display())));
    }
    let contents = FileContents::of(&entries);
    if arguments.dry_run {
        return contents.show(session);
    }
    session.announce_change().await?;
    let account_sid = session.account_sid().await?;
    let time = duration(entries.len(), arguments.rate);
    session.terminal.confirm(&format!("Write {contents} to {account_sid}? It takes {time}; --rate changes that."))?;
    let contacts = session.contacts().await?;
    let counts = write(session, &contacts, &account_sid, &entries, &Pace { rate: arguments.rate, recorded_by }).await?;
    match session.output.format() {
        Format::Table => {
            let ImportCounts { lines, written, unchanged } = counts;
            session.output.line(&format!("{lines} lines: {written} written, {unchanged} unchanged."))
        }
        _ => session.output.one(&PropertyTable::new(&["lines", "written", "unchanged"], [counts])?),
    }
}

impl FileContents {
    fn of(entries: &[ContactEntry]) -> Self {
        let mut contents = Self { lines: entries.len(), suppressions: 0, ends_of_suppressions: 0, consents: 0 };
        for entry in entries {
            *match &entry.change {
                ContactChange::Consent(_) => &mut contents.consents,
                ContactChange::Preference(_, RecordedPreference { preference: Preference::OptedOut, .. }) => {
                    &mut contents.suppressions
                }
                ContactChange::Preference(..) => &mut contents.ends_of_suppressions,
            } += 1;
        }
        contents
    }

    fn show(self, session: &Session) -> Result<(), CommandError> {
        if session.output.format() == Format::Table {
            return session.output.line(&format!("{self}. Nothing was written."));
        }
        let columns = ["lines", "suppressions", "ends_of_suppressions", "consents"];
        session.output.one(&PropertyTable::new(&columns, [self])?)
    }
}

impl fmt::Display for FileContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suppressions, ends_of_suppressions, consents, .. } = self;
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let ends = if *ends_of_suppressions == 1 { "end of a suppression" } else { "ends of suppressions" };
        write!(
            f,
            "{suppressions} suppression{}, {ends_of_suppressions} {ends} and {consents} consent{}",
            s(*suppressions),
            s(*consents)
        )
    }
}

/// How long an import takes, for people.
fn duration(lines: usize, rate: u32) -> String {
    match u64::try_from(lines).unwrap_or(u64::MAX) / u64::from(rate) {
        0 => "about a second".to_owned(),
        seconds @ 1..120 => format!("about {} seconds", seconds + 1),
        seconds => format!("about {} minutes", seconds.div_ceil(60)),
    }
}

/// How fast an import writes, and in whose name.
struct Pace {
    rate: u32,
    recorded_by: Option<String>,
}

async fn write(
    session: &Session,
    contacts: &Contacts,
    account_sid: &AccountSid,
    entries: &[ContactEntry],
    pace: &Pace,
) -> Result<ImportCounts, CommandError> {
    let mut ticks = interval(Duration::from_secs(1) / pace.rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let paced = stream::unfold((ticks, entries.iter()), async |(mut ticks, mut left)| {
        let entry = left.next()?;
        ticks.tick().await;
        Some((entry, (ticks, left)))
    });
    let bar = session.terminal.progress(entries.len(), "Lines written");
    let written = paced
        .map(|entry| write_one(contacts, account_sid, entry, pace.recorded_by.as_deref()))
        .buffer_unordered(CONCURRENT_WRITES);
    let counted = written.try_fold(ImportCounts::default(), async |mut counts, outcome| {
        bar.inc(1);
        counts.lines += 1;
        match outcome {
            LineOutcome::Written => counts.written += 1,
            LineOutcome::Unchanged => counts.unchanged += 1,
        }
        Ok(counts)
    });
    let counts = counted.await.map_err(|error| {
        session.terminal.note(&format!("{} lines were written; run it again to continue", bar.position()));
        CommandError::from(error)
    })?;
    bar.finish_and_clear();
    Ok(counts)
}

enum LineOutcome {
    Written,
    Unchanged,
}

async fn write_one(
    contacts: &Contacts,
    account_sid: &AccountSid,
    entry: &ContactEntry,
    recorded_by: Option<&str>,
) -> Result<LineOutcome, StoreError> {
    let ContactEntry { person, change, .. } = entry;
    let contact = person.key(account_sid);
    let is_unchanged = match change {
        ContactChange::Preference(scope, preference) => {
            let recorded_by = recorded_by.map(str::to_owned);
            let change = record_preference(contacts, &contact, &person.channel, scope, preference, recorded_by).await?;
            change.effect == PreferenceEffect::Stale && change.ended_consents.is_empty()
        }
        ContactChange::Consent(evidence) => {
            record_consent(contacts, &contact, evidence).await? == ConsentWrite::AlreadyRecorded
        }
    };
    Ok(if is_unchanged { LineOutcome::Unchanged } else { LineOutcome::Written })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contents_of_a_file_are_counted_before_it_is_written() {
        let file = b"address,action,at,category,source,text\n\
            +14155550123,suppress,2026-11-19T09:00:00Z,,,\n+14155550124,suppress,2026-11-19T09:00:00Z,,,\n\
            +14155550125,unsuppress,2026-11-19T09:00:00Z,,,\n+14155550126,consent,2026-11-19T09:00:00Z,marketing,form,Yes\n";
        let now = "2026-11-20T09:00:00Z".parse().unwrap();
        let entries = contact_file::read(file, now, None).unwrap();
        let contents = FileContents::of(&entries);
        assert_eq!(contents, FileContents { lines: 4, suppressions: 2, ends_of_suppressions: 1, consents: 1 });
        assert_eq!(contents.to_string(), "2 suppressions, 1 end of a suppression and 1 consent");
    }

    #[test]
    fn the_time_of_an_import_is_known_beforehand() {
        assert_eq!(duration(3, 50), "about a second");
        assert_eq!(duration(1_000, 50), "about 21 seconds");
        assert_eq!(duration(10_000, 50), "about 4 minutes");
    }
}
