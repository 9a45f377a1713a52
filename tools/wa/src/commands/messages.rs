//! `wa messages`: Twilio's own record of messages, with the flags of Twilio's CLI.

use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;
use shared::sid::MessageSid;

use crate::{
    exit::Failure,
    output::{Properties, Table},
    session::Session,
    twilio::{Payload, Product},
};

mod create;
mod list;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List messages, the newest first
    List(list::Arguments),
    /// Show one message
    Fetch(Fetch),
    /// Create a message at Twilio directly, past this system's policy
    Create(Box<create::Arguments>),
    /// Delete what a message says from Twilio's record; the message itself stays
    Redact(Redact),
    /// Keep a scheduled message from going out
    Cancel(Cancel),
}

/// Which message.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The message
    #[arg(value_name = "SID")]
    message: Option<MessageSid>,
    /// The message, as Twilio's CLI has it
    #[arg(long, value_name = "SID")]
    sid: Option<MessageSid>,
}

impl Which {
    fn sid(&self) -> Result<&MessageSid, Failure> {
        let missing = || Failure::Usage("SID: missing, and required".to_owned());
        self.message.as_ref().or(self.sid.as_ref()).ok_or_else(missing)
    }
}

/// Show one message.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  wa messages fetch SM00000000000000000000000000000001 --properties sid,status,errorCode"
)]
pub struct Fetch {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    properties: Properties,
}

/// Delete what a message says.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wa messages redact SM00000000000000000000000000000001")]
pub struct Redact {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    properties: Properties,
}

/// Keep a scheduled message from going out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wa messages cancel SM00000000000000000000000000000001")]
pub struct Cancel {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    properties: Properties,
}

/// What is shown where nobody says otherwise. What a message says is not: it is in `--properties body` and in JSON.
const COLUMNS: [&str; 7] = ["sid", "direction", "from", "to", "status", "error_code", "date_sent"];

/// Runs the command.
pub async fn run(command: &Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments, session).await,
        Command::Create(arguments) => create::run(arguments, session).await,
        Command::Fetch(Fetch { which, properties }) => {
            let twilio = session.twilio().await?;
            let path = twilio.of_account(&format!("Messages/{}.json", which.sid()?));
            let message = twilio.call(Method::GET, Product::Api, &path, Payload::None).await?;
            show(session, message, properties)
        }
        Command::Redact(Redact { which, properties }) => {
            let sid = which.sid()?;
            session.terminal.confirm(&format!("Delete what {sid} says? It cannot be brought back."))?;
            update(session, sid, ("Body", String::new()), properties).await
        }
        Command::Cancel(Cancel { which, properties }) => {
            let sid = which.sid()?;
            session.terminal.confirm(&format!("Cancel {sid}? It will not go out."))?;
            update(session, sid, ("Status", "canceled".to_owned()), properties).await
        }
    }
}

async fn update(
    session: &Session,
    sid: &MessageSid,
    change: (&str, String),
    properties: &Properties,
) -> Result<(), Failure> {
    let twilio = session.twilio().await?;
    let path = twilio.of_account(&format!("Messages/{sid}.json"));
    let message = twilio.call(Method::POST, Product::Api, &path, Payload::Form(&[change])).await?;
    show(session, message, properties)
}

fn show(session: &Session, message: Value, properties: &Properties) -> Result<(), Failure> {
    session.output.one(&Table::new(&COLUMNS, [message])?.pick(properties)?)
}
