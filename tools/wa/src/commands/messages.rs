//! `wa messages`: Twilio's own record of messages, with the options of Twilio's CLI.

use clap::Subcommand;
use twilio_client::{ApiRequest, Product};
use twilio_types::sid::MessageSid;

use crate::{error::CommandError, session::Session};

mod create;
mod list;
mod resource;

use resource::{ShownProperties, check, show};

#[derive(Subcommand)]
pub enum MessagesCommand {
    /// List messages, the newest first
    List(list::ListMessagesArguments),
    /// Show one message
    Fetch(FetchArguments),
    /// Create a message at Twilio directly, without this system's checks
    Create(Box<create::CreateMessageArguments>),
    /// Delete the text of a message from Twilio's record; the message itself remains
    Redact(RedactArguments),
    /// Keep a scheduled message from being sent
    Cancel(CancelArguments),
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct MessageArgument {
    /// The message
    #[arg(value_name = "SID")]
    message: Option<MessageSid>,
    /// The message, as in Twilio's CLI
    #[arg(long, value_name = "SID")]
    sid: Option<MessageSid>,
}

impl MessageArgument {
    fn sid(&self) -> Result<&MessageSid, CommandError> {
        let missing = || CommandError::usage("SID: missing, and required");
        self.message.as_ref().or(self.sid.as_ref()).ok_or_else(missing)
    }
}

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  wa messages fetch SM00000000000000000000000000000001 --columns sid,status,errorCode"
)]
pub struct FetchArguments {
    #[command(flatten)]
    message: MessageArgument,
    #[command(flatten)]
    properties: ShownProperties,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa messages redact SM00000000000000000000000000000001")]
pub struct RedactArguments {
    #[command(flatten)]
    message: MessageArgument,
    #[command(flatten)]
    properties: ShownProperties,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa messages cancel SM00000000000000000000000000000001")]
pub struct CancelArguments {
    #[command(flatten)]
    message: MessageArgument,
    #[command(flatten)]
    properties: ShownProperties,
}

pub async fn run(command: &MessagesCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        MessagesCommand::List(arguments) => list::run(arguments, session).await,
        MessagesCommand::Create(arguments) => create::run(arguments, session).await,
        MessagesCommand::Fetch(FetchArguments { message, properties }) => {
            let account = session.twilio().await?;
            let path = account.resource_path(&format!("Messages/{}.json", message.sid()?));
            show(session, account.call(ApiRequest::get(Product::Api, path)).await?, properties)
        }
        MessagesCommand::Redact(RedactArguments { message, properties }) => {
            let sid = message.sid()?;
            check(properties)?;
            session.announce_change().await?;
            session.terminal.confirm(&format!("Delete the text of {sid}? It cannot be brought back."))?;
            update(session, sid, ("Body", ""), properties).await
        }
        MessagesCommand::Cancel(CancelArguments { message, properties }) => {
            let sid = message.sid()?;
            check(properties)?;
            session.announce_change().await?;
            session.terminal.confirm(&format!("Cancel {sid}? It will not be sent."))?;
            update(session, sid, ("Status", "canceled"), properties).await
        }
    }
}

async fn update(
    session: &Session,
    sid: &MessageSid,
    change: (&str, &str),
    properties: &ShownProperties,
) -> Result<(), CommandError> {
    let account = session.twilio().await?;
    let path = account.resource_path(&format!("Messages/{sid}.json"));
    let message = account.call(ApiRequest::post(Product::Api, path).form([change])).await?;
    show(session, message, properties)
}
