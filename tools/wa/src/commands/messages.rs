//! `wa messages`: Twilio's own record of messages, with the flags of Twilio's CLI.

use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;
use twilio_types::sid::MessageSid;

use crate::{
    exit::CommandError,
    output::{Properties, PropertyTable},
    session::Session,
    twilio::{Payload, Product},
};

mod create;
mod list;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum MessagesCommand {
    /// List messages, the newest first
    List(list::ListMessagesArguments),
    /// Show one message
    Fetch(FetchArguments),
    /// Create a message at Twilio directly, past this system's policy
    Create(Box<create::CreateMessageArguments>),
    /// Delete what a message says from Twilio's record; the message itself stays
    Redact(RedactArguments),
    /// Keep a scheduled message from going out
    Cancel(CancelArguments),
}

/// MessageArgument message.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct MessageArgument {
    /// The message
    #[arg(value_name = "SID")]
    message: Option<MessageSid>,
    /// The message, as Twilio's CLI has it
    #[arg(long, value_name = "SID")]
    sid: Option<MessageSid>,
}

impl MessageArgument {
    fn sid(&self) -> Result<&MessageSid, CommandError> {
        let missing = || CommandError::Usage("SID: missing, and required".to_owned());
        self.message.as_ref().or(self.sid.as_ref()).ok_or_else(missing)
    }
}

/// Show one message.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  wa messages fetch SM00000000000000000000000000000001 --properties sid,status,errorCode"
)]
pub struct FetchArguments {
    #[command(flatten)]
    which: MessageArgument,
    #[command(flatten)]
    properties: Properties,
}

/// Delete what a message says.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wa messages redact SM00000000000000000000000000000001")]
pub struct RedactArguments {
    #[command(flatten)]
    which: MessageArgument,
    #[command(flatten)]
    properties: Properties,
}

/// Keep a scheduled message from going out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wa messages cancel SM00000000000000000000000000000001")]
pub struct CancelArguments {
    #[command(flatten)]
    which: MessageArgument,
    #[command(flatten)]
    properties: Properties,
}

/// What is shown where nobody says otherwise. What a message says is not: it is in `--properties body` and in JSON.
const COLUMNS: [&str; 7] = ["sid", "direction", "from", "to", "status", "error_code", "date_sent"];

/// What a message has. Source: Twilio, "Messages resource".
const PROPERTIES: [&str; 20] = [
    "account_sid",
    "api_version",
    "body",
    "date_created",
    "date_sent",
    "date_updated",
    "direction",
    "error_code",
    "error_message",
    "from",
    "messaging_service_sid",
    "num_media",
    "num_segments",
    "price",
    "price_unit",
    "sid",
    "status",
    "subresource_uris",
    "to",
    "uri",
];

/// Runs the command.
pub async fn run(command: &MessagesCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        MessagesCommand::List(arguments) => list::run(arguments, session).await,
        MessagesCommand::Create(arguments) => create::run(arguments, session).await,
        MessagesCommand::Fetch(FetchArguments { which, properties }) => {
            let twilio = session.twilio().await?;
            let path = twilio.of_account(&format!("Messages/{}.json", which.sid()?));
            let message = twilio.call(Method::GET, Product::Api, &path, Payload::None).await?;
            show(session, message, properties)
        }
        MessagesCommand::Redact(RedactArguments { which, properties }) => {
            let sid = which.sid()?;
            check(properties)?;
            session.terminal.confirm(&format!("Delete what {sid} says? It cannot be brought back."))?;
            update(session, sid, ("Body", String::new()), properties).await
        }
        MessagesCommand::Cancel(CancelArguments { which, properties }) => {
            let sid = which.sid()?;
            check(properties)?;
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
) -> Result<(), CommandError> {
    let twilio = session.twilio().await?;
    let path = twilio.of_account(&format!("Messages/{sid}.json"));
    let message = twilio.call(Method::POST, Product::Api, &path, Payload::Form(&[change])).await?;
    show(session, message, properties)
}

fn show(session: &Session, message: Value, properties: &Properties) -> Result<(), CommandError> {
    let columns: &[&str] = if properties.properties.is_empty() { &COLUMNS } else { &PROPERTIES };
    session.output.one(&PropertyTable::new(columns, [message])?.pick(properties)?)
}

/// Refuses a name that no message has, before anything is done whose outcome could then not be shown.
fn check(properties: &Properties) -> Result<(), CommandError> {
    let message: Value = PROPERTIES.into_iter().map(|name| (name, Value::Null)).collect();
    PropertyTable::new(&PROPERTIES, [message])?.pick(properties).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_that_no_message_has_is_refused_beforehand() {
        let properties =
            |names: &[&str]| Properties { properties: names.iter().map(|name| (*name).to_owned()).collect() };
        assert!(COLUMNS.iter().all(|column| PROPERTIES.contains(column)));
        for names in [&[] as &[&str], &["sid", "errorCode"], &PROPERTIES] {
            assert!(check(&properties(names)).is_ok(), "{names:?}");
        }
        let refused = check(&properties(&["sid", "colour"])).unwrap_err();
        assert_eq!(refused.code(), 2);
        assert!(refused.to_string().starts_with("--properties: there is no colour, expected some of"), "{refused}");
    }
}
