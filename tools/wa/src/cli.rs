//! The command line: its commands and their arguments.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        alerts, completions, consent, contacts, cost, dlq, doctor, erase, events, evidence, export, listen, media_key,
        messages, notifications, otp, pause, replay, restore, rotate, send, sign, smoke, templates, tenants, trigger,
        verify,
    },
    globals::Globals,
};

/// WhatsApp messaging from the command line: send, look things up, and fix what is wrong.
#[derive(Parser)]
#[command(name = "wa", version, after_help = EXAMPLE)]
pub struct CommandLine {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: TopLevelCommand,
}

const EXAMPLE: &str = "\
Exit codes:
  0 done    1 the answer is no    2 wrong usage    3 not found    4 refused    5 no answer    130 Ctrl-C

Example:
  wa --stack whatsapp-staging --profile staging messages list --to whatsapp:+14155550123";

#[derive(Subcommand)]
pub enum TopLevelCommand {
    /// Put notifications on the outbound queue
    Send(Box<send::SendArguments>),
    /// Twilio's record of messages
    #[command(subcommand)]
    Messages(messages::MessagesCommand),
    /// Notifications: show what became of them, list and cancel them
    #[command(subcommand)]
    Notifications(notifications::NotificationsCommand),
    /// The events that this system publishes
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Replay events of the archive: to your systems, or into the tables
    Replay(Box<replay::ReplayArguments>),
    /// After the tables were restored to an earlier time: bring back what happened since, before anything is sent
    #[command(subcommand)]
    Restore(restore::RestoreCommand),
    /// Dead letters: what could not be sent or published, with its reason
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// Post a webhook to the stack as Twilio would: a text, STOP, START, a file, a button, a place, a status
    #[command(subcommand)]
    Trigger(trigger::TriggerCommand),
    /// Forward events, or Twilio's webhooks, to a program on this machine
    Listen(listen::ListenArguments),
    /// Try the whole stack with a phone: a text, a picture, STOP and START, each with what was seen
    Smoke(smoke::SmokeArguments),
    /// Compute the signature of a webhook
    Sign(sign::SignArguments),
    /// Verify the signature of a webhook, and say which part differs: use it when a webhook is answered with 403
    Verify(verify::VerifyArguments),
    /// People: show what is known of them, suppress messages to them, import and export
    #[command(subcommand)]
    Contacts(contacts::ContactsCommand),
    /// Erase a person: everything that is stored of them, here and at Twilio. They stay suppressed.
    Erase(erase::EraseArguments),
    /// Write everything that is stored of a person as JSON
    Export(export::ExportArguments),
    /// Show the evidence of a person's consents, STOPs and STARTs, and check that it is locked and was never changed
    Evidence(evidence::EvidenceArguments),
    /// What people consented to
    #[command(subcommand)]
    Consent(consent::ConsentCommand),
    /// Tenants: the settings of each account, in one document with versions
    #[command(subcommand)]
    Tenants(tenants::TenantsCommand),
    /// One-time passwords by Twilio Verify: send a code, and check it
    #[command(subcommand)]
    Otp(otp::OtpCommand),
    /// Stop sending for a while: everything, an account, a sender or a category
    Pause(pause::PauseArguments),
    /// Send again what was paused
    Resume(pause::ResumeArguments),
    /// Templates: files in git, and what Twilio and WhatsApp have of them
    #[command(subcommand)]
    Templates(templates::TemplatesCommand),
    /// Alerts of Twilio's debugger: webhooks that failed, requests that were refused, messages that were not delivered
    Alerts(alerts::AlertsArguments),
    /// What messages have cost: by campaign, account, country, category, route and day
    Cost(cost::CostArguments),
    /// Replace the auth token without losing a webhook
    Rotate(rotate::RotateArguments),
    /// The key that signs media links on a domain of your own
    #[command(subcommand)]
    MediaKey(media_key::MediaKeyCommand),
    /// Check the whole system, and say how to fix what is wrong
    Doctor(doctor::DoctorArguments),
    /// Print a script that completes this command in a shell
    Completions(completions::CompletionsArguments),
}
