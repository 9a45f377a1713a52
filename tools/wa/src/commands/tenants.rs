//! `wa tenants`

use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

pub mod apply;
pub mod diff;
mod difference;

#[derive(Subcommand)]
pub enum TenantsCommand {
    /// Make a file the tenants document: the settings of the accounts that it names
    Apply(apply::ApplyArguments),
    /// Show the tenants document, or an earlier version of it
    Show(ShowArguments),
    /// Compare a file with the tenants document
    Diff(diff::DiffArguments),
    /// List the versions of the tenants document
    #[command(after_help = "Example:\n  wa tenants history")]
    History,
}

pub async fn run(command: &TenantsCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        TenantsCommand::Apply(arguments) => apply::run(arguments, session).await,
        TenantsCommand::Show(arguments) => show(arguments, session).await,
        TenantsCommand::Diff(arguments) => diff::run(arguments, session).await,
        TenantsCommand::History => history(session).await,
    }
}

#[derive(clap::Args)]
#[command(after_help = "\
The output is the file that was applied. To go back to an earlier version, apply it again.

Example:
  wa tenants show > tenants.json
  wa tenants show --version 11 > tenants.json && wa tenants apply tenants.json")]
pub struct ShowArguments {
    /// The number of a version, as `wa tenants history` lists it [default: the one that counts]
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,
}

/// What every command says while nothing was applied.
const NO_DOCUMENT: &str = "there is no tenants document: every account has the settings of the stack's parameters";

async fn show(arguments: &ShowArguments, session: &Session) -> Result<(), CommandError> {
    let table = session.tenants_table().await?;
    let number = match arguments.version {
        Some(number) => number,
        None => table.current().await?.ok_or_else(|| CommandError::not_found(NO_DOCUMENT))?,
    };
    let missing = || CommandError::not_found(format!("version {number} of the tenants document is not stored"));
    let stored = table.version(number).await?.ok_or_else(missing)?;
    session.output.text(&format!("{}\n", stored.text.trim_end()))
}

/// A version of the document.
#[derive(Serialize)]
struct VersionRow {
    version: u64,
    /// Whether it is the version that counts.
    current: bool,
    applied_at: Option<Timestamp>,
    applied_by: Option<String>,
}

async fn history(session: &Session) -> Result<(), CommandError> {
    let table = session.tenants_table().await?;
    let (current, versions) = (table.current().await?, table.history().await?);
    let rows: Vec<_> = versions
        .into_iter()
        .map(|record| VersionRow {
            version: record.number,
            current: Some(record.number) == current,
            applied_at: record.applied_at,
            applied_by: record.applied_by,
        })
        .collect();
    if rows.is_empty() && session.output.format() == Format::Table {
        return session.output.line(NO_DOCUMENT);
    }
    session.output.table(&PropertyTable::new(&["version", "current", "applied_at", "applied_by"], rows)?)
}
