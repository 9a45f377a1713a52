//! `wa otp`

use clap::Subcommand;
use serde_json::{Map, Value, json};
use twilio_types::{address::E164, verification::VerificationChannel};

use crate::{error::CommandError, output::PropertyTable, own_api, session::Session};

#[derive(Subcommand)]
pub enum OtpCommand {
    /// Send a one-time password by Twilio Verify, on WhatsApp or else by SMS
    Send(SendCodeArguments),
    /// Check the code that a person entered
    Check(CheckCodeArguments),
}

#[derive(clap::Args)]
#[command(after_help = "\
The same --id sends nothing a second time. Each run without --id sends a code.

Example:
  wa otp send +14155550123 --locale pt-BR")]
pub struct SendCodeArguments {
    /// The phone number
    #[arg(value_name = "NUMBER")]
    to: E164,
    /// The only channel to try: whatsapp or sms [default: those of the stack, in their order]
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<VerificationChannel>,
    /// The language of the message, as in pt-BR
    #[arg(long, value_name = "TAG")]
    locale: Option<String>,
    /// The idempotency key
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

#[derive(clap::Args)]
#[command(after_help = "\
It ends with the exit code 1 if the code is wrong.

Example:
  wa otp check wa-01976b2e-0000-7000-8000-000000000000 004217")]
pub struct CheckCodeArguments {
    /// The id of `wa otp send`, or the number
    #[arg(value_name = "ID")]
    target: String,
    /// The code
    #[arg(value_name = "CODE")]
    code: String,
}

pub async fn run(command: &OtpCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        OtpCommand::Send(arguments) => send(arguments, session).await,
        OtpCommand::Check(arguments) => check(arguments, session).await,
    }
}

async fn send(arguments: &SendCodeArguments, session: &Session) -> Result<(), CommandError> {
    session.announce_change().await?;
    let SendCodeArguments { to, channel, locale, id } = arguments;
    let id = id.clone().unwrap_or_else(|| format!("wa-{}", uuid::Uuid::now_v7()));
    let request = [("id", json!(id)), ("to", json!(to)), ("channel", json!(channel)), ("locale", json!(locale))];
    let sent = own_api::post(session, "/verifications", &of_account(session, request)).await?;
    let columns = ["id", "channel", "status", "valid_until", "sid"];
    session.output.one(&PropertyTable::new(&columns, [sent])?)
}

async fn check(arguments: &CheckCodeArguments, session: &Session) -> Result<(), CommandError> {
    let CheckCodeArguments { target, code } = arguments;
    let name = if target.parse::<E164>().is_ok() { "to" } else { "id" };
    let request = [(name, json!(target)), ("code", json!(code))];
    let checked = own_api::post(session, "/verifications/check", &of_account(session, request)).await?;
    let is_right = checked.get("valid") == Some(&Value::Bool(true));
    session.output.one(&PropertyTable::new(&["status", "valid", "sid"], [checked])?)?;
    if is_right { Ok(()) } else { Err(CommandError::answer_is_no("the code is wrong")) }
}

/// With the account that `--account-sid` names, and without the fields that were not given.
fn of_account<const N: usize>(session: &Session, fields: [(&str, Value); N]) -> Value {
    let given = fields.into_iter().filter(|(_, value)| !value.is_null());
    let mut fields: Map<_, _> = given.map(|(name, value)| (name.to_owned(), value)).collect();
    if let Some(account_sid) = session.named_account() {
        fields.insert("account_sid".to_owned(), json!(account_sid));
    }
    Value::Object(fields)
}
