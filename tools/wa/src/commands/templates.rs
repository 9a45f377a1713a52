//! `wa templates`: templates as files, and what Twilio and WhatsApp have of them.

use std::path::PathBuf;

use clap::Subcommand;

use crate::{error::CommandError, output::Properties, session::Session};

mod account;
mod check;
mod create;
mod show;
mod submit;
mod sync;
pub(super) mod watch;

pub(super) use account::{AccountTemplate, read as read_account};

#[derive(Subcommand)]
pub enum TemplatesCommand {
    /// List the account's templates with their approvals
    List(ListTemplatesArguments),
    /// Show a template with its texts, in each locale
    Show(ShowTemplateArguments),
    /// Check files against the rules of Twilio and WhatsApp; with --remote also against the account
    Check(CheckTemplatesArguments),
    /// Create at Twilio what the files have, and change what was not submitted yet
    Create(FilesArgument),
    /// Submit templates to WhatsApp, and follow their approval
    Submit(SubmitTemplatesArguments),
    /// Compare the stack's registry with Twilio's list now
    #[command(after_help = "\
The stack does it every TemplateSyncMinutes by itself.

Example:
  wa templates sync")]
    Sync,
    /// Let Twilio report changes of templates to the stack at once: creates a sink and a subscription
    #[command(after_help = "\
Creates a sink of Event Streams for the stack's URL and a subscription to the approvals of templates, unless they exist.

Example:
  wa templates watch")]
    Watch,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa templates list --status paused --columns name,locale,status,quality")]
pub struct ListTemplatesArguments {
    /// Only templates with this status at WhatsApp, as in approved, paused or unsubmitted
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only templates whose name contains this text
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    properties: Properties,
}

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  wa templates show order_update\n  wa templates show HX00000000000000000000000000000001"
)]
pub struct ShowTemplateArguments {
    /// The name of the template, or its SID
    #[arg(value_name = "NAME")]
    template: String,
}

/// The files of templates.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa templates create templates/order_update.json")]
pub struct FilesArgument {
    /// The files, or folders with them [default: templates]
    #[arg(value_name = "PATHS")]
    paths: Vec<PathBuf>,
}

#[derive(clap::Args)]
#[command(after_help = "\
Exit code 1: something is wrong. Without --remote no request is sent, so that it runs in any CI.

Example:
  wa templates check
  wa templates check templates --remote")]
pub struct CheckTemplatesArguments {
    #[command(flatten)]
    files: FilesArgument,
    /// Also compare the files with the account
    #[arg(long)]
    remote: bool,
}

#[derive(clap::Args)]
#[command(after_help = "\
Submits each locale of the files that was not submitted yet. WhatsApp decides within minutes to 48 hours.

Example:
  wa templates submit templates/order_update.json --wait")]
pub struct SubmitTemplatesArguments {
    #[command(flatten)]
    files: FilesArgument,
    /// Wait until WhatsApp has decided about each of them. Exit code 1: not all are approved.
    #[arg(long)]
    wait: bool,
}

pub async fn run(command: &TemplatesCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        TemplatesCommand::List(arguments) => show::list(arguments, session).await,
        TemplatesCommand::Show(arguments) => show::show(arguments, session).await,
        TemplatesCommand::Check(arguments) => check::run(arguments, session).await,
        TemplatesCommand::Create(files) => create::run(files, session).await,
        TemplatesCommand::Submit(arguments) => submit::run(arguments, session).await,
        TemplatesCommand::Sync => sync::run(session).await,
        TemplatesCommand::Watch => watch::run(session).await,
    }
}
