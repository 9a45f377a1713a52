//! `wa`, the operator's command line. It works on a deployed stack, which it finds by name, and on Twilio.
//!
//! A command parses its arguments into types ([`cli`], [`globals`], [`commands`]), gets what it needs from the [`session`], does
//! its work with the stores and the Twilio client, and prints the result ([`output`]). A failure is one line and an exit code
//! ([`error`]); questions and warnings go to the person at the [`terminal`].
//!
//! What can be decided without AWS and Twilio is in modules of pure functions: why a signature does not match
//! ([`diagnosis`]), the order of steps that changes an auth token ([`rotation`]), a file of contacts ([`contact_file`]), a file of a
//! template ([`template_file`]), what a message costs ([`prices`]).
//!
//! *Invariant:* a type that holds an address, a text or a key as plain text does not derive `Debug`
//! ([`redaction`]).

pub mod alerts;
pub mod archive_bucket;
pub mod archive_feed;
mod archived_event;
pub mod aws;
pub mod call_log;
pub mod cli;
pub mod commands;
pub mod completion;
pub mod contact_file;
pub mod copyable;
pub mod diagnosis;
pub mod error;
pub mod finding;
pub mod globals;
pub mod lambda;
pub mod money;
pub mod output;
mod own_api;
pub mod people;
pub mod personal_data;
pub mod prices;
pub mod redaction;
pub mod rotation;
pub mod session;
mod signed_request;
pub mod signing;
pub mod since;
pub mod spreadsheet;
pub mod stack;
mod table_recorder;
pub mod template_file;
pub mod terminal;
pub mod twilio;
pub mod webhook_probe;
pub mod whatsapp_senders;

use cli::{CommandLine, TopLevelCommand};
use error::CommandError;
use session::Session;

/// Runs a command until it is done or Ctrl-C ends it.
pub async fn run(command_line: CommandLine) -> Result<(), CommandError> {
    let session = Session::new(command_line.globals);
    tokio::select! {
        // Ctrl-C is polled first, so that it is listened to before a command asks its first question.
        biased;
        _ = tokio::signal::ctrl_c() => Err(CommandError::interrupted()),
        done = dispatch(&session, &command_line.command) => done,
    }
}

async fn dispatch(session: &Session, command: &TopLevelCommand) -> Result<(), CommandError> {
    match command {
        TopLevelCommand::Send(arguments) => commands::send::run(arguments, session).await,
        TopLevelCommand::Messages(command) => commands::messages::run(command, session).await,
        TopLevelCommand::Notifications(command) => Box::pin(commands::notifications::run(command, session)).await,
        TopLevelCommand::Events(command) => commands::events::run(command, session).await,
        TopLevelCommand::Dlq(command) => Box::pin(commands::dlq::run(command, session)).await,
        TopLevelCommand::Replay(arguments) => Box::pin(commands::replay::run(arguments, session)).await,
        TopLevelCommand::Restore(command) => Box::pin(commands::restore::run(command, session)).await,
        TopLevelCommand::Trigger(command) => Box::pin(commands::trigger::run(command, session)).await,
        TopLevelCommand::Listen(arguments) => Box::pin(commands::listen::run(arguments, session)).await,
        TopLevelCommand::Smoke(arguments) => Box::pin(commands::smoke::run(arguments, session)).await,
        TopLevelCommand::Sign(arguments) => commands::sign::run(arguments, session).await,
        TopLevelCommand::Verify(arguments) => commands::verify::run(arguments, session).await,
        TopLevelCommand::Contacts(command) => Box::pin(commands::contacts::run(command, session)).await,
        TopLevelCommand::Erase(arguments) => Box::pin(commands::erase::run(arguments, session)).await,
        TopLevelCommand::Evidence(arguments) => Box::pin(commands::evidence::run(arguments, session)).await,
        TopLevelCommand::Export(arguments) => Box::pin(commands::export::run(arguments, session)).await,
        TopLevelCommand::Consent(command) => commands::consent::run(command, session).await,
        TopLevelCommand::Tenants(command) => Box::pin(commands::tenants::run(command, session)).await,
        TopLevelCommand::Otp(command) => commands::otp::run(command, session).await,
        TopLevelCommand::Pause(arguments) => commands::pause::run(arguments, session).await,
        TopLevelCommand::Resume(arguments) => commands::pause::resume(arguments, session).await,
        TopLevelCommand::Templates(command) => Box::pin(commands::templates::run(command, session)).await,
        TopLevelCommand::Alerts(arguments) => Box::pin(commands::alerts::run(arguments, session)).await,
        TopLevelCommand::Cost(arguments) => Box::pin(commands::cost::run(arguments, session)).await,
        TopLevelCommand::MediaKey(command) => commands::media_key::run(command, session).await,
        TopLevelCommand::Rotate(arguments) => Box::pin(commands::rotate::run(arguments, session)).await,
        TopLevelCommand::Doctor(arguments) => Box::pin(commands::doctor::run(arguments, session)).await,
        TopLevelCommand::Completions(arguments) => commands::completions::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn each_command_is_well_formed_and_shows_an_example() {
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
