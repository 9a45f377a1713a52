//! `wa consent`

use std::net::IpAddr;

use clap::Subcommand;
use domain::consent::{Consent, ConsentRequest, ConsentState};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use stores::contacts::ConsentOutcome;
use twilio_types::sid::AccountSid;

use crate::{
    exit::CommandError,
    output::{Format, PropertyTable},
    people::PersonAddress,
    session::Session,
};

/// What people agreed to.
#[derive(Debug, Subcommand)]
pub enum ConsentCommand {
    /// Keep the proof that a person agreed, or does not agree any more
    Add(Box<AddConsentArguments>),
    /// Show what a person agreed to, with every proof
    Show(ShowConsentArguments),
}

/// A proof.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  wa consent add +14155550123 --category marketing --source shop-counter --text 'Send me offers on WhatsApp.'")]
pub struct AddConsentArguments {
    /// A number or a WhatsApp user id, with or without whatsapp: before it
    #[arg(value_name = "ADDRESS")]
    person: PersonAddress,
    /// The messages it is about: marketing, utility, authentication or service
    #[arg(long, value_name = "CATEGORY")]
    category: String,
    /// Where it came from, as in checkout-form
    #[arg(long, value_name = "TEXT")]
    source: String,
    /// What was agreed to, word for word; required unless it is withdrawn
    #[arg(long, value_name = "TEXT", required_unless_present = "withdraw")]
    text: Option<String>,
    /// When, as in 2026-11-20T09:00:00Z; now where it is left out
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The language of the text, as in pt-BR
    #[arg(long, value_name = "TAG")]
    locale: Option<String>,
    /// From which address the person agreed
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// With which browser
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// The person does not agree any more
    #[arg(long)]
    withdraw: bool,
}

/// Whose.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wa consent show +14155550123")]
pub struct ShowConsentArguments {
    /// A number or a WhatsApp user id, with or without whatsapp: before it
    #[arg(value_name = "ADDRESS")]
    person: PersonAddress,
}

/// What holds now, as `PUT /contacts/{e164}/consent` answers.
#[derive(Debug, Serialize)]
struct ConsentRow {
    account_sid: AccountSid,
    contact: String,
    /// `current`, or `historic` where something newer holds.
    recorded: &'static str,
    #[serde(flatten)]
    consent: Consent,
}

/// Runs one.
pub async fn run(command: &ConsentCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        ConsentCommand::Add(arguments) => add(arguments, session).await,
        ConsentCommand::Show(arguments) => show(arguments, session).await,
    }
}

/// Who records it, for the proof: the principal that AWS knows this command as.
pub async fn recorded_by(session: &Session) -> Option<String> {
    let client = aws_sdk_sts::Client::new(session.aws().await.ok()?);
    client.get_caller_identity().send().await.ok()?.arn
}

async fn add(arguments: &AddConsentArguments, session: &Session) -> Result<(), CommandError> {
    let request =
        ConsentRequest::parse(&arguments.body(), Timestamp::now(), recorded_by(session).await).map_err(|invalid| {
            CommandError::Usage(format!("--{}: {}", invalid.field.replace('_', "-"), invalid.problem))
        })?;
    let account_sid = session.account_sid().await?;
    let contact = arguments.person.key(&account_sid);
    let (recorded, consent) = match session.contacts().await?.record_consent(&contact, &request.evidence).await? {
        ConsentOutcome::Current(consent) => ("current", consent),
        ConsentOutcome::Historic(newer) => ("historic", newer),
    };
    if session.output.format() == Format::Table {
        let (category, at) = (consent.category.as_str(), consent.at);
        let state = consent.state.as_str();
        let kept = if recorded == "current" { "" } else { "The proof is kept, and something newer holds. " };
        return session.output.line(&format!("{kept}Consent to {category} is {state} since {at}."));
    }
    let contact = arguments.person.identity.as_str().to_owned();
    let holding = ConsentRow { account_sid, contact, recorded, consent };
    session.output.one(&PropertyTable::new(&["contact", "recorded", "category", "state", "at", "evidence"], [holding])?)
}

impl AddConsentArguments {
    /// As the body of the API's request, whose rules hold here too.
    fn body(&self) -> String {
        let state = if self.withdraw { ConsentState::Withdrawn } else { ConsentState::Given };
        let ip = self.ip.map(|ip| ip.to_string());
        let fields = [
            ("category", Some(self.category.as_str())),
            ("state", Some(state.as_str())),
            ("source", Some(self.source.as_str())),
            ("text", self.text.as_deref()),
            ("at", self.at.as_deref()),
            ("locale", self.locale.as_deref()),
            ("ip", ip.as_deref()),
            ("user_agent", self.user_agent.as_deref()),
        ];
        let filled = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
        Value::Object(filled.collect::<Map<_, _>>()).to_string()
    }
}

async fn show(arguments: &ShowConsentArguments, session: &Session) -> Result<(), CommandError> {
    let account_sid = session.account_sid().await?;
    let overview = session.contacts().await?.overview(&arguments.person.key(&account_sid)).await?;
    if session.output.format() == Format::Json {
        return session.output.json(&overview.consents);
    }
    let contact = arguments.person.identity.as_str();
    if overview.consents.is_empty() && session.output.format() == Format::Table {
        return session.output.line(&format!("{contact} has agreed to nothing, nor withdrawn anything."));
    }
    let proofs = overview.consents.iter().flat_map(|history| &history.evidence);
    let columns = ["category", "state", "at", "source", "text", "locale", "recorded_at", "recorded_by"];
    session.output.table(&PropertyTable::new(&columns, proofs)?)
}
