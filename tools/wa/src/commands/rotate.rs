//! `wa rotate`

use std::time::Duration;

use domain::digest::sha256_hex;
use indicatif::ProgressBar;
use jiff::Timestamp;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::time::{Instant, sleep};
use twilio_client::Credentials;
use twilio_types::sid::AccountSid;

use crate::{
    exit::CommandError,
    output::{Format, PropertyTable},
    rotation::{RotationStep, RunPhase, TokenStatus, next, plan},
    session::Session,
    terminal::Terminal,
    twilio::{Payload, Product, Refusal, Twilio, TwilioFailure},
    webhook_probe::{SignatureCheck, probe},
};

mod token_store;

use token_store::{AccountTokens, TokenStore};

/// A function reads the secret again when a signature fails or Twilio refuses its credentials, at most once in 30 s
/// (`shared::secrets`). A function that last read it before the new token was in it may do so again once that time is
/// over: from then on it takes what the new token signs at once, and until then it might refuse webhooks, which Twilio
/// does not send again.
const SETTLED: u64 = 31;
/// Twilio gives up on a webhook after 15 s (Twilio, "Webhooks connection overrides"): what was signed with the old token
/// has arrived by then.
const IN_FLIGHT: Duration = Duration::from_secs(15);
/// For a change at Twilio to be seen everywhere, and for a function to be let read the secret again.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(2);
/// The account's secondary token (Twilio, "Secondary Auth Token").
const SECONDARY: &str = "/v1/AuthTokens/Secondary";

/// How to rotate.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes a secondary auth token at Twilio, stores both, waits until every function must take what the new one signs, promotes
it, tries it, and takes the old one out of the secret. Interrupted anywhere, it goes on where it was when it is run again.
API keys are not touched. Other programs that use the old token are refused by Twilio from the promotion on. Nobody else
may change the secret or the account's tokens meanwhile.

Example:
  wa rotate --dry-run")]
pub struct RotateArguments {
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// For so many seconds the functions may go on with the secret that they have
    #[arg(long, default_value_t = SETTLED, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    settle: u64,
    /// Delete a secondary token that the secret does not hold; --yes does not cover it
    #[arg(long)]
    replace_secondary: bool,
}

/// What was done, or would be.
#[derive(Debug, Serialize)]
struct RotationSummary {
    account_sid: AccountSid,
    /// The first characters of the SHA-256 of the token that counts now.
    token: String,
    /// Whether it is another one than before, by this run.
    rotated: bool,
    steps: Vec<&'static str>,
}

/// A step that would be done.
#[derive(Debug, Serialize)]
struct PlannedStep {
    step: &'static str,
}

/// What became of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promotion {
    Done,
    /// The secret or the standings are no longer what it was decided on: nothing was promoted.
    Outdated,
}

/// A rotation under way.
struct Rotation<'a> {
    session: &'a Session,
    twilio: Twilio,
    vault: TokenStore,
    settle: Duration,
    replace_secondary: bool,
}

/// The secret, and what Twilio says to its tokens.
struct ObservedTokens {
    held: AccountTokens,
    standings: Vec<TokenStatus>,
}

/// Rotates, or shows how.
pub async fn run(arguments: &RotateArguments, session: &Session) -> Result<(), CommandError> {
    let account_sid = session.account_sid().await?;
    let client = aws_sdk_secretsmanager::Client::new(session.aws().await?);
    let arn = session.stack().await?.output("TwilioSecretArn")?.to_owned();
    let nobody = Credentials { username: String::new(), password: SecretString::from("") };
    let rotation = Rotation {
        session,
        twilio: Twilio::new(session.stack().await?.twilio_api_base_url.clone(), account_sid.clone(), nobody)?,
        vault: TokenStore::new(client, arn, account_sid),
        settle: Duration::from_secs(arguments.settle),
        replace_secondary: arguments.replace_secondary,
    };
    let observed = rotation.observe().await?;
    rotation.tell(&observed);
    if arguments.dry_run { rotation.show_plan(&observed) } else { rotation.run(observed).await }
}

