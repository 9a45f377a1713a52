//! `wa tenants apply`

use std::path::PathBuf;

use jiff::Timestamp;
use shared::secrets::Accounts;
use stores::tenants::ApplyOutcome;
use twilio_types::sid::AccountSid;

use super::difference::{CurrentDocument, FileDocument};
use crate::{commands::pause::caller, error::CommandError, session::Session};

#[derive(clap::Args)]
#[command(after_help = "\
The file is checked, compared with the document that counts and with the accounts of the stack's secret, and shown as a
difference before the question. It is in force within 30 seconds, without a deployment. Nothing is written if another version
was applied meanwhile.

Example:
  wa tenants apply tenants.json")]
pub struct ApplyArguments {
    /// The file with the document, or - for the standard input
    file: PathBuf,
}

pub async fn run(arguments: &ApplyArguments, session: &Session) -> Result<(), CommandError> {
    let file = FileDocument::read(&arguments.file)?;
    session.announce_change().await?;
    let table = session.tenants_table().await?;
    let current = CurrentDocument::read(&table).await?;
    let rows = current.differences(&file);
    if rows.is_empty() && current.version.is_some() && !current.is_damaged() {
        return session.output.line(&format!("unchanged: the file is the same as {}", current.name()));
    }
    for account_sid in without_keys(file.document.accounts(), session.accounts().await?) {
        session.terminal.warn(&format!(
            "{account_sid} is not in the stack's secret: its webhooks are refused, and its notifications wait. Add its keys: \
             see docs/deploy.md, \"The secret\""
        ));
    }
    for row in &rows {
        session.terminal.note(row.lines().trim_end());
    }
    session.terminal.confirm(&format!("Apply these {} changes to {}?", rows.len(), current.name()))?;
    let by = caller(session).await;
    match table.apply(current.version, &file.text, by.as_deref(), Timestamp::now()).await? {
        ApplyOutcome::Applied(number) => {
            session.output.line(&format!("version {number} is applied: it is in force within 30 s"))
        }
        ApplyOutcome::Changed => Err(CommandError::refused(
            "another version was applied meanwhile, and nothing was written: look at it with `wa tenants diff`, and try again",
        )),
    }
}

/// The accounts of a document that the secret has no keys for.
fn without_keys<'a>(
    accounts: impl Iterator<Item = &'a AccountSid>,
    secret: &Accounts,
) -> impl Iterator<Item = &'a AccountSid> {
    accounts.filter(|account_sid| secret.credentials(account_sid).is_none())
}
