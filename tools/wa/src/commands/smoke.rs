//! `wa smoke`: tries a stack from end to end with one phone, after a deployment.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use twilio_types::address::WhatsAppSender;

use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    people::PersonAddress,
    session::Session,
    whatsapp_senders::{only_sender, sender},
};

mod observer;
mod person;
mod picture;
mod steps;

use observer::Observer;
use person::Phone;
use steps::{SmokeRun, Step};

#[derive(clap::Args)]
#[command(after_help = "\
You need a phone with WhatsApp. The command asks you to write from it: any text first, which opens the service window, then STOP,
then START. Between them it sends you a text and a picture, and checks that nothing reaches you after STOP. It says of each step
what it saw: the event that your systems would get, the outcome of the notification, and how long that took.

No template is needed. Where the stack uses the sandbox in the place of Twilio, the sandbox plays the person.

Example:
  wa --stack whatsapp-production smoke --to +14155550123")]
pub struct SmokeArguments {
    /// The phone's number, or its WhatsApp user id
    #[arg(long, value_name = "ADDRESS")]
    to: PersonAddress,
    /// The sender to write to, as in whatsapp:+14155238886 [default: the account's only WhatsApp sender]
    #[arg(long, value_name = "SENDER", value_parser = sender)]
    sender: Option<WhatsAppSender>,
    /// For how many seconds each step is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Let the sandbox play the person, and end where there is none
    #[arg(long)]
    simulate: bool,
}

/// The result of a step. The fields are those of the JSON output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct StepReport {
    step: &'static str,
    result: StepResult,
    /// What was seen, or why it failed.
    seen: String,
    seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum StepResult {
    Passed,
    Failed,
    /// An earlier step failed.
    NotTried,
}

pub async fn run(arguments: &SmokeArguments, session: &Session) -> Result<(), CommandError> {
    let sender = match &arguments.sender {
        Some(sender) => sender.clone(),
        None => only_sender(session, "--sender").await?,
    };
    let to = arguments.to.at_twilio();
    let phone = Phone::find(session, &to, &sender, arguments.simulate).await?;
    session.announce_change().await?;
    if phone.is_real() {
        let stack = &session.stack().await?.name;
        let question =
            format!("Send a text and a picture from {stack} to {to}, and ask its owner to write STOP and START?");
        session.terminal.confirm(&question)?;
    }
    let run = SmokeRun {
        session,
        observer: Observer::start(session, to.identity.as_str(), Duration::from_secs(arguments.timeout)).await?,
        phone,
        sender,
        to: arguments.to.clone(),
    };
    let reports = examine(run).await;
    show(session, &reports)?;
    let failed = reports.iter().filter(|report| report.result == StepResult::Failed).count();
    if failed == 0 { Ok(()) } else { Err(CommandError::answer_is_no("the stack does not work from end to end")) }
}

/// Does the steps one after the other, until one fails.
async fn examine(mut run: SmokeRun<'_>) -> Vec<StepReport> {
    let mut reports: Vec<StepReport> = Vec::new();
    let (mut has_failed, mut is_opted_out) = (false, false);
    for step in Step::ALL {
        let begin = Timestamp::now();
        let done = if has_failed && !(step == Step::Start && is_opted_out) { None } else { Some(run.step(step).await) };
        let seconds = u64::try_from(Timestamp::now().duration_since(begin).as_secs()).unwrap_or_default();
        let (result, seen) = match done {
            None => (StepResult::NotTried, "an earlier step failed".to_owned()),
            Some(Ok(seen)) => (StepResult::Passed, seen),
            Some(Err(error)) => (StepResult::Failed, error.describe()),
        };
        has_failed |= result == StepResult::Failed;
        // A person who wrote STOP is asked to write START whatever happens.
        is_opted_out |= step == Step::Stop;
        let symbol = match result {
            StepResult::Passed => "✓",
            StepResult::Failed => "✗",
            StepResult::NotTried => "-",
        };
        run.session.terminal.note(&format!("{symbol} {}: {seen}", step.name()));
        reports.push(StepReport { step: step.name(), result, seen, seconds });
    }
    run.clean_up().await;
    reports
}

fn show(session: &Session, reports: &[StepReport]) -> Result<(), CommandError> {
    let table = PropertyTable::new(&["step", "result", "seconds", "seen"], reports)?;
    if session.output.format() == Format::Table {
        // The notes are on the standard error, and the summary on the standard output.
        session.output.line("")?;
    }
    session.output.table(&table)
}
