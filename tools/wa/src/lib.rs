//! `wa`, the operator's command line: it talks to a deployed stack, found by its name, and to Twilio.
//!
//! A command parses its words into types ([`cli`], [`commands`]), finds what it needs ([`session`], [`stack`],
//! [`twilio`]), does its work with the stores and clients of `shared`, and prints what came of it ([`output`]). What goes
//! wrong is one line and an exit code ([`exit`]); who is in front of it is asked and warned by [`terminal`].
//!
//! What is decided without AWS and Twilio is beside the commands: why a signature does not match ([`diagnosis`]), in which
//! order an auth token is changed ([`rotation`]), what a file of contacts says ([`contact_file`]).

pub mod cli;
pub mod commands;
pub mod contact_file;
pub mod diagnosis;
pub mod exit;
pub mod finding;
pub mod globals;
pub mod output;
pub mod people;
pub mod rotation;
pub mod session;
pub mod signing;
pub mod stack;
pub mod terminal;
pub mod twilio;
pub mod webhook_probe;

use clap::CommandFactory as _;

use cli::{CommandLine, TopLevelCommand};
use exit::CommandError;
use session::Session;

/// Runs a command to its end, or to the Ctrl-C that ends it.
pub async fn run(cli: CommandLine) -> Result<(), CommandError> {
    let session = Session::new(cli.globals);
    tokio::select! {
        // First of all, so that a question's Ctrl-C is already waited for when it is asked.
        biased;
        _ = tokio::signal::ctrl_c() => Err(CommandError::Interrupted),
        done = dispatch(&session, &cli.command) => done,
    }
}

async fn dispatch(session: &Session, command: &TopLevelCommand) -> Result<(), CommandError> {
    match command {
        TopLevelCommand::Send(arguments) => commands::send::run(arguments, session).await,
        TopLevelCommand::Messages(command) => commands::messages::run(command, session).await,
        TopLevelCommand::Notifications(command) => commands::notifications::run(command, session).await,
        TopLevelCommand::Events(command) => commands::events::run(command, session).await,
        TopLevelCommand::Sign(arguments) => commands::sign::run(arguments, session).await,
        TopLevelCommand::Verify(arguments) => commands::verify::run(arguments, session).await,
        TopLevelCommand::Contacts(command) => Box::pin(commands::contacts::run(command, session)).await,
        TopLevelCommand::Consent(command) => commands::consent::run(command, session).await,
        TopLevelCommand::Rotate(arguments) => Box::pin(commands::rotate::run(arguments, session)).await,
        TopLevelCommand::Doctor(arguments) => Box::pin(commands::doctor::run(arguments, session)).await,
        TopLevelCommand::Completions(arguments) => commands::completions::run(arguments, CommandLine::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_whole_and_each_command_shows_an_example() {
        fn check(command: &clap::Command) {
            let children: Vec<_> = command.get_subcommands().filter(|child| child.get_name() != "help").collect();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!children.is_empty() || help.contains("Example:\n  wa "), "{} has no example", command.get_name());
            children.into_iter().for_each(check);
        }
        let command = CommandLine::command();
        command.clone().debug_assert();
        check(&command);
    }
}