impl Rotation<'_> {
    async fn run(&self, mut observed: ObservedTokens) -> Result<(), CommandError> {
        self.ask(&observed)?;
        let (mut begun, mut steps, mut stored) = (RunPhase::Start, Vec::new(), None);
        loop {
            let step = next(&observed.standings, begun);
            begun = RunPhase::Underway;
            match step {
                RotationStep::Create => self.create(&observed).await?,
                RotationStep::Promote if self.promote(&observed, stored).await? == Promotion::Outdated => {
                    self.session.terminal.warn("the secret or Twilio's tokens were changed meanwhile: looking again");
                    (observed, stored) = (self.observe().await?, None);
                    continue;
                }
                RotationStep::Promote => {}
                RotationStep::PutFirst(place) => {
                    let mut tokens = observed.held.tokens.clone();
                    let token = tokens.remove(place);
                    tokens.insert(0, token);
                    self.vault.store(&observed.held, &tokens).await?;
                }
                RotationStep::Drop => self.drop_refused(&observed).await?,
                RotationStep::Done => return self.show_done(&observed, &steps),
                RotationStep::Stop(stuck) => return Err(CommandError::Refused(stuck.to_string())),
            }
            steps.push(step);
            stored = Some(Instant::now());
            observed = self.observe().await?;
        }
    }

    /// Asks once, before anything is changed.
    fn ask(&self, observed: &ObservedTokens) -> Result<(), CommandError> {
        let steps = planned(observed)?;
        let refused = if steps.iter().any(|step| step.changes_the_token()) {
            " Whatever still uses the old token is refused from the promotion on."
        } else {
            ""
        };
        let steps: Vec<_> = steps.into_iter().map(name).collect();
        let account_sid = &self.twilio.account_sid;
        let question = format!("Rotate the auth token of {account_sid}: {}?{refused}", steps.join("; then "));
        self.session.terminal.confirm(&question)
    }

    async fn observe(&self) -> Result<ObservedTokens, CommandError> {
        let held = self.vault.read().await?;
        let mut standings = Vec::new();
        for token in &held.tokens {
            standings.push(self.standing(token).await?);
        }
        Ok(ObservedTokens { held, standings })
    }

    async fn standing(&self, token: &SecretString) -> Result<TokenStatus, CommandError> {
        let query = [("PageSize", "1".to_owned())];
        let path = self.twilio.of_account("Messages.json");
        match self.with(token).call(Method::GET, Product::Api, &path, Payload::Query(&query)).await {
            Ok(_) => Ok(TokenStatus::Accepted),
            Err(TwilioFailure::Refused(refusal)) if refusal.status == 401 => Ok(TokenStatus::Refused),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Twilio on behalf of the account itself: an API key may not touch auth tokens.
    fn with(&self, token: &SecretString) -> Twilio {
        let username = self.twilio.account_sid.to_string();
        self.twilio.clone().with_credentials(Credentials { username, password: token.clone() })
    }

    async fn create(&self, observed: &ObservedTokens) -> Result<(), CommandError> {
        let Some(primary) = observed.held.tokens.first() else { return Ok(()) };
        self.session.terminal.note("Making a secondary auth token at Twilio");
        let twilio = self.with(primary);
        let answer = match twilio.call(Method::POST, Product::Accounts, SECONDARY, Payload::None).await {
            Err(TwilioFailure::Refused(refusal)) if is_there_already(&refusal) => {
                self.session.terminal.note(&refusal.to_string());
                self.confirm_replacement()?;
                twilio.call(Method::DELETE, Product::Accounts, SECONDARY, Payload::None).await?;
                twilio.call(Method::POST, Product::Accounts, SECONDARY, Payload::None).await?
            }
            answer => answer?,
        };
        let token = answer.get("secondary_auth_token").and_then(|token| token.as_str()).map(SecretString::from);
        let token =
            token.ok_or_else(|| CommandError::NoAnswer("Twilio's answer has no secondary_auth_token".to_owned()))?;
        self.session.terminal.note(&format!("Storing it ({}) beside {}", shown(&token), shown(primary)));
        let tokens: Vec<_> = [token.clone()].into_iter().chain(observed.held.tokens.iter().cloned()).collect();
        if let Err(failure) = self.vault.store(&observed.held, &tokens).await {
            self.take_back(&twilio, &token).await;
            return Err(failure);
        }
        self.until("Twilio to let the secondary token in", async || {
            Ok(self.standing(&token).await? == TokenStatus::Accepted)
        })
        .await
    }

    /// Somebody else's token may be in use: a yes to the plan is none to its deletion.
    fn confirm_replacement(&self) -> Result<(), CommandError> {
        if self.replace_secondary {
            return Ok(());
        }
        let question = "Twilio has a secondary auth token that the secret does not hold, of a rotation that was \
                        interrupted or of somebody else's. Delete it and make another one?";
        Terminal::new(false).confirm(question).map_err(|failure| match failure {
            CommandError::Usage(_) => CommandError::Usage(format!(
                "{question} There is no terminal to ask on: say --replace-secondary if that is meant. Nothing was done"
            )),
            failure => failure,
        })
    }

    /// Deletes the secondary token that could not be stored. Where it may have been stored after all it is left: the
    /// functions would call Twilio with it.
    async fn take_back(&self, twilio: &Twilio, token: &SecretString) {
        let terminal = &self.session.terminal;
        match self.vault.read().await {
            Ok(held) if held.has(token) => {
                terminal.warn("the secondary token is in the secret all the same: run this again, it goes on from there");
            }
            Ok(_) => match twilio.call(Method::DELETE, Product::Accounts, SECONDARY, Payload::None).await {
                Ok(_) => terminal.note("The secondary token was not stored, and was deleted at Twilio again"),
                Err(failure) => terminal.warn(&format!(
                    "the secondary token was not stored, and is still at Twilio ({failure}): --replace-secondary deletes it"
                )),
            },
            Err(failure) => terminal.warn(&format!(
                "whether the secondary token was stored is not known ({failure}), and it was left at Twilio: run this again"
            )),
        }
    }

    /// `stored` is when this run stored the secret, if it did: AWS's clock may be another than this one.
    async fn promote(&self, observed: &ObservedTokens, stored: Option<Instant>) -> Result<Promotion, CommandError> {
        let age = stored.map_or_else(|| age(observed.held.stored_at), |at| at.elapsed());
        self.wait("Waiting until every function must take the new token", self.settle.saturating_sub(age)).await;
        for token in &observed.held.tokens {
            self.try_out(token).await?;
        }
        let now = self.observe().await?;
        if !observed.held.is_as_in(&now.held) || observed.standings != now.standings {
            return Ok(Promotion::Outdated);
        }
        self.session.terminal.note("Promoting the secondary token");
        // Each of the two may do it. The first is the new one, which will do for the calls that follow.
        let Some(first) = now.held.tokens.first() else { return Ok(Promotion::Outdated) };
        let promote = "/v1/AuthTokens/Promote";
        let answer = self.with(first).call(Method::POST, Product::Accounts, promote, Payload::None).await?;
        if let Some(token) = answer.get("auth_token").and_then(|token| token.as_str()) {
            // Somebody else may have changed either side in the last moment.
            self.vault.rescue(&SecretString::from(token)).await?;
        }
        let is_promoted = async || {
            let standings = self.observe().await?.standings;
            Ok(standings.iter().filter(|standing| **standing == TokenStatus::Accepted).count() == 1)
        };
        self.until("Twilio to refuse the old token", is_promoted).await?;
        Ok(Promotion::Done)
    }

    /// The token that signs now has been let in by the functions before the old one goes.
    async fn drop_refused(&self, observed: &ObservedTokens) -> Result<(), CommandError> {
        let of = |wanted| {
            let both = observed.held.tokens.iter().zip(&observed.standings);
            both.filter(move |(_, standing)| **standing == wanted).map(|(token, _)| token)
        };
        for token in of(TokenStatus::Accepted) {
            self.try_out(token).await?;
        }
        self.wait("Waiting for webhooks that the old token signed", IN_FLIGHT.min(self.settle)).await;
        for token in of(TokenStatus::Refused) {
            self.session.terminal.note(&format!("Taking the old token ({}) out of the secret", shown(token)));
        }
        let tokens: Vec<_> = of(TokenStatus::Accepted).cloned().collect();
        self.vault.store(&observed.held, &tokens).await
    }

    /// The functions let in what this token signs.
    async fn try_out(&self, token: &SecretString) -> Result<(), CommandError> {
        self.session.terminal.note(&format!("Trying a webhook signed with {}", shown(token)));
        let api_url = &self.session.stack().await?.api_url;
        self.until("the functions to take what the token signs", async || {
            let answer = probe(api_url, &self.twilio.account_sid, Some(token)).await;
            let answer = answer.map_err(|error| CommandError::NoAnswer(format!("{api_url}: {error}")))?;
            Ok(answer.door == SignatureCheck::Accepted)
        })
        .await
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn() -> Result<bool, CommandError>) -> Result<(), CommandError> {
        let give_up = Instant::now() + PATIENCE;
        while !is_so().await? {
            if Instant::now() > give_up {
                let remedy = "run `wa doctor`, then `wa rotate` again: it goes on from here";
                return Err(CommandError::NoAnswer(format!("waited {} s for {what}: {remedy}", PATIENCE.as_secs())));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn wait(&self, what: &'static str, time: Duration) {
        let seconds = usize::try_from(time.as_millis().div_ceil(1000)).unwrap_or(usize::MAX);
        if seconds == 0 {
            return;
        }
        self.session.terminal.note(&format!("{what}: {seconds} s"));
        let bar: ProgressBar = self.session.terminal.progress(seconds, what);
        for _ in 0..seconds {
            sleep(Duration::from_secs(1)).await;
            bar.inc(1);
        }
        bar.finish_and_clear();
    }

    fn tell(&self, observed: &ObservedTokens) {
        for (token, standing) in observed.held.tokens.iter().zip(&observed.standings) {
            let standing = match standing {
                TokenStatus::Accepted => "is let in by Twilio",
                TokenStatus::Refused => "is refused by Twilio",
            };
            self.session.terminal.note(&format!("The secret's token {} {standing}", shown(token)));
        }
    }

    fn show_plan(&self, observed: &ObservedTokens) -> Result<(), CommandError> {
        let planned: Vec<_> = planned(observed)?.into_iter().map(|step| PlannedStep { step: name(step) }).collect();
        if self.session.output.format() != Format::Table {
            return self.session.output.table(&PropertyTable::new(&["step"], planned)?);
        }
        let mut numbered =
            planned.iter().enumerate().map(|(index, PlannedStep { step })| format!("{}. {step}", index + 1));
        numbered.try_for_each(|line| self.session.output.line(&line))
    }

    fn show_done(&self, observed: &ObservedTokens, steps: &[RotationStep]) -> Result<(), CommandError> {
        let account_sid = self.twilio.account_sid.clone();
        let token = observed.held.tokens.first().map(shown).unwrap_or_default();
        let rotated = steps.iter().any(|step| step.changes_the_token());
        if self.session.output.format() == Format::Table {
            let finished = "An earlier rotation was finished; run again to change the token.\n";
            let finished = if rotated { "" } else { finished };
            let line = format!("{finished}{account_sid} signs with the token {token}, and the secret holds no other.");
            return self.session.output.line(&line);
        }
        let steps = steps.iter().copied().map(name).collect();
        let done = RotationSummary { account_sid, token, rotated, steps };
        self.session.output.one(&PropertyTable::new(&["account_sid", "token", "rotated", "steps"], [done])?)
    }
}

/// Whether a secondary token was not made because there is one.
fn is_there_already(refusal: &Refusal) -> bool {
    refusal.status == 409 || refusal.code.is_some_and(|code| code.get() == 20409)
}

/// For how long a secret is there that AWS stored then; not at all where this clock is behind AWS's.
fn age(stored_at: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(stored_at)).unwrap_or_default()
}

/// The steps up to the end, where there is a way to it.
fn planned(observed: &ObservedTokens) -> Result<Vec<RotationStep>, CommandError> {
    let steps = plan(&observed.standings);
    if let Some(RotationStep::Stop(stuck)) = steps.last() {
        return Err(CommandError::Refused(stuck.to_string()));
    }
    Ok(steps.into_iter().filter(|step| *step != RotationStep::Done).collect())
}

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

/// Tells tokens apart without showing them.
fn shown(token: &SecretString) -> String {
    let digest = sha256_hex(token.expose_secret().as_bytes());
    format!("#{}", digest.get(..4).unwrap_or_default())
}
