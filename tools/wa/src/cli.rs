//! The command line as it is written.

use clap::{Parser, Subcommand};

use crate::{
    commands::{completions, consent, contacts, doctor, events, messages, notifications, rotate, send, sign, verify},
    globals::Globals,
};

/// WhatsApp messaging from one command: send, look, and put right.
#[derive(Debug, Parser)]
#[command(name = "wa", version, after_help = EXAMPLE)]
pub struct CommandLine {
    /// What holds for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub command: TopLevelCommand,
}

const EXAMPLE: &str = "\
Exit codes:
  0 done    1 the answer is no    2 wrong usage    3 not found    4 refused    5 no answer    130 Ctrl-C

Example:
  wa --stack whatsapp-staging --profile staging messages list --to whatsapp:+14155550123";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum TopLevelCommand {
    /// Put notifications on the outbound queue
    Send(Box<send::SendArguments>),
    /// Twilio's record of messages
    #[command(subcommand)]
    Messages(messages::MessagesCommand),
    /// What became of notifications
    #[command(subcommand)]
    Notifications(notifications::NotificationsCommand),
    /// What the system tells others
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Compute the signature of a webhook
    Sign(sign::SignArguments),
    /// Check the signature of a webhook, and say which part differs: the answer to 403
    Verify(verify::VerifyArguments),
    /// People: show them, leave them alone, bring many in or out
    #[command(subcommand)]
    Contacts(contacts::ContactsCommand),
    /// What people agreed to
    #[command(subcommand)]
    Consent(consent::ConsentCommand),
    /// Change the auth token without losing a webhook
    Rotate(rotate::RotateArguments),
    /// Find out what is wrong, and how to mend it
    Doctor(doctor::DoctorArguments),
    /// Print what completes this command in a shell
    Completions(completions::CompletionsArguments),
}
