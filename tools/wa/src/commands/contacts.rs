//! `wa contacts`

use clap::Subcommand;

use crate::{error::CommandError, session::Session};

pub mod export;
pub mod import;
pub mod show;
pub mod suppress;

#[derive(Subcommand)]
pub enum ContactsCommand {
    /// Show everything that is known of a person
    Show(show::ShowContactArguments),
    /// Send a person no more messages, as after a STOP
    Suppress(suppress::SuppressArguments),
    /// Lift a suppression, which may be a person's own STOP
    Unsuppress(suppress::UnsuppressArguments),
    /// Import suppressions and consents from a CSV file
    Import(import::ImportArguments),
    /// Export all suppressions and consents as a CSV file that `import` reads
    Export(export::ExportArguments),
}

pub async fn run(command: &ContactsCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        ContactsCommand::Show(arguments) => show::run(arguments, session).await,
        ContactsCommand::Suppress(arguments) => suppress::run(arguments, session).await,
        ContactsCommand::Unsuppress(arguments) => suppress::lift(arguments, session).await,
        ContactsCommand::Import(arguments) => import::run(arguments, session).await,
        ContactsCommand::Export(arguments) => export::run(arguments, session).await,
    }
}
