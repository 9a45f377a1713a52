//! `wa messages create`

use domain::{
    contact_key::ContactKey,
    json::{self, InvalidJson},
    preference::Preference,
};
use serde_json::Value;
use twilio_client::{ApiRequest, Product, TwilioError};
use twilio_types::address::Address;

use super::resource::{ShownProperties, check, show};
use crate::{error::CommandError, session::Session};

const HELP: &str = "\
Without this system's checks: not of consent, window, quiet hours or rate; nothing prevents a second message, and no
notification records it. It refuses a recipient who has opted out, unless --despite-opt-out is given. For notifications to people use `wa send`.

Example:
  wa messages create --to whatsapp:+14155550123 --from whatsapp:+14155238886 --body 'Testing the sender'";

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct CreateMessageArguments {
    /// The recipient, as in whatsapp:+14155550123; a plain number gets an SMS
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    /// The sender
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// The Messaging Service [default: the stack's, if there is no --from]
    #[arg(long, value_name = "SID")]
    messaging_service_sid: Option<String>,
    /// The text
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["media_url", "content_sid"])]
    body: Option<String>,
    /// The URL of a file (repeatable)
    #[arg(long, value_name = "URL")]
    media_url: Vec<String>,
    /// The template
    #[arg(long, value_name = "SID", conflicts_with_all = ["body", "media_url"])]
    content_sid: Option<String>,
    /// The template's variables, as a JSON object
    #[arg(long, value_name = "JSON", requires = "content_sid", value_parser = object)]
    content_variables: Option<String>,
    /// The URL to which Twilio reports the status
    #[arg(long, value_name = "URL")]
    status_callback: Option<String>,
    /// When Twilio should send it, as in 2026-11-20T09:00:00Z; needs a Messaging Service
    #[arg(long, value_name = "TIME")]
    send_at: Option<jiff::Timestamp>,
    /// For how many seconds Twilio may try
    #[arg(long, value_name = "SECONDS")]
    validity_period: Option<u32>,
    /// Send it although the recipient has opted out; --yes does not include it
    #[arg(long)]
    despite_opt_out: bool,
    #[command(flatten)]
    properties: ShownProperties,
}

fn object(text: &str) -> Result<String, String> {
    match json::value(text) {
        Ok(Value::Object(fields)) => Ok(Value::Object(fields).to_string()),
        Ok(_) => Err("expected a JSON object, as in {\"1\": \"Ava\"}".to_owned()),
        Err(InvalidJson { field, problem }) => Err(format!("{field}: {problem}")),
    }
}

pub(super) async fn run(arguments: &CreateMessageArguments, session: &Session) -> Result<(), CommandError> {
    check(&arguments.properties)?;
    session.announce_change().await?;
    ask(arguments, session).await?;
    let account = session.twilio().await?;
    let service = session.stack().await?.messaging_service_sid.as_ref().map(ToString::to_string);
    let path = account.resource_path("Messages.json");
    let created = account.call(ApiRequest::post(Product::Api, path).form(arguments.form(service))).await;
    show(session, created.map_err(|error| not_created(error, &arguments.to))?, &arguments.properties)
}

/// If the outcome is unknown, a second try may send the message twice.
fn not_created(error: TwilioError, to: &Address) -> CommandError {
    let hint = format!("it may have been created, so look with `wa messages list --to {to}` before trying again");
    match error {
        TwilioError::Unknown { .. } => CommandError::no_answer(hint).because(CommandError::from(error)),
        error => error.into(),
    }
}

/// Asks before a message to a person who has opted out, so that none is sent by mistake.
async fn ask(arguments: &CreateMessageArguments, session: &Session) -> Result<(), CommandError> {
    let contact = ContactKey::new(&session.account_sid().await?, &arguments.to.identity);
    let overview = session.contacts().await?.overview(&contact).await?;
    let opted_out = overview.suppressions.iter().filter(|found| found.preference.preference == Preference::OptedOut);
    let suppressions: Vec<_> =
        opted_out.map(|found| format!("{} since {}", found.channel, found.preference.changed_at)).collect();
    if suppressions.is_empty() {
        return Ok(());
    }
    let to = &arguments.to;
    let question = format!("{to} has opted out: {}. Send a message all the same?", suppressions.join(", "));
    session.terminal.confirm_override(&question, "--despite-opt-out", arguments.despite_opt_out)
}

impl CreateMessageArguments {
    fn form(&self, configured_service: Option<String>) -> Vec<(&'static str, String)> {
        let service = self.messaging_service_sid.clone();
        let service = service.or(configured_service.filter(|_| self.from.is_none()));
        let fields = [
            ("To", Some(self.to.to_string())),
            ("From", self.from.clone()),
            ("MessagingServiceSid", service),
            ("Body", self.body.clone()),
            ("ContentSid", self.content_sid.clone()),
            ("ContentVariables", self.content_variables.clone()),
            ("StatusCallback", self.status_callback.clone()),
            // Source: Twilio, "Message scheduling": `SendAt` needs this type.
            ("ScheduleType", self.send_at.map(|_| "fixed".to_owned())),
            ("SendAt", self.send_at.map(|at| at.to_string())),
            ("ValidityPeriod", self.validity_period.map(|seconds| seconds.to_string())),
        ];
        let media = self.media_url.iter().map(|url| ("MediaUrl", url.clone()));
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).chain(media).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use twilio_client::ErrorResponse;

    use super::*;

    #[test]
    fn only_an_unknown_outcome_asks_to_look_for_the_message() {
        let response = |status| ErrorResponse::new(status, None);
        let waiting = TwilioError::NotDone { retry_after: None, response: Some(response(429)), source: None };
        let unreachable = TwilioError::NotDone { retry_after: None, response: None, source: None };
        let failed = TwilioError::Unknown { response: Some(response(503)), source: None };
        let timed_out = TwilioError::Unknown { response: None, source: None };
        for (error, code, may_exist) in [
            (TwilioError::Rejected(response(400)), 4, false),
            (waiting, 5, false),
            (unreachable, 5, false),
            (failed, 5, true),
            (timed_out, 5, true),
        ] {
            let error = not_created(error, &"whatsapp:+14155550123".parse().unwrap());
            assert_eq!(error.code(), code, "{error}");
            let has_hint = error.describe().contains("`wa messages list --to whatsapp:+14155550123`");
            assert_eq!(has_hint, may_exist, "{error}");
        }
    }

    #[derive(clap::Parser)]
    struct CreateCommandLine {
        #[command(flatten)]
        arguments: CreateMessageArguments,
    }

    #[test]
    fn options_become_twilios_parameters() {
        let form = |options: &str| {
            let words = std::iter::once("create").chain(options.split_whitespace());
            let Ok(parsed) = CreateCommandLine::try_parse_from(words) else { panic!("{options}") };
            let form = parsed.arguments.form(Some("MG1".to_owned()));
            form.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        let made: Vec<String> = form("--to whatsapp:+14155550123 --body Hi --send-at 2026-11-20T09:00:00Z");
        let expected = [
            "To=whatsapp:+14155550123",
            "MessagingServiceSid=MG1",
            "Body=Hi",
            "ScheduleType=fixed",
            "SendAt=2026-11-20T09:00:00Z",
        ];
        assert_eq!(made, expected);
        let made: Vec<String> = form("--to +14155550123 --from +1415 --media-url https://a/1 --media-url https://a/2");
        assert_eq!(made, ["To=+14155550123", "From=+1415", "MediaUrl=https://a/1", "MediaUrl=https://a/2"]);
    }
}
