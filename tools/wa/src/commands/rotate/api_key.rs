//! `wa rotate --api-key`: replaces the key with which the functions call Twilio.
//!
//! Nothing is stored between runs: the friendly name of a key says which key it replaces, so that an interrupted rotation is
//! completed by running it again.
//!
//! *Invariant:* at every moment Twilio accepts the key that the secret holds, and every key that a running function may hold. The
//! old key is deleted last, when the secret that had it is older than functions may use it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use twilio_types::sid::AccountSid;

use super::{RotateArguments, token_store::TokenStore};
use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
    twilio::credentials_in_environment,
};

mod keys_at_twilio;
mod plan;

use keys_at_twilio::{CreatedKey, KeysAtTwilio};
use plan::{KeyPlan, KeyState, KeyStep, plan};

/// A function that has read the secret uses the key until its work is done: at most a minute longer.
const LONGEST_WORK: Duration = Duration::from_mins(1);
/// Twilio accepts a new key within seconds.
const EFFECTIVE_WITHIN: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(2);

/// What was done. The fields are those of the JSON output.
#[derive(Serialize)]
struct KeyRotationSummary {
    account_sid: AccountSid,
    api_key_sid: String,
    /// Whether this run created the key.
    rotated: bool,
    deleted: Vec<String>,
    steps: Vec<String>,
}

#[derive(Serialize)]
struct PlannedKeyStep {
    step: String,
}

pub(super) async fn run(
    arguments: &RotateArguments,
    session: &Session,
    account_sid: AccountSid,
    store: TokenStore,
) -> Result<(), CommandError> {
    let secret = store.read().await?;
    let credentials = match (credentials_in_environment(&account_sid), secret.tokens.first()) {
        (Some(credentials), _) => credentials,
        (None, Some(token)) => twilio_client::Credentials::auth_token(&account_sid, token.clone()),
        (None, None) => {
            let remedy = "put the account's auth token into it, or set TWILIO_ACCOUNT_SID, TWILIO_API_KEY and \
                          TWILIO_API_SECRET of a main key: a standard key cannot create others";
            return Err(CommandError::refused(format!("the secret has no auth token of {account_sid}: {remedy}")));
        }
    };
    let twilio = KeysAtTwilio::new(session.twilio_client().await?.account(account_sid.clone(), credentials));
    let state = KeyState {
        current: secret.api_key.as_ref().map(|(sid, _)| sid.clone()),
        keys: twilio.list().await?,
        keeps_old: arguments.key.keep_old_key,
        now: Timestamp::now(),
    };
    let plan = plan(&state).map_err(|blocked| CommandError::refused(blocked.to_string()))?;
    if arguments.dry_run {
        return show_plan(session, &plan);
    }
    session.announce_change().await?;
    ask(session, &account_sid, &plan)?;
    let max_age = Duration::from(session.stack().await?.secret_max_age);
    let settle = arguments.settle.map_or(max_age + LONGEST_WORK, Duration::from_secs);
    let rotation = KeyRotation { session, store, twilio, settle };
    let sid = rotation.run(&plan).await?;
    show_summary(session, account_sid, sid, &plan)
}

fn show_plan(session: &Session, plan: &KeyPlan) -> Result<(), CommandError> {
    let steps = plan.steps.iter().map(|step| PlannedKeyStep { step: step.to_string() });
    if session.output.format() != Format::Table {
        return session.output.table(&PropertyTable::new(&["step"], steps)?);
    }
    (1..).zip(steps).try_for_each(|(number, PlannedKeyStep { step })| session.output.line(&format!("{number}. {step}")))
}

/// Asks once, before anything is changed.
fn ask(session: &Session, account_sid: &AccountSid, plan: &KeyPlan) -> Result<(), CommandError> {
    let steps: Vec<_> = plan.steps.iter().map(ToString::to_string).collect();
    let consequence = match plan.deleted() {
        deleted if deleted.is_empty() => String::new(),
        deleted => format!(" Then Twilio refuses every program that uses {}.", deleted.join(" or ")),
    };
    session.terminal.confirm(&format!("Rotate the API key of {account_sid}: {}?{consequence}", steps.join("; then ")))
}

fn show_summary(
    session: &Session,
    account_sid: AccountSid,
    api_key_sid: String,
    plan: &KeyPlan,
) -> Result<(), CommandError> {
    let (rotated, deleted) = (plan.creates(), plan.deleted());
    if session.output.format() == Format::Table {
        let finished = "An earlier rotation was finished; run again to change the key.\n";
        let finished = if rotated { "" } else { finished };
        let deleted = match deleted.as_slice() {
            [] => String::new(),
            some => format!(", and {} was deleted", some.join(" and ")),
        };
        return session.output.line(&format!("{finished}The functions call Twilio with {api_key_sid}{deleted}"));
    }
    let steps = plan.steps.iter().map(ToString::to_string).collect();
    let summary = KeyRotationSummary { account_sid, api_key_sid, rotated, deleted, steps };
    let properties = ["account_sid", "api_key_sid", "rotated", "deleted", "steps"];
    session.output.one(&PropertyTable::new(&properties, [summary])?)
}

