//! `wa doctor`

use std::{io::Write as _, time::Duration};

use anstyle::{AnsiColor, Style};
use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use tokio::time::timeout;

use crate::{
    exit::CommandError,
    finding::{Finding, Level},
    output::{Format, PropertyTable, readable},
    session::Session,
};

mod aws;
mod clock;
mod keys;
mod queues;
mod webhooks;

/// Longer than anything takes that is going to answer: the checks run side by side.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Looks at the AWS credentials, the stack, its secret, Twilio's credentials, the webhook URLs set at Twilio, a webhook of its
own (without effect), the queues, the alarms and the clocks. Exit code 1: something is wrong.

Example:
  wa doctor --fix")]
pub struct DoctorArguments {
    /// Set the Messaging Service's webhook URLs to the stack's own, after asking
    #[arg(long)]
    fix: bool,
}

/// Examines everything, and says what was found.
pub async fn run(arguments: &DoctorArguments, session: &Session) -> Result<(), CommandError> {
    if arguments.fix {
        webhooks::mend(session).await?;
    }
    let findings = examine(session).await;
    show(session, &findings)?;
    let wrong = findings.iter().filter(|found| found.finding == Level::Wrong).count();
    match wrong {
        0 => Ok(()),
        1 => Err(CommandError::No("1 thing is wrong".to_owned())),
        more => Err(CommandError::No(format!("{more} things are wrong"))),
    }
}

/// A check by its name, and what it gives: findings, or why there are none.
type Check<'a> = (&'static str, BoxFuture<'a, Result<Vec<Finding>, CommandError>>);

async fn examine(session: &Session) -> Vec<Finding> {
    let first: [Check<'_>; 2] =
        [(aws::CREDENTIALS, aws::credentials(session).boxed()), (aws::STACK, aws::stack(session).boxed())];
    let mut findings = run_all(first.into_iter().collect()).await;
    // Without the stack nothing else is known where to look for.
    if session.stack().await.is_err() {
        return findings;
    }
    let others: [Check<'_>; 7] = [
        (keys::SECRET, keys::secret(session).boxed()),
        (keys::TWILIO, keys::twilio(session).boxed()),
        (webhooks::CHECK, webhooks::check(session).boxed()),
        (keys::SIGNATURE, keys::signature(session).boxed()),
        (queues::CHECK, queues::check(session).boxed()),
        (aws::ALARMS, aws::alarms(session).boxed()),
        (clock::CHECK, clock::check(session).boxed()),
    ];
    findings.extend(run_all(others.into_iter().collect()).await);
    findings
}

async fn run_all(checks: Vec<Check<'_>>) -> Vec<Finding> {
    let ended = checks.into_iter().map(async |(name, check)| match timeout(PATIENCE, check).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(failure)) => {
            // A failure says itself what is right.
            vec![Finding { check: name, finding: Level::Wrong, what: failure.to_string(), fix: None }]
        }
        Err(_) => vec![Finding::not_checked(name, format!("no answer within {} s", PATIENCE.as_secs()))],
    });
    join_all(ended).await.concat()
}

fn show(session: &Session, findings: &[Finding]) -> Result<(), CommandError> {
    if session.output.format() != Format::Table {
        return session.output.table(&PropertyTable::new(&["check", "finding", "what", "fix"], findings)?);
    }
    let width = findings.iter().map(|found| found.check.len()).max().unwrap_or_default();
    let mut stdout = anstream::stdout().lock();
    for Finding { check, finding, what, fix } in findings {
        let style = style(*finding);
        writeln!(stdout, "{style}{}{style:#} {check:width$}  {}", finding.symbol(), readable(what))?;
        if let Some(fix) = fix {
            writeln!(stdout, "  {:width$}  fix: {}", "", readable(fix))?;
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
