//! `wa tenants diff`

use std::path::PathBuf;

use super::difference::{CurrentDocument, FileDocument};
use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

#[derive(clap::Args)]
#[command(after_help = "\
The file is checked first: an error names the field. Exit code 1: the file differs from the document that counts.

Example:
  wa tenants diff tenants.json")]
pub struct DiffArguments {
    /// The file with the document, or - for the standard input
    file: PathBuf,
}

pub async fn run(arguments: &DiffArguments, session: &Session) -> Result<(), CommandError> {
    let file = FileDocument::read(&arguments.file)?;
    let current = CurrentDocument::read(&session.tenants_table().await?).await?;
    let rows = current.differences(&file);
    let count = rows.len();
    if session.output.format() == Format::Table {
        for row in &rows {
            session.output.text(&row.lines())?;
        }
    } else {
        session.output.table(&PropertyTable::new(&["path", "before", "after"], rows)?)?;
    }
    if count == 0 && !current.is_damaged() {
        session.terminal.note(&format!("the file is the same as {}", current.name()));
        return Ok(());
    }
    Err(CommandError::answer_is_no(format!("the file differs from {} in {count} fields", current.name())))
}
