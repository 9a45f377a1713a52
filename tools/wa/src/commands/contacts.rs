//! `wa contacts`

use clap::Subcommand;

use crate::{exit::Failure, session::Session};

pub mod export;
pub mod import;
pub mod show;
pub mod suppress;

/// People: what they want, what they agreed to.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show all that is known of a person
    Show(show::Arguments),
    /// Send a person nothing more, as if they had written STOP
    Suppress(suppress::Arguments),
    /// Lift a suppression, perhaps a person's own STOP
    Unsuppress(suppress::Lifting),
    /// Read suppressions and consents from a CSV file
    Import(import::Arguments),
    /// Write all suppressions and consents as a CSV file that `import` reads
    Export(export::Arguments),
}

/// Runs one.
pub async fn run(command: &Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Show(arguments) => show::run(arguments, session).await,
        Command::Suppress(arguments) => suppress::run(arguments, session).await,
        Command::Unsuppress(arguments) => suppress::lift(arguments, session).await,
        Command::Import(arguments) => import::run(arguments, session).await,
        Command::Export(arguments) => export::run(arguments, session).await,
    }
}
