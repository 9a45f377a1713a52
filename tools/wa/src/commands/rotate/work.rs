//! The steps of a rotation, done one after the other.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::{Instant, sleep};

use super::{
    token_store::{AccountTokens, TokenStore, fingerprint},
    tokens_at_twilio::{SecondaryToken, TokensAtTwilio},
};
use crate::{
    error::{CommandError, ExitReason},
    rotation::{RotationStep, RunPhase, TokenStatus, next},
    session::Session,
    terminal::Terminal,
    twilio::refusal,
    webhook_probe::{SignatureCheck, probe},
};

/// Twilio waits at most 15 s for the answer to a webhook (Twilio, "Webhooks connection overrides"): by then every webhook that
/// the old token signed has arrived.
const IN_FLIGHT: Duration = Duration::from_secs(15);
/// Long enough for a change to be effective everywhere at Twilio, and for a function to be allowed to read the secret again.
const EFFECTIVE_WITHIN: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Rotation<'a> {
    pub(super) session: &'a Session,
    pub(super) twilio: TokensAtTwilio,
    pub(super) store: TokenStore,
    pub(super) settle: Duration,
    pub(super) replace_secondary: bool,
}

/// The tokens in the secret, and whether Twilio accepts them.
pub(super) struct ObservedTokens {
    pub(super) secret: AccountTokens,
    pub(super) statuses: Vec<TokenStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promotion {
    Done,
    /// The secret or Twilio's tokens have changed since the promotion was decided: nothing was promoted.
    Outdated,
}

impl Rotation<'_> {
    /// Does the steps that follow from what was observed, until the rotation is complete. Gives the steps that were done.
    pub(super) async fn run(
        &self,
        mut observed: ObservedTokens,
    ) -> Result<(ObservedTokens, Vec<RotationStep>), CommandError> {
        let (mut phase, mut steps, mut stored) = (RunPhase::Start, Vec::new(), None);
        loop {
            let step = next(&observed.statuses, phase);
            phase = RunPhase::Underway;
            match step {
                RotationStep::Create => self.create(&observed).await?,
                RotationStep::Promote if self.promote(&observed, stored).await? == Promotion::Outdated => {
                    self.session.terminal.warn("the secret or Twilio's tokens were changed meanwhile: starting over");
                    (observed, stored) = (self.observe().await?, None);
                    continue;
                }
                RotationStep::Promote => {}
                RotationStep::PutFirst(index) => {
                    let mut tokens = observed.secret.tokens.clone();
                    let token = tokens.remove(index);
                    tokens.insert(0, token);
                    self.store.write(&observed.secret, &tokens).await?;
                }
                RotationStep::Drop => self.drop_refused(&observed).await?,
                RotationStep::Done => return Ok((observed, steps)),
                RotationStep::Stop(blocked) => return Err(CommandError::refused(blocked.to_string())),
            }
            steps.push(step);
            stored = Some(Instant::now());
            observed = self.observe().await?;
        }
    }

    pub(super) async fn observe(&self) -> Result<ObservedTokens, CommandError> {
        let secret = self.store.read().await?;
        let mut statuses = Vec::new();
        for token in &secret.tokens {
            statuses.push(self.twilio.status(token).await?);
        }
        Ok(ObservedTokens { secret, statuses })
    }

    async fn create(&self, observed: &ObservedTokens) -> Result<(), CommandError> {
        let Some(primary) = observed.secret.tokens.first() else { return Ok(()) };
        let terminal = &self.session.terminal;
        terminal.note("Creating a secondary auth token at Twilio");
        let mut created = self.twilio.create_secondary(primary).await?;
        if let SecondaryToken::Exists(response) = &created {
            terminal.note(&refusal(response));
            self.confirm_replacement()?;
            self.twilio.delete_secondary(primary).await?;
            created = self.twilio.create_secondary(primary).await?;
        }
        let token = match created {
            SecondaryToken::Created(token) => token,
            SecondaryToken::Exists(response) => return Err(CommandError::refused(refusal(&response))),
        };
        terminal.note(&format!("Storing it ({}) beside {}", fingerprint(&token), fingerprint(primary)));
        let tokens: Vec<_> = [token.clone()].into_iter().chain(observed.secret.tokens.iter().cloned()).collect();
        if let Err(error) = self.store.write(&observed.secret, &tokens).await {
            self.undo_creation(primary, &token).await;
            return Err(error);
        }
        let is_accepted = async || Ok(self.twilio.status(&token).await? == TokenStatus::Accepted);
        self.until("Twilio to accept the secondary token", is_accepted).await
    }

