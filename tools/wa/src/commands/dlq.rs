//! `wa dlq`: what was given up, with its reason, and what an operator does about it.

use clap::Subcommand;

use crate::{error::CommandError, session::Session};

mod drop;
mod list;
mod outbound;
pub(in crate::commands) mod queue;
mod retry;
mod selection;
mod show;
mod spool;
mod stream;
mod target;
mod unpublished;
mod visit;

#[derive(Subcommand)]
pub enum DlqCommand {
    /// List the dead letters, each with its reason
    List(list::ListArguments),
    /// Show the dead letters of a notification or an event
    Show(show::ShowArguments),
    /// Put dead letters back: each is decided again, under its id
    Retry(retry::RetryArguments),
    /// Delete dead letters
    Drop(drop::DropArguments),
}

pub async fn run(command: &DlqCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        DlqCommand::List(arguments) => list::run(arguments, session).await,
        DlqCommand::Show(arguments) => show::run(arguments, session).await,
        DlqCommand::Retry(arguments) => retry::run(arguments, session).await,
        DlqCommand::Drop(arguments) => drop::run(arguments, session).await,
    }
}

#[derive(clap::Args)]
pub struct QueueArgument {
    /// The queue: notifications that could not be sent, records that could not be published, or webhooks that could not be stored
    #[arg(long, value_enum, default_value_t, value_name = "QUEUE")]
    queue: target::DeadLetterQueueName,
}
