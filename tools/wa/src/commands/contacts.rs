//! `wa contacts`

use clap::Subcommand;

use crate::{exit::CommandError, session::Session};

pub mod export;
pub mod import;
pub mod show;
pub mod suppress;

/// People: what they want, what they agreed to.
#[derive(Debug, Subcommand)]
pub enum ContactsCommand {
    /// Show all that is known of a person
    Show(show::ShowContactArguments),
    /// Send a person nothing more, as if they had written STOP
    Suppress(suppress::SuppressArguments),
    /// Lift a suppression, perhaps a person's own STOP
    Unsuppress(suppress::UnsuppressArguments),
    /// Read suppressions and consents from a CSV file
    Import(import::ImportArguments),
    /// Write all suppressions and consents as a CSV file that `import` reads
    Export(export::ExportArguments),
}

/// Runs one.
pub async fn run(command: &ContactsCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        ContactsCommand::Show(arguments) => show::run(arguments, session).await,
        ContactsCommand::Suppress(arguments) => suppress::run(arguments, session).await,
        ContactsCommand::Unsuppress(arguments) => suppress::lift(arguments, session).await,
        ContactsCommand::Import(arguments) => import::run(arguments, session).await,
        ContactsCommand::Export(arguments) => export::run(arguments, session).await,
    }
}
