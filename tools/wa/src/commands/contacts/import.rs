//! `wa contacts import`

use std::{path::PathBuf, time::Duration};

use domain::preference::{Preference, PreferenceEffect};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use stores::{contacts::Contacts, dynamodb::StoreError};
use tokio::time::{MissedTickBehavior, interval};
use twilio_types::sid::AccountSid;

use crate::{
    commands::consent::recorded_by,
    contact_file::{self, ContactChange, ContactEntry},
    exit::CommandError,
    output::{Format, PropertyTable},
    people::{ConsentWrite, record_consent, record_preference},
    session::Session,
    signing::read,
};

/// As many bad lines are named.
const SHOWN: usize = 20;
/// Enough to keep a connection to another continent busy at the rate.
const AT_A_TIME: usize = 16;

/// What to read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Columns: address, action (suppress, unsuppress, consent or withdraw) and at are required, and for consent and withdraw
category, source and text too. Others: scope (all, marketing, a sender), reason, message_sid, locale, ip, user_agent.
The whole file is checked before anything is written. The newest wish wins, whichever is written first, so a file that is
read again, or after an interruption, changes nothing twice.

Example:
  wa contacts import stops.csv")]
pub struct ImportArguments {
    /// A CSV file with a header; - is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Lines a second, so that the table has room for its other users
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "LINES")]
    rate: u32,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
struct ImportCounts {
    lines: u64,
    written: u64,
    unchanged: u64,
}

/// Checks, asks, and writes.
pub async fn run(arguments: &ImportArguments, session: &Session) -> Result<(), CommandError> {
    let bytes = read(&arguments.file)?;
    let recorded_by = recorded_by(session).await;
    let entries = contact_file::read(&bytes, Timestamp::now(), recorded_by.as_deref()).map_err(|wrongs| {
        let mut text: Vec<_> = wrongs.iter().take(SHOWN).map(ToString::to_string).collect();
        if wrongs.len() > SHOWN {
            text.push(format!("and {} more", wrongs.len() - SHOWN));
        }
        CommandError::Usage(format!("{}: nothing was written\n  {}", arguments.file.display(), text.join("\n  ")))
    })?;
    if entries.is_empty() {
        return Err(CommandError::Usage(format!("{}: there is no line after the header", arguments.file.display())));
    }
    let account_sid = session.account_sid().await?;
    session.terminal.confirm(&question(&entries, &account_sid))?;
    let contacts = session.contacts().await?;
    let counts = write(session, &contacts, &account_sid, &entries, arguments.rate).await?;
    match session.output.format() {
        Format::Table => {
            let ImportCounts { lines, written, unchanged } = counts;
            session.output.line(&format!("{lines} lines: {written} written, {unchanged} were so before."))
        }
        _ => session.output.one(&PropertyTable::new(&["lines", "written", "unchanged"], [counts])?),
    }
}

fn question(entries: &[ContactEntry], account_sid: &AccountSid) -> String {
    let count = |wanted: &dyn Fn(&ContactChange) -> bool| entries.iter().filter(|entry| wanted(&entry.said)).count();
    let of = |wish| count(&move |said| matches!(said, ContactChange::Preference(_, known) if known.preference == wish));
    let consents = count(&|said| matches!(said, ContactChange::Consent(_)));
    let (suppressed, lifted) = (of(Preference::OptedOut), of(Preference::OptedIn));
    format!("Write {suppressed} suppressions, {lifted} ends of suppressions and {consents} consents to {account_sid}?")
}

async fn write(
    session: &Session,
    contacts: &Contacts,
    account_sid: &AccountSid,
    entries: &[ContactEntry],
    rate: u32,
) -> Result<ImportCounts, CommandError> {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let paced = stream::unfold((ticks, entries.iter()), async |(mut ticks, mut left)| {
        let entry = left.next()?;
        ticks.tick().await;
        Some((entry, (ticks, left)))
    });
    let bar = session.terminal.progress(entries.len(), "Writing");
    let written = paced.map(|entry| write_one(contacts, account_sid, entry)).buffer_unordered(AT_A_TIME);
    let counted = written.try_fold(ImportCounts::default(), async |mut counts, changed| {
        bar.inc(1);
        counts.lines += 1;
        counts.written += u64::from(changed);
        counts.unchanged += u64::from(!changed);
        Ok(counts)
    });
    let counts = counted.await.map_err(|error| {
        session.terminal.note(&format!("{} lines were written; run it again to go on", bar.position()));
        CommandError::from(error)
    })?;
    bar.finish_and_clear();
    Ok(counts)
}

/// Gives whether that changed anything.
async fn write_one(contacts: &Contacts, account_sid: &AccountSid, entry: &ContactEntry) -> Result<bool, StoreError> {
    let ContactEntry { person, said, .. } = entry;
    let contact = person.key(account_sid);
    match said {
        ContactChange::Preference(scope, wish) => {
            let expressed = record_preference(contacts, &contact, &person.channel, scope, wish).await?;
            Ok(expressed.effect != PreferenceEffect::Stale || !expressed.withdrawn.is_empty())
        }
        ContactChange::Consent(evidence) => {
            Ok(record_consent(contacts, &contact, evidence).await? == ConsentWrite::Recorded)
        }
    }
}
