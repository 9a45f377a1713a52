//! `wa pause` and `wa resume`

use std::time::Duration;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use domain::{
    notification::Category,
    pause::{Pause, PauseScope, Pauses},
};
use jiff::Timestamp;
use serde::Serialize;
use stores::pauses::{MAX_PAUSES, MAX_REASON_CHARS, PauseOutcome};
use tokio::time::timeout;

use crate::{
    completion,
    error::CommandError,
    output::{Format, PropertyTable, readable},
    session::Session,
};

const CALLER_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Within 10 seconds nothing more of it is sent. Nothing is lost: notifications wait with `waits_for: pause`, and are sent after
`wa resume`, unless they expire before. What Twilio has accepted already cannot be paused.

A SCOPE is all, an account (AC...), a sender (whatsapp:+14155238886), a Messaging Service (MG..., or sms:MG... for its SMS
alone), email, or a category (marketing, utility, authentication, service). Without a SCOPE: shows what is paused.

Example:
  wa pause marketing --reason 'wrong price in the November offer'
  wa pause whatsapp:+14155238886 whatsapp:+14155238887
  wa pause all"
)]
pub struct PauseArguments {
    #[command(subcommand)]
    command: Option<PauseCommand>,
    /// What to pause
    #[arg(value_parser = scope, value_name = "SCOPE", add = ArgValueCandidates::new(completion::pause_scopes))]
    scopes: Vec<PauseScope>,
    /// The reason, for people who look it up later
    #[arg(long, value_parser = reason, value_name = "TEXT", requires = "scopes")]
    reason: Option<String>,
}

#[derive(Subcommand)]
enum PauseCommand {
    /// Show what is paused
    #[command(after_help = "Example:\n  wa pause list --output json")]
    List,
}

#[derive(clap::Args)]
#[command(after_help = "\
What waited is sent within two minutes, at the rate of its sender. The count of failures that may have paused a sender begins
again. A SCOPE is as for `wa pause`; `wa pause list` shows what is paused.

Example:
  wa resume marketing")]
pub struct ResumeArguments {
    /// What to resume
    #[arg(required = true, value_parser = scope, value_name = "SCOPE", add = ArgValueCandidates::new(completion::pause_scopes))]
    scopes: Vec<PauseScope>,
}

/// A scope as people write it, or as the table has it (`sender#MG...`).
fn scope(text: &str) -> Result<PauseScope, String> {
    let candidates = [text.to_owned(), format!("account#{text}"), format!("sender#{text}"), format!("category#{text}")];
    candidates.iter().find_map(|candidate| candidate.parse().ok()).ok_or_else(|| {
        "expected all, an account (AC...), a sender (whatsapp:+14155238886), a Messaging Service (MG... or sms:MG...), \
         email, or a category (marketing, utility, authentication, service)"
            .to_owned()
    })
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = (1..=MAX_REASON_CHARS).contains(&text.chars().count());
    if fits { Ok(text.to_owned()) } else { Err(format!("expected 1 to {MAX_REASON_CHARS} characters")) }
}

/// A scope as people write it.
fn argument(scope: &PauseScope) -> String {
    match scope {
        PauseScope::All => "all".to_owned(),
        PauseScope::Account(account_sid) => account_sid.to_string(),
        PauseScope::Sender(sender) => sender.clone(),
        PauseScope::Category(category) => category.as_str().to_owned(),
    }
}

/// What a scope covers, as the subject of a sentence.
fn subject(scope: &PauseScope) -> String {
    match scope {
        PauseScope::All => "everything".to_owned(),
        PauseScope::Account(account_sid) => format!("the account {account_sid}"),
        PauseScope::Sender(sender) => format!("the sender {sender}"),
        PauseScope::Category(Category::Service) => "the category service".to_owned(),
        PauseScope::Category(category) => category.as_str().to_owned(),
    }
}

