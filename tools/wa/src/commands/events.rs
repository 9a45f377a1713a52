//! `wa events`

use clap::Subcommand;

use crate::{error::CommandError, session::Session};

pub(crate) mod line;
pub(crate) mod tail;

#[derive(Subcommand)]
pub enum EventsCommand {
    /// Print events as they happen, from the archive: it takes none from the consumers of the events queue
    Tail(tail::TailArguments),
}

pub async fn run(command: &EventsCommand, session: &Session) -> Result<(), CommandError> {
    let EventsCommand::Tail(arguments) = command;
    tail::run(arguments, session).await
}
