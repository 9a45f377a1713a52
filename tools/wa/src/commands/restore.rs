//! `wa restore`: after tables were restored to an earlier time, sending stays stopped until what happened since is brought back.

use std::time::Duration;

use clap::Subcommand;
use domain::pause::{Pause, PauseScope};
use jiff::{SignedDuration, Timestamp};
use stores::{
    pauses::PauseOutcome,
    restores::{Restore, RestoreBeginning},
};

use crate::{
    commands::pause::caller,
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
    table_recorder::Mode,
};

mod consents;
mod copy;
mod evidence;
mod recovery;
mod unnamed;

use recovery::{Recovery, RecoveryReport};

/// When nothing is being sent any more: a pause holds within 10 s, and the lease of a claim lasts 60 s.
const SENDING_ENDS_WITHIN: SignedDuration = SignedDuration::from_secs(75);

#[derive(Subcommand)]
pub enum RestoreCommand {
    /// Stop sending, before a table is restored
    #[command(after_help = "\
Nothing more is sent until `wa restore end`; `wa resume` does not end this. With --account-sid it is about that account alone.

Example:
  wa restore begin --to 2026-11-20T09:00:00Z")]
    Begin(BeginArguments),
    /// Copy the items of a table that a point-in-time recovery made into the stack's table
    #[command(after_help = "\
A recovery makes a new table. Its items are written over those of the stack's table, which keeps its stream and its settings.

Example:
  wa restore copy --table contacts --from whatsapp-contacts-restored")]
    Copy(copy::CopyArguments),
    /// Bring back what happened since, from the archive and from Twilio's list
    #[command(after_help = "\
Opt-outs, opt-ins, consents, messages and statuses are recorded again, notifications that were sent are marked as sent, and those that may
have been sent are held. It may be run again at any time: what is there already changes nothing.

Example:
  wa restore apply")]
    Apply,
    /// Look whether something is still missing; exit code 1 if so
    #[command(after_help = "Example:\n  wa restore check")]
    Check,
    /// Check, and send again if nothing is missing
    #[command(after_help = "Example:\n  wa restore end")]
    End,
}

#[derive(clap::Args)]
pub struct BeginArguments {
    /// The time to which the tables are restored, as in 2026-11-20T09:00:00Z; of several the earliest
    #[arg(long, value_name = "TIME")]
    to: Timestamp,
}

pub async fn run(command: &RestoreCommand, session: &Session) -> Result<(), CommandError> {
    match command {
        RestoreCommand::Begin(arguments) => begin(arguments.to, session).await,
        RestoreCommand::Copy(arguments) => copy(arguments, session).await,
        RestoreCommand::Apply => apply(session).await,
        RestoreCommand::Check => check(session).await.map(drop),
        RestoreCommand::End => end(session).await,
    }
}

/// What is restored: everything, or an account.
fn scope(session: &Session) -> PauseScope {
    session.named_account().cloned().map_or(PauseScope::All, PauseScope::Account)
}

async fn begin(to: Timestamp, session: &Session) -> Result<(), CommandError> {
    let now = Timestamp::now();
    if to >= now {
        return Err(CommandError::usage("--to has to be in the past"));
    }
    session.announce_change().await?;
    let scope = scope(session);
    let by = caller(session).await;
    // The pause comes first: without it nothing protects anybody.
    let reason = Some(format!("the tables are restored to {to}: `wa restore end` ends this"));
    let pause = Pause { scope: scope.clone(), since: now, by: by.clone(), reason, is_automatic: false };
    if session.pauses().await?.pause(&pause).await? == PauseOutcome::Full {
        return Err(CommandError::refused("too many scopes are paused: `wa pause list` shows them"));
    }
    let restore = Restore { to, begun_at: now, by };
    match session.restores().await?.begin(&scope, &restore).await? {
        RestoreBeginning::Begun => {
            session.output.line("Sending is stopped. Restore the tables, and then run `wa restore apply`.")
        }
        RestoreBeginning::AlreadyBegun(other) if other.to == to => {
            session.output.line(&format!("unchanged: this restore has begun at {}", other.begun_at))
        }
        RestoreBeginning::AlreadyBegun(other) => Err(CommandError::refused(format!(
            "a restore to {} has begun at {}: end it first",
            other.to, other.begun_at
        ))),
    }
}