/// A pause in a sentence, and the command that ends it.
pub(super) fn describe(pause: &Pause) -> (String, String) {
    let by = match (pause.is_automatic, pause.by.as_deref()) {
        (true, _) => " automatically".to_owned(),
        (false, Some(by)) => format!(" by {by}"),
        (false, None) => String::new(),
    };
    let reason = pause.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let what = format!("{} is paused since {:.0}{by}{reason}", subject(&pause.scope), pause.since);
    (what, format!("wa resume {}", argument(&pause.scope)))
}

pub async fn run(arguments: &PauseArguments, session: &Session) -> Result<(), CommandError> {
    if arguments.command.is_some() || arguments.scopes.is_empty() {
        let pauses = session.pauses().await?.get().await?;
        return list(session, &pauses);
    }
    session.announce_change().await?;
    let store = session.pauses().await?;
    let by = caller(session).await;
    let mut rows = Vec::new();
    for scope in &arguments.scopes {
        let pause = Pause {
            scope: scope.clone(),
            since: Timestamp::now(),
            by: by.clone(),
            reason: arguments.reason.clone(),
            is_automatic: false,
        };
        let outcome = store.pause(&pause).await.map_err(|error| interrupted_by(error.into(), &rows))?;
        rows.push(match outcome {
            PauseOutcome::Paused => PauseRow::new(&pause, true),
            PauseOutcome::AlreadyPaused(before) => PauseRow::new(&before, false),
            PauseOutcome::Full => {
                let full =
                    format!("there are {MAX_PAUSES} pauses already: end one with `wa resume`, or pause an account");
                return Err(interrupted_by(CommandError::refused(full), &rows));
            }
        });
    }
    show(session, rows)
}

