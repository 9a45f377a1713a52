//! `wa messages create`

use domain::{contact_key::ContactKey, preference::Preference};
use reqwest::Method;
use serde_json::Value;
use twilio_types::address::Address;

use super::{check, show};
use crate::{
    exit::CommandError,
    output::Properties,
    session::Session,
    twilio::{Payload, Product, TwilioFailure},
};

const HELP: &str = "\
Past this system: no consent, window, quiet hours or rate is checked, nothing keeps it from being sent twice, and no
notification remembers it. Where the recipient has opted out, it asks first. What people are to be told goes with `wa send`.

Example:
  wa messages create --to whatsapp:+14155550123 --from whatsapp:+14155238886 --body 'Testing the sender'";

/// A message.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct CreateMessageArguments {
    /// The recipient, as in whatsapp:+14155550123; a plain number gets an SMS
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    /// The sender
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// The Messaging Service [default: the stack's, where there is no --from]
    #[arg(long, value_name = "SID")]
    messaging_service_sid: Option<String>,
    /// What it says
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
    /// Where Twilio reports its status
    #[arg(long, value_name = "URL")]
    status_callback: Option<String>,
    /// When Twilio is to send it, as in 2026-11-20T09:00:00Z; needs a Messaging Service
    #[arg(long, value_name = "TIME")]
    send_at: Option<jiff::Timestamp>,
    /// Seconds for which Twilio may try
    #[arg(long, value_name = "SECONDS")]
    validity_period: Option<u32>,
    #[command(flatten)]
    properties: Properties,
}

fn object(text: &str) -> Result<String, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(_)) => Ok(text.to_owned()),
        _ => Err("expected a JSON object, as in {\"1\": \"Ava\"}".to_owned()),
    }
}

pub(super) async fn run(arguments: &CreateMessageArguments, session: &Session) -> Result<(), CommandError> {
    check(&arguments.properties)?;
    ask(arguments, session).await?;
    let twilio = session.twilio().await?;
    let service = session.stack().await?.messaging_service_sid.as_ref().map(ToString::to_string);
    let path = twilio.of_account("Messages.json");
    let form = arguments.form(service);
    let created = twilio.call(Method::POST, Product::Api, &path, Payload::Form(&form)).await;
    let message = created.map_err(|failure| not_created(failure, &arguments.to))?;
    show(session, message, &arguments.properties)
}

/// Without an answer, or after a fault of Twilio's own, the message may be on its way: who tries again sends it twice.
fn not_created(failure: TwilioFailure, to: &Address) -> CommandError {
    match &failure {
        TwilioFailure::Refused(refusal) if refusal.status < 500 => failure.into(),
        _ => CommandError::NoAnswer(format!(
            "{failure}; it may have been created: look with `wa messages list --to {to}` before trying again"
        )),
    }
}

/// Whoever opted out is not written to by a slip of the hand.
async fn ask(arguments: &CreateMessageArguments, session: &Session) -> Result<(), CommandError> {
    let contact = ContactKey::new(&session.account_sid().await?, &arguments.to.identity);
    let overview = session.contacts().await?.overview(&contact).await?;
    let opted_out = overview.suppressions.iter().filter(|found| found.preference.preference == Preference::OptedOut);
    let wishes: Vec<_> =
        opted_out.map(|found| format!("{} since {}", found.channel, found.preference.changed_at)).collect();
    if wishes.is_empty() {
        return Ok(());
    }
    let to = &arguments.to;
    session.terminal.warn(&format!("{to} has opted out: {}", wishes.join(", ")));
    session.terminal.confirm(&format!("Write to {to} all the same?"))
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
            // Source: Twilio, "Message scheduling": `SendAt` goes with this type only.
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

    use super::*;
    use crate::twilio::Refusal;

    #[test]
    fn what_may_have_been_created_is_to_be_looked_for() {
        let refused = |status| TwilioFailure::Refused(Refusal { status, code: None, message: None, request_id: None });
        let timed_out = TwilioFailure::NoAnswer("timed out".to_owned());
        for (failure, code, may_be_there) in
            [(refused(400), 4, false), (refused(429), 5, false), (refused(503), 5, true), (timed_out, 5, true)]
        {
            let failure = not_created(failure, &"whatsapp:+14155550123".parse().unwrap());
            assert_eq!(failure.code(), code, "{failure}");
            let is_said = failure.to_string().contains("`wa messages list --to whatsapp:+14155550123`");
            assert_eq!(is_said, may_be_there, "{failure}");
        }
    }

    #[derive(Debug, clap::Parser)]
    struct CreateCommandLine {
        #[command(flatten)]
        arguments: CreateMessageArguments,
    }

    #[test]
    fn flags_become_twilio_s_parameters() {
        let form = |flags: &str| {
            let words = std::iter::once("create").chain(flags.split_whitespace());
            let arguments = CreateCommandLine::try_parse_from(words).unwrap().arguments;
            arguments.form(Some("MG1".to_owned())).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
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
