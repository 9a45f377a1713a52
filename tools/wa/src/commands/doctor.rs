//! `wa doctor`

use std::{io::Write as _, time::Duration};

use anstyle::{AnsiColor, Style};
use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use tokio::time::timeout;

use crate::{
    commands::media_key,
    error::CommandError,
    finding::{Finding, Level},
    output::{Format, PropertyTable, readable},
    session::Session,
};

mod alerts;
mod api_limits;
mod aws;
mod clock;
mod concurrency;
mod keys;
mod keywords;
mod pauses;
mod queues;
mod templates;
mod tenants;
mod webhooks;

/// Longer than any check takes that is going to get an answer. The checks run concurrently.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
#[command(after_help = "\
Checks the AWS credentials, the stack, its secret, Twilio's credentials, the webhook URLs set at Twilio, a webhook that it
posts itself (without effect), Twilio's debugger, the configured keywords, the tenants document, what is paused, the templates, the queues, the account's concurrency, the
limits of the API, the domain of media links, the alarms and the clocks. Exit code 1: something is wrong.

Example:
  wa doctor --fix")]
pub struct DoctorArguments {
    /// Set the Messaging Service's webhook URLs to the stack's own, after asking
    #[arg(long)]
    fix: bool,
}

/// Checks everything, and prints the findings.
pub async fn run(arguments: &DoctorArguments, session: &Session) -> Result<(), CommandError> {
    if arguments.fix {
        // What is asked next follows from these findings.
        for found in webhooks::check(session).await? {
            session.terminal.note(&format!("{} {}  {}", found.finding.symbol(), found.check, found.what));
        }
        webhooks::fix(session).await?;
    }
    let findings = examine(session).await;
    show(session, &findings)?;
    let wrong = findings.iter().filter(|found| found.finding == Level::Wrong).count();
    match wrong {
        0 => Ok(()),
        1 => Err(CommandError::answer_is_no("1 thing is wrong")),
        more => Err(CommandError::answer_is_no(format!("{more} things are wrong"))),
    }
}

/// The name of a check, and its findings or why there are none.
type Check<'a> = (&'static str, BoxFuture<'a, Result<Vec<Finding>, CommandError>>);

async fn examine(session: &Session) -> Vec<Finding> {
    let first: [Check<'_>; 2] =
        [(aws::CREDENTIALS, aws::credentials(session).boxed()), (aws::STACK, aws::stack(session).boxed())];
    let mut findings = run_all(first.into_iter().collect()).await;
    // The other checks find what they look at through the stack.
    if session.stack().await.is_err() {
        return findings;
    }
    let others: [Check<'_>; 15] = [
        (keys::SECRET, keys::secret(session).boxed()),
        (keys::TWILIO, keys::twilio(session).boxed()),
        (webhooks::CHECK, webhooks::check(session).boxed()),
        (keys::SIGNATURE, keys::signature(session).boxed()),
        (alerts::CHECK, alerts::check(session).boxed()),
        (keywords::CHECK, keywords::check(session).boxed()),
        (tenants::CHECK, tenants::check(session).boxed()),
        (pauses::CHECK, pauses::check(session).boxed()),
        (templates::CHECK, templates::check(session).boxed()),
        (queues::CHECK, queues::check(session).boxed()),
        (concurrency::CHECK, concurrency::check(session).boxed()),
        (api_limits::CHECK, api_limits::check(session).boxed()),
        (media_key::CHECK, media_key::check(session).boxed()),
        (aws::ALARMS, aws::alarms(session).boxed()),
        (clock::CHECK, clock::check(session).boxed()),
    ];
    findings.extend(run_all(others.into_iter().collect()).await);
    findings
}

async fn run_all(checks: Vec<Check<'_>>) -> Vec<Finding> {
    let ended = checks.into_iter().map(async |(name, check)| match timeout(CHECK_TIMEOUT, check).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => {
            // The error itself says what would be right.
            vec![Finding { fix: None, command: None, ..Finding::wrong(name, error.describe(), "", "") }]
        }
        Err(_) => vec![Finding::not_checked(name, format!("no answer within {} s", CHECK_TIMEOUT.as_secs()))],
    });
    join_all(ended).await.concat()
}

fn show(session: &Session, findings: &[Finding]) -> Result<(), CommandError> {
    if session.output.format() != Format::Table {
        return session.output.table(&PropertyTable::new(&["check", "finding", "what", "fix", "command"], findings)?);
    }
    let width = findings.iter().map(|found| found.check.len()).max().unwrap_or_default();
    let mut stdout = anstream::stdout().lock();
    for Finding { check, finding, what, fix, command } in findings {
        let style = style(*finding);
        writeln!(stdout, "{style}{}{style:#} {check:width$}  {}", finding.symbol(), readable(what))?;
        if let Some(fix) = fix {
            writeln!(stdout, "  {:width$}  fix: {}", "", readable(fix))?;
        }
        if let Some(command) = command {
            writeln!(stdout, "  {:width$}  run: {}", "", readable(command))?;
        }
    }
    Ok(())
}

fn style(level: Level) -> Style {
    match level {
        Level::Ok => AnsiColor::Green.on_default(),
        Level::Warning | Level::NotChecked => AnsiColor::Yellow.on_default(),
        Level::Wrong => AnsiColor::Red.on_default(),
    }
}
