//! `wa events`

use clap::Subcommand;

use crate::{exit::Failure, session::Session};

mod line;
mod tail;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print events as they happen, from the archive: the queue's are their consumers' own
    Tail(tail::Arguments),
}

/// Runs the command.
pub async fn run(command: &Command, session: &Session) -> Result<(), Failure> {
    let Command::Tail(arguments) = command;
    tail::run(arguments, session).await
}
