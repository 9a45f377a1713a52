//! The command line as it is written.

use clap::{Parser, Subcommand};

use crate::{
    commands::{completions, consent, contacts, doctor, events, messages, notifications, rotate, send, sign, verify},
    globals::Globals,
};

/// WhatsApp messaging from one command: send, look, and put right.
#[derive(Debug, Parser)]
#[command(name = "wa", version, after_help = EXAMPLE)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLE: &str = "\
Exit codes:
  0 done    1 the answer is no    2 wrong usage    3 not found    4 refused    5 no answer    130 Ctrl-C

Example:
  wa --stack whatsapp-staging --profile staging messages list --to whatsapp:+14155550123";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put notifications on the outbound queue
    Send(Box<send::Arguments>),
    /// Twilio's record of messages
    #[command(subcommand)]
    Messages(messages::Command),
    /// What became of notifications
    #[command(subcommand)]
    Notifications(notifications::Command),
    /// What the system tells others
    #[command(subcommand)]
    Events(events::Command),
    /// Compute the signature of a webhook
    Sign(sign::Arguments),
    /// Check the signature of a webhook, and say which part differs: the answer to 403
    Verify(verify::Arguments),
    /// People: show them, leave them alone, bring many in or out
    #[command(subcommand)]
    Contacts(contacts::Command),
    /// What people agreed to
    #[command(subcommand)]
    Consent(consent::Command),
    /// Change the auth token without losing a webhook
    Rotate(rotate::Arguments),
    /// Find out what is wrong, and how to mend it
    Doctor(doctor::Arguments),
    /// Print what completes this command in a shell
    Completions(completions::Arguments),
}
