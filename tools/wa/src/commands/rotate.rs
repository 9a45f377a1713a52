//! `wa rotate`

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::secrets::{LONGEST_USE, REREAD_AFTER};
use twilio_types::sid::AccountSid;

use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    rotation::{RotationStep, TokenStatus, plan},
    session::Session,
};

mod api_key;
mod token_store;
mod tokens_at_twilio;
mod work;

use token_store::{TokenStore, fingerprint};
use tokens_at_twilio::TokensAtTwilio;
use work::{ObservedTokens, Rotation};

/// A function reads the secret again when a signature does not match or Twilio refuses its credentials, at most once in 30 s.
/// A function that read the secret just before the new token was stored refuses webhooks that the new token signed until it
/// may read again. After this time no function can be in that state.
const SETTLE_SECONDS: u64 = REREAD_AFTER.as_secs() + 1;

#[derive(clap::Args)]
#[command(after_help = "\
Creates a secondary auth token at Twilio, stores both, waits until every function accepts webhooks that the new one signed,
promotes it, tries it, and removes the old one from the secret. If it was interrupted, run it again: it continues.
Running functions accept what the old one signed until they have read the secret again, for five
minutes by default (SecretMaxAgeSeconds); the last line says until when. From the promotion on Twilio refuses other programs that use the old token. Do not change the
secret or the account's tokens in another way meanwhile.

With --api-key it replaces the API key instead, with which the functions call Twilio: it creates a key with the same permissions,
tries it, stores it, waits until no function uses the old one, and deletes that at Twilio.

Example:
  wa rotate --dry-run
  wa rotate --api-key")]
pub struct RotateArguments {
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// For how many seconds functions may use the secret that they have read [default: 31; with --api-key
    /// `SecretMaxAgeSeconds` and a minute]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    settle: Option<u64>,
    /// Delete a secondary token that the secret does not hold; --yes does not include it
    #[arg(long)]
    replace_secondary: bool,
    #[command(flatten)]
    key: KeyFlags,
}

#[derive(clap::Args)]
struct KeyFlags {
    /// Replace the API key, and not the auth token
    #[arg(long, conflicts_with = "replace_secondary")]
    api_key: bool,
    /// With --api-key: do not delete the old key, which other programs use
    #[arg(long, requires = "api_key")]
    keep_old_key: bool,
}

/// What was done. The fields are those of the JSON output.
#[derive(Serialize)]
struct RotationSummary {
    account_sid: AccountSid,
    /// The fingerprint of the token that Twilio signs with now.
    token: String,
    /// Whether this run changed the token.
    rotated: bool,
    /// Until when running functions may accept webhooks that the old token signed, if they can read the secret then.
    old_token_accepted_until: Timestamp,
    steps: Vec<&'static str>,
}

#[derive(Serialize)]
struct PlannedStep {
    step: &'static str,
}

/// Rotates the token, or shows the steps.
pub async fn run(arguments: &RotateArguments, session: &Session) -> Result<(), CommandError> {
    let account_sid = session.account_sid().await?;
    let client = aws_sdk_secretsmanager::Client::new(session.aws().await?);
    let arn = session.stack().await?.output("TwilioSecretArn")?.to_owned();
    if arguments.key.api_key {
        let store = TokenStore::new(client, arn, account_sid.clone());
        return api_key::run(arguments, session, account_sid, store).await;
    }
    let rotation = Rotation {
        session,
        twilio: TokensAtTwilio::new(session.twilio_client().await?, account_sid.clone()),
        store: TokenStore::new(client, arn, account_sid.clone()),
        settle: Duration::from_secs(arguments.settle.unwrap_or(SETTLE_SECONDS)),
        replace_secondary: arguments.replace_secondary,
    };
    let observed = rotation.observe().await?;
    print_statuses(session, &observed);
    if arguments.dry_run {
        return show_plan(session, &observed);
    }
    session.announce_change().await?;
    ask(session, &account_sid, &observed)?;
    let (observed, steps) = rotation.run(observed).await?;
    let max_age = session.stack().await?.secret_max_age;
    // The secret was written last of all, a moment ago.
    let max_age = SignedDuration::try_from(Duration::from(max_age)).unwrap_or_default();
    let accepted_until = Timestamp::now().saturating_add(max_age).unwrap_or(Timestamp::MAX);
    show_summary(session, account_sid, &observed, &steps, accepted_until)
}