struct KeyRotation<'a> {
    session: &'a Session,
    store: TokenStore,
    twilio: KeysAtTwilio,
    settle: Duration,
}

impl KeyRotation<'_> {
    /// Does the steps of the plan. Gives the SID of the key that the secret holds then.
    async fn run(&self, plan: &KeyPlan) -> Result<String, CommandError> {
        let terminal = &self.session.terminal;
        for step in &plan.steps {
            match step {
                KeyStep::Create { name, replaces } => self.create(name, replaces.as_deref()).await?,
                KeyStep::Settle => self.settle().await?,
                KeyStep::Delete(sid) => {
                    self.check_current(sid).await?;
                    terminal.note(&format!("Deleting {sid} at Twilio"));
                    self.twilio.delete(sid).await?;
                }
            }
        }
        let secret = self.store.read().await?;
        Ok(secret.api_key.map(|(sid, _)| sid).unwrap_or_default())
    }

    /// Creates a key, tries it, and stores it.
    async fn create(&self, name: &str, replaces: Option<&str>) -> Result<(), CommandError> {
        let terminal = &self.session.terminal;
        let secret = self.store.read().await?;
        if secret.api_key.as_ref().map(|(sid, _)| sid.as_str()) != replaces {
            return Err(CommandError::refused("the secret was changed meanwhile: run this again"));
        }
        let policy = match replaces {
            Some(sid) => self.twilio.policy(sid).await?,
            None => None,
        };
        terminal.note(if policy.is_some() { "Creating a restricted API key" } else { "Creating a standard API key" });
        let key = self.twilio.create(name, policy).await?;
        terminal.note(&format!("Trying {}", key.sid));
        let stored = async {
            self.until_accepted(&key.sid, &key.secret).await?;
            terminal.note(&format!("Storing {} in the secret", key.sid));
            self.store.write_api_key(&secret, &key.sid, &key.secret).await
        };
        match stored.await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.undo_creation(&key).await;
                Err(error)
            }
        }
    }

    async fn until_accepted(&self, sid: &str, secret: &SecretString) -> Result<(), CommandError> {
        let give_up = Instant::now() + EFFECTIVE_WITHIN;
        while !self.twilio.accepts(sid, secret).await? {
            if Instant::now() > give_up {
                let waited = EFFECTIVE_WITHIN.as_secs();
                return Err(CommandError::no_answer(format!("Twilio does not accept {sid} within {waited} s")));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Deletes a key that could not be stored, unless it was stored all the same.
    async fn undo_creation(&self, key: &CreatedKey) {
        let terminal = &self.session.terminal;
        match self.store.read().await {
            Ok(secret) if secret.api_key.as_ref().is_some_and(|(sid, _)| *sid == key.sid) => {
                terminal.warn("the new key is in the secret all the same: run this again, it continues from there");
            }
            Ok(_) => match self.twilio.delete(&key.sid).await {
                Ok(()) => terminal.note(&format!("{} was not stored, and was deleted at Twilio again", key.sid)),
                Err(error) => terminal.warn(&format!(
                    "{} was not stored, and still exists at Twilio ({}): the next run deletes it",
                    key.sid,
                    error.describe()
                )),
            },
            Err(error) => terminal.warn(&format!(
                "whether {} was stored is not known ({}), and it was left at Twilio: run this again",
                key.sid,
                error.describe()
            )),
        }
    }

    /// Waits until no function uses what the secret held before.
    async fn settle(&self) -> Result<(), CommandError> {
        let stored_at = self.store.read().await?.stored_at;
        // AWS's clock may differ from this one; then the whole time is waited for.
        let age = Timestamp::now().duration_since(stored_at).max(SignedDuration::ZERO);
        let left = self.settle.saturating_sub(Duration::try_from(age).unwrap_or_default());
        self.session.terminal.wait("Waiting until no function uses the old key", left).await;
        Ok(())
    }

    /// Checks once more that the secret holds another key than the one that is deleted, and that Twilio accepts it.
    async fn check_current(&self, deleted: &str) -> Result<(), CommandError> {
        let remedy = "nothing was deleted: run `wa doctor`";
        match self.store.read().await?.api_key {
            Some((sid, secret)) if sid != deleted => {
                if self.twilio.accepts(&sid, &secret).await? {
                    return Ok(());
                }
                Err(CommandError::refused(format!("Twilio does not accept {sid}, which the secret holds: {remedy}")))
            }
            // The functions call Twilio with the auth token: the deleted key is one that was never stored.
            None => Ok(()),
            Some(_) => Err(CommandError::refused(format!("the secret holds {deleted}: {remedy}"))),
        }
    }
}
