//! `wa events`

use clap::Subcommand;

use crate::{exit::CommandError, session::Session};

mod line;
mod tail;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Print events as they happen, from the archive: the queue's are their consumers' own
    Tail(tail::TailArguments),
}

/// Runs the command.
pub async fn run(command: &EventsCommand, session: &Session) -> Result<(), CommandError> {
    let EventsCommand::Tail(arguments) = command;
    tail::run(arguments, session).await
}