/// Ends pauses. A scope that is not paused is an error after all others were resumed.
pub async fn resume(arguments: &ResumeArguments, session: &Session) -> Result<(), CommandError> {
    session.announce_change().await?;
    let restores = session.restores().await?;
    for scope in &arguments.scopes {
        if restores.get(scope).await?.is_some() {
            return Err(CommandError::refused(format!(
                "{} is stopped by a restore of the tables: `wa restore end` ends that",
                subject(scope)
            )));
        }
    }
    let (store, health) = (session.pauses().await?, session.route_health().await?);
    let mut rows = Vec::new();
    let mut unknown = Vec::new();
    for scope in &arguments.scopes {
        if let PauseScope::Sender(rate_key) = scope {
            health.forget(rate_key).await?;
        }
        match store.resume(scope).await.map_err(|error| interrupted_by(error.into(), &rows))? {
            Some(pause) => rows.push(PauseRow::resumed(&pause, Timestamp::now())),
            None => unknown.push(argument(scope)),
        }
    }
    show(session, rows)?;
    let left = store.get().await?;
    for pause in left.iter() {
        session.terminal.note(&format!("still paused: {}", describe(pause).0));
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(CommandError::not_found(format!("not paused: {}. `wa pause list` shows what is", unknown.join(", "))))
}

/// The ARN of the caller, or the name of the user where AWS does not say it soon: a brake has to work at once.
pub(super) async fn caller(session: &Session) -> Option<String> {
    let sts = aws_sdk_sts::Client::new(session.aws().await.ok()?);
    let identity = timeout(CALLER_TIMEOUT, sts.get_caller_identity().send()).await;
    let arn = identity.ok().and_then(|answer| answer.ok()?.arn);
    arn.or_else(|| std::env::var("USER").ok())
}

fn interrupted_by(error: CommandError, done: &[PauseRow]) -> CommandError {
    if done.is_empty() { error } else { error.after(format!("{} were done before", done.len())) }
}

/// A pause, or what became of it.
#[derive(Serialize)]
struct PauseRow {
    /// As `wa pause` takes it.
    scope: String,
    state: &'static str,
    changed: bool,
    since: Timestamp,
    by: Option<String>,
    reason: Option<String>,
    is_automatic: bool,
    /// The same in words, for people.
    #[serde(skip)]
    summary: String,
}

impl PauseRow {
    fn new(pause: &Pause, changed: bool) -> Self {
        let (what, remedy) = describe(pause);
        let summary = if changed {
            format!("{}: paused. Nothing of it is sent in 10 s. `{remedy}` ends the pause", argument(&pause.scope))
        } else {
            format!("unchanged: {what}")
        };
        let Pause { scope, since, by, reason, is_automatic } = pause.clone();
        Self { scope: argument(&scope), state: "paused", changed, since, by, reason, is_automatic, summary }
    }

    fn resumed(pause: &Pause, now: Timestamp) -> Self {
        let minutes = now.duration_since(pause.since).as_mins();
        let summary = format!("{}: resumed after {minutes} min", argument(&pause.scope));
        Self { state: "resumed", summary, ..Self::new(pause, true) }
    }
}

const COLUMNS: [&str; 5] = ["scope", "since", "by", "is_automatic", "reason"];

fn list(session: &Session, pauses: &Pauses) -> Result<(), CommandError> {
    let rows: Vec<_> = pauses.iter().map(|pause| PauseRow::new(pause, false)).collect();
    if rows.is_empty() && session.output.format() == Format::Table {
        return session.output.line("nothing is paused");
    }
    session.output.table(&PropertyTable::new(&COLUMNS, rows)?)
}

fn show(session: &Session, rows: Vec<PauseRow>) -> Result<(), CommandError> {
    if session.output.format() == Format::Table {
        return rows.iter().try_for_each(|row| session.output.line(&readable(&row.summary)));
    }
    let columns = ["scope", "state", "changed", "since", "by", "is_automatic", "reason"];
    session.output.table(&PropertyTable::new(&columns, rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";
    const SERVICE: &str = "MG00000000000000000000000000000001";

    #[test]
    fn scope_is_written_without_its_kind() {
        let sms = format!("sms:{SERVICE}");
        for (text, stored) in [
            ("all", "all".to_owned()),
            (ACCOUNT, format!("account#{ACCOUNT}")),
            ("whatsapp:+14155238886", "sender#whatsapp:+14155238886".to_owned()),
            (SERVICE, format!("sender#{SERVICE}")),
            (&sms, format!("sender#{sms}")),
            ("email", "sender#email".to_owned()),
            ("marketing", "category#marketing".to_owned()),
        ] {
            let parsed = scope(text).unwrap();
            assert_eq!(parsed.to_string(), stored);
            assert_eq!(argument(&parsed), text);
            assert_eq!(scope(&stored).unwrap(), parsed, "as the table has it");
        }
        for text in ["", "everything", "+14155238886", "AC1", "Marketing"] {
            assert!(scope(text).unwrap_err().starts_with("expected all, an account"), "{text}");
        }
    }

    #[test]
    fn pause_is_described_with_who_and_why() {
        let pause = Pause {
            scope: scope("marketing").unwrap(),
            since: "2026-11-25T10:00:00.5Z".parse().unwrap(),
            by: Some("arn:aws:iam::123456789012:user/ava".to_owned()),
            reason: Some("wrong price".to_owned()),
            is_automatic: false,
        };
        let (what, remedy) = describe(&pause);
        assert_eq!(
            what,
            "marketing is paused since 2026-11-25T10:00:00Z by arn:aws:iam::123456789012:user/ava: wrong price"
        );
        assert_eq!(remedy, "wa resume marketing");
        let automatic = Pause { scope: scope("all").unwrap(), by: None, reason: None, is_automatic: true, ..pause };
        assert_eq!(describe(&automatic).0, "everything is paused since 2026-11-25T10:00:00Z automatically");
    }

    #[test]
    fn reason_has_a_length() {
        assert_eq!(reason("  wrong price ").unwrap(), "wrong price");
        assert!(reason(" ").is_err());
        assert!(reason(&"a".repeat(MAX_REASON_CHARS + 1)).is_err());
    }
}
