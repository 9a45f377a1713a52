//! `wa consent`

use std::net::IpAddr;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use domain::{
    consent::{Consent, ConsentRequest, ConsentState},
    person::ConsentEffect,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use twilio_types::sid::AccountSid;

use crate::{
    completion,
    error::CommandError,
    output::{Format, PropertyTable},
    people::PersonAddress,
    session::Session,
};

#[derive(Subcommand)]
pub enum ConsentCommand {
    /// Record the proof that a person consented, or withdrew the consent
    Add(Box<AddConsentArguments>),
    /// Show what a person consented to, with every proof
    Show(ShowConsentArguments),
}

#[derive(clap::Args)]
#[command(after_help = "\
Example:
  wa consent add +14155550123 --category marketing --source shop-counter --text 'Send me offers on WhatsApp.'")]
pub struct AddConsentArguments {
    /// A number or a WhatsApp user id, with or without whatsapp: before it
    #[arg(value_name = "ADDRESS")]
    person: PersonAddress,
    /// The category of messages: marketing, utility, authentication or service
    #[arg(long, value_name = "CATEGORY", add = ArgValueCandidates::new(completion::categories))]
    category: String,
    /// Where the consent came from, as in checkout-form
    #[arg(long, value_name = "TEXT")]
    source: String,
    /// The text that the person agreed to, word for word; required unless it is withdrawn
    #[arg(long, value_name = "TEXT", required_unless_present = "withdraw")]
    text: Option<String>,
    /// The version of the text, as in 2026-11
    #[arg(long, value_name = "VERSION", requires = "text")]
    text_version: Option<String>,
    /// When, as in 2026-11-20T09:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The language of the text, as in pt-BR
    #[arg(long, value_name = "TAG")]
    locale: Option<String>,
    /// The IP address from which the person agreed
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// The browser with which the person agreed
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// The person withdrew the consent
    #[arg(long)]
    withdraw: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa consent show +14155550123")]
pub struct ShowConsentArguments {
    /// A number or a WhatsApp user id, with or without whatsapp: before it
    #[arg(value_name = "ADDRESS")]
    person: PersonAddress,
}

/// The consent that is current now, in the JSON of `PUT /contacts/{contact}/consent`.
#[derive(Serialize)]
struct ConsentRow {
    account_sid: AccountSid,
    contact: String,
    /// `current`, or `historic` if a newer proof is stored.
    recorded: &'static str,
    #[serde(flatten)]
    consent: Consent,
}

pub async fn run(command: &ConsentCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        ConsentCommand::Add(arguments) => add(arguments, session).await,
        ConsentCommand::Show(arguments) => show(arguments, session).await,
    }
}

/// Who records the proof: the principal under which AWS knows this command.
pub async fn recorded_by(session: &Session) -> Option<String> {
    let client = aws_sdk_sts::Client::new(session.aws().await.ok()?);
    client.get_caller_identity().send().await.ok()?.arn
}

async fn add(arguments: &AddConsentArguments, session: &Session) -> Result<(), CommandError> {
    let request =
        ConsentRequest::parse(&arguments.body(), Timestamp::now(), recorded_by(session).await).map_err(|invalid| {
            CommandError::usage(format!("--{}: {}", invalid.field.replace('_', "-"), invalid.problem))
        })?;
    session.announce_change().await?;
    let account_sid = session.account_sid().await?;
    let contact = arguments.person.key(&account_sid);
    let contacts = session.contacts().await?;
    let (recorded, consent) = match contacts.record_consent(&contact, &request.evidence, Timestamp::now()).await? {
        ConsentEffect::Current(consent) => ("current", consent),
        ConsentEffect::Historic(newer) => ("historic", newer),
    };
    if session.output.format() == Format::Table {
        let (category, at) = (consent.category.as_str(), consent.at);
        let state = consent.state.as_str();
        let note = if recorded == "current" { "" } else { "The proof is recorded, but a newer one counts. " };
        return session.output.line(&format!("{note}Consent to {category} is {state} since {at}."));
    }
    let contact = arguments.person.identity.as_str().to_owned();
    let row = ConsentRow { account_sid, contact, recorded, consent };
    session.output.one(&PropertyTable::new(&["contact", "recorded", "category", "state", "at", "evidence"], [row])?)
}

impl AddConsentArguments {
    /// The body of the API's request for the same: its rules are those of this command too.
    fn body(&self) -> String {
        let state = if self.withdraw { ConsentState::Withdrawn } else { ConsentState::Given };
        let ip = self.ip.map(|ip| ip.to_string());
        let fields = [
            ("category", Some(self.category.as_str())),
            ("state", Some(state.as_str())),
            ("source", Some(self.source.as_str())),
            ("text", self.text.as_deref()),
            ("text_version", self.text_version.as_deref()),
            ("at", self.at.as_deref()),
            ("locale", self.locale.as_deref()),
            ("ip", ip.as_deref()),
            ("user_agent", self.user_agent.as_deref()),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
        Value::Object(given.collect::<Map<_, _>>()).to_string()
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
        return session.output.line(&format!("{contact} has neither consented to anything nor withdrawn a consent."));
    }
    let proofs = overview.consents.iter().flat_map(|history| &history.evidence);
    let columns = ["category", "state", "at", "source", "text", "text_version", "locale", "recorded_at", "recorded_by"];
    session.output.table(&PropertyTable::new(&columns, proofs)?)
}