    /// The token may be in use by another program, so the yes to the plan does not include its deletion.
    fn confirm_replacement(&self) -> Result<(), CommandError> {
        if self.replace_secondary {
            return Ok(());
        }
        let question = "Twilio has a secondary auth token that the secret does not hold. A rotation was interrupted, or \
                        another program created it. Delete it and make another one?";
        Terminal::new(false).confirm(question).map_err(|error| match error.reason() {
            ExitReason::Usage => CommandError::usage(format!(
                "{question} There is no terminal to ask on: say --replace-secondary if that is meant. Nothing was done"
            )),
            _ => error,
        })
    }

    /// Deletes the secondary token that could not be stored. If it may have been stored all the same, it is not deleted: the
    /// functions would call Twilio with it.
    async fn undo_creation(&self, primary: &SecretString, token: &SecretString) {
        let terminal = &self.session.terminal;
        match self.store.read().await {
            Ok(secret) if secret.contains(token) => {
                terminal.warn("the secondary token is in the secret all the same: run this again, it continues from there");
            }
            Ok(_) => match self.twilio.delete_secondary(primary).await {
                Ok(()) => terminal.note("The secondary token was not stored, and was deleted at Twilio again"),
                Err(error) => terminal.warn(&format!(
                    "the secondary token was not stored, and still exists at Twilio ({}): --replace-secondary deletes it",
                    error.describe()
                )),
            },
            Err(error) => terminal.warn(&format!(
                "whether the secondary token was stored is not known ({}), and it was left at Twilio: run this again",
                error.describe()
            )),
        }
    }

    /// `stored` is when this run stored the secret, if it did: AWS's clock may differ from this one.
    async fn promote(&self, observed: &ObservedTokens, stored: Option<Instant>) -> Result<Promotion, CommandError> {
        let age = stored.map_or_else(|| age(observed.secret.stored_at), |at| at.elapsed());
        let what = "Waiting until every function accepts the new token";
        self.session.terminal.wait(what, self.settle.saturating_sub(age)).await;
        for token in &observed.secret.tokens {
            self.try_out(token).await?;
        }
        let now = self.observe().await?;
        if !observed.secret.is_same_version(&now.secret) || observed.statuses != now.statuses {
            return Ok(Promotion::Outdated);
        }
        self.session.terminal.note("Promoting the secondary token");
        // Either token may do it. The first is the new one, with which all calls from now on are made.
        let Some(first) = now.secret.tokens.first() else { return Ok(Promotion::Outdated) };
        if let Some(token) = self.twilio.promote(first).await? {
            // If something else changed the secret or the token at the last moment, the secret may lack it.
            self.store.ensure(&token).await?;
        }
        let is_promoted = async || {
            let statuses = self.observe().await?.statuses;
            Ok(statuses.iter().filter(|status| **status == TokenStatus::Accepted).count() == 1)
        };
        self.until("Twilio to refuse the old token", is_promoted).await?;
        Ok(Promotion::Done)
    }

    /// The old token is removed only after the functions have accepted a webhook that the current one signed.
    async fn drop_refused(&self, observed: &ObservedTokens) -> Result<(), CommandError> {
        let of = |wanted| {
            let all = observed.secret.tokens.iter().zip(&observed.statuses);
            all.filter(move |(_, status)| **status == wanted).map(|(token, _)| token)
        };
        for token in of(TokenStatus::Accepted) {
            self.try_out(token).await?;
        }
        self.session.terminal.wait("Waiting for webhooks that the old token signed", IN_FLIGHT.min(self.settle)).await;
        for token in of(TokenStatus::Refused) {
            self.session.terminal.note(&format!("Removing the old token ({}) from the secret", fingerprint(token)));
        }
        let tokens: Vec<_> = of(TokenStatus::Accepted).cloned().collect();
        self.store.write(&observed.secret, &tokens).await
    }

    /// Waits until the functions accept a webhook that this token signed.
    async fn try_out(&self, token: &SecretString) -> Result<(), CommandError> {
        self.session.terminal.note(&format!("Trying a webhook signed with {}", fingerprint(token)));
        let api_url = &self.session.stack().await?.api_url;
        let is_accepted = async || {
            let answer = probe(api_url, &self.twilio.account_sid, Some(token)).await;
            let answer = answer.map_err(|error| CommandError::no_answer(api_url.to_string()).because(error))?;
            Ok(answer.signature == SignatureCheck::Accepted)
        };
        self.until("the functions to accept webhooks that the token signed", is_accepted).await
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn() -> Result<bool, CommandError>) -> Result<(), CommandError> {
        let give_up = Instant::now() + EFFECTIVE_WITHIN;
        while !is_so().await? {
            if Instant::now() > give_up {
                let remedy = "run `wa doctor`, then `wa rotate` again: it continues from here";
                let waited = EFFECTIVE_WITHIN.as_secs();
                return Err(CommandError::no_answer(format!("waited {waited} s for {what}: {remedy}")));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }
}

/// The age of a secret that AWS stored at this time; zero if this clock is behind AWS's.
fn age(stored_at: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(stored_at)).unwrap_or_default()
}
