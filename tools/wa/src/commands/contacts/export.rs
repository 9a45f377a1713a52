//! `wa contacts export`

use std::io::{self, Write as _};

use domain::preference::Preference;
use stores::contacts::{ContactRecord, RecordedFact};

use crate::{contact_file::CsvLine, error::CommandError, session::Session};

#[derive(clap::Args)]
#[command(after_help = "\
The output is always CSV, as `wa contacts import` reads it. Reads the whole Contacts table.

Example:
  wa contacts export --suppressed > suppressed.csv")]
pub struct ExportArguments {
    /// Only suppressions that are in force
    #[arg(long)]
    suppressed: bool,
}

/// Writes page by page, so that an interrupted export has written all that it had read.
pub async fn run(arguments: &ExportArguments, session: &Session) -> Result<(), CommandError> {
    let account_sid = session.account_sid().await?;
    let contacts = session.contacts().await?;
    let bar = session.terminal.count("items read");
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(crate::contact_file::COLUMNS).map_err(unwritable)?;
    let mut from = None;
    loop {
        let page = contacts.list(&account_sid, from).await?;
        bar.inc(page.scanned);
        for listed in page.listed.into_iter().filter(|listed| !arguments.suppressed || is_suppressed(listed)) {
            writer.serialize(CsvLine::of(listed)).map_err(unwritable)?;
        }
        let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(&bytes)?;
        stdout.flush()?;
        drop(stdout);
        let Some(next) = page.next else { break };
        from = Some(next);
        writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    }
    bar.finish_and_clear();
    Ok(())
}

fn is_suppressed(listed: &ContactRecord) -> bool {
    matches!(&listed.fact, RecordedFact::Preference { preference, .. } if preference.preference == Preference::OptedOut)
}

fn unwritable(error: csv::Error) -> CommandError {
    CommandError::from(io::Error::from(error))
}