fn print_statuses(session: &Session, observed: &ObservedTokens) {
    for (token, status) in observed.secret.tokens.iter().zip(&observed.statuses) {
        let status = match status {
            TokenStatus::Accepted => "is accepted by Twilio",
            TokenStatus::Refused => "is refused by Twilio",
        };
        session.terminal.note(&format!("The secret's token {} {status}", fingerprint(token)));
    }
}

/// Asks once, before anything is changed.
fn ask(session: &Session, account_sid: &AccountSid, observed: &ObservedTokens) -> Result<(), CommandError> {
    let steps = planned(observed)?;
    let consequence = if steps.iter().any(|step| step.changes_the_token()) {
        " From the promotion on Twilio refuses programs that still use the old token."
    } else {
        ""
    };
    let steps: Vec<_> = steps.into_iter().map(name).collect();
    let question = format!("Rotate the auth token of {account_sid}: {}?{consequence}", steps.join("; then "));
    session.terminal.confirm(&question)
}

fn show_plan(session: &Session, observed: &ObservedTokens) -> Result<(), CommandError> {
    let planned: Vec<_> = planned(observed)?.into_iter().map(|step| PlannedStep { step: name(step) }).collect();
    if session.output.format() != Format::Table {
        return session.output.table(&PropertyTable::new(&["step"], planned)?);
    }
    let mut numbered = planned.iter().enumerate().map(|(index, PlannedStep { step })| format!("{}. {step}", index + 1));
    numbered.try_for_each(|line| session.output.line(&line))
}

fn show_summary(
    session: &Session,
    account_sid: AccountSid,
    observed: &ObservedTokens,
    steps: &[RotationStep],
    accepted_until: Timestamp,
) -> Result<(), CommandError> {
    let token = observed.secret.tokens.first().map(fingerprint).unwrap_or_default();
    let rotated = steps.iter().any(|step| step.changes_the_token());
    if session.output.format() == Format::Table {
        let finished = "An earlier rotation was finished; run again to change the token.\n";
        let finished = if rotated { "" } else { finished };
        let minutes = LONGEST_USE.as_secs() / 60;
        let line = format!(
            "{finished}{account_sid} signs with the token {token}, and the secret holds no other. Functions that are running \
             may accept webhooks that the old token signed until {accepted_until:.0}. If they cannot read the secret then, \
             an alarm rings, and they accept them for up to {minutes} minutes after they last read it."
        );
        return session.output.line(&line);
    }
    let steps = steps.iter().copied().map(name).collect();
    let summary = RotationSummary { account_sid, token, rotated, old_token_accepted_until: accepted_until, steps };
    let properties = ["account_sid", "token", "rotated", "old_token_accepted_until", "steps"];
    session.output.one(&PropertyTable::new(&properties, [summary])?)
}

/// All steps up to the end, if the end can be reached.
fn planned(observed: &ObservedTokens) -> Result<Vec<RotationStep>, CommandError> {
    let steps = plan(&observed.statuses);
    if let Some(RotationStep::Stop(blocked)) = steps.last() {
        return Err(CommandError::refused(blocked.to_string()));
    }
    Ok(steps.into_iter().filter(|step| *step != RotationStep::Done).collect())
}

/// The step in words, which are a part of the JSON output.
const fn name(step: RotationStep) -> &'static str {
    match step {
        RotationStep::Create => "make a secondary token at Twilio and store both",
        RotationStep::Promote => "wait until the functions take what it signs, try both, and promote it",
        RotationStep::PutFirst(_) => "put the token that Twilio lets in before the other",
        RotationStep::Drop => "try the token that counts, and take the refused one out of the secret",
        RotationStep::Done => "nothing",
        RotationStep::Stop(_) => "stop",
    }
}