async fn current(session: &Session) -> Result<Restore, CommandError> {
    let restore = session.restores().await?.get(&scope(session)).await?;
    restore.ok_or_else(|| CommandError::not_found("no restore has begun: `wa restore begin --to TIME` begins one"))
}

/// Sending has to be stopped for as long as something is missing.
async fn require_pause(session: &Session) -> Result<(), CommandError> {
    let scope = scope(session);
    let pauses = session.pauses().await?.get().await?;
    if pauses.iter().any(|pause| pause.scope == scope) {
        return Ok(());
    }
    Err(CommandError::refused("sending is not paused: run `wa restore begin` again"))
}

async fn copy(arguments: &copy::CopyArguments, session: &Session) -> Result<(), CommandError> {
    session.announce_change().await?;
    current(session).await?;
    require_pause(session).await?;
    let items = copy::copy(arguments, session).await?;
    session.output.line(&format!("{items} items were copied."))
}

async fn apply(session: &Session) -> Result<(), CommandError> {
    session.announce_change().await?;
    let restore = current(session).await?;
    require_pause(session).await?;
    let stopped_at = restore.begun_at.saturating_add(SENDING_ENDS_WITHIN).unwrap_or(Timestamp::MAX);
    let left = Duration::try_from(stopped_at.duration_since(Timestamp::now())).unwrap_or_default();
    session.terminal.wait("Until no message is being sent", left).await;
    let report = Recovery::new(session, restore, Mode::Write).await?.run().await?;
    show(session, &report, "brought back")?;
    session.terminal.note("`wa restore check` looks whether something is still missing");
    Ok(())
}

async fn check(session: &Session) -> Result<Restore, CommandError> {
    let restore = current(session).await?;
    require_pause(session).await?;
    let report = Recovery::new(session, restore.clone(), Mode::OnlyLook).await?.run().await?;
    show(session, &report, "missing")?;
    if report.is_complete() {
        return Ok(restore);
    }
    Err(CommandError::answer_is_no("something is missing: `wa restore apply` brings it back"))
}

async fn end(session: &Session) -> Result<(), CommandError> {
    session.announce_change().await?;
    let restore = check(session).await?;
    let scope = scope(session);
    session.terminal.confirm(&format!("Nothing since {} is missing. Send again?", restore.to))?;
    session.pauses().await?.resume(&scope).await?;
    session.restores().await?.end(&scope).await?;
    session.output.line("Sending goes on. What waited is sent within two minutes.")
}

fn show(session: &Session, report: &RecoveryReport, what: &str) -> Result<(), CommandError> {
    let RecoveryReport { events, facts, consents, notifications, unnamed_messages, held, unreadable } = report;
    if *unreadable > 0 {
        session.terminal.warn(&format!("{unreadable} events or messages cannot be read: look at them by hand"));
    }
    if session.output.format() == Format::Table {
        session.output.line(&format!("{events} events read"))?;
        session.output.line(&format!("{what}: {facts} messages, statuses, opt-outs, opt-ins and consents"))?;
        session.output.line(&format!("{what}: {consents} consents and withdrawals"))?;
        session.output.line(&format!("{what}: {notifications} notifications that were sent or had ended"))?;
        return session.output.line(&format!(
            "{what}: {held} notifications held, for {unnamed_messages} messages at Twilio that no status names"
        ));
    }
    let columns = ["events", "facts", "consents", "notifications", "unnamed_messages", "held", "unreadable"];
    session.output.one(&PropertyTable::new(&columns, [report])?)
}
