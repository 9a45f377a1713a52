//! Operations that the control interface and scenarios share.

use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::json;

use crate::{
    auth_tokens::AuthTokenChange,
    memory::Memory,
    shared_clock::SharedClockError,
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

/// Moves the clock forward, and that of the system under test where it is shared.
pub(crate) async fn advance_clock(sandbox: &Sandbox, seconds: u32) -> Result<(), SharedClockError> {
    let by = SignedDuration::from_secs(seconds.into());
    sandbox.clock.advance(seconds).await?;
    show_clock(sandbox);
    let details = json!({"advance_seconds": seconds});
    sandbox.record(TimelineEvent::new("clock", TimelineOutcome::Neutral, format!("{by:#} passes")).with(details));
    Ok(())
}

/// Sets the clock back to the machine's time. What happened at a later time stays as it is.
pub(crate) async fn set_clock_back(sandbox: &Sandbox) -> Result<(), SharedClockError> {
    let by = sandbox.clock.set_back().await?;
    if by.is_zero() {
        return Ok(());
    }
    // The counts of the limits would make the next messages wait until the later time.
    sandbox.set_rules(sandbox.rules());
    let now = sandbox.now();
    {
        let mut memory = sandbox.memory();
        memory.limiter.forget_times();
        hurry_waiting_messages(&mut memory, |until| until > now, by);
    }
    sandbox.released.send_replace(());
    show_clock(sandbox);
    let summary = format!("The clock is set back by {by:#}, to now");
    let details = json!({"back_seconds": by.as_secs()});
    sandbox.record(TimelineEvent::new("clock", TimelineOutcome::Neutral, summary).with(details));
    Ok(())
}

/// Messages that wait in the queue for a time wait for the same duration after the clock was set back.
fn hurry_waiting_messages(memory: &mut Memory, is_later: impl Fn(jiff::Timestamp) -> bool, by: SignedDuration) {
    let until = |hold: &crate::messages::Hold| hold.until.filter(|until| is_later(*until));
    let waiting = memory.messages.iter().filter(|message| message.hold.as_ref().and_then(until).is_some());
    let waiting: Vec<_> = waiting.map(|message| message.sid.clone()).collect();
    for sid in waiting {
        let Some(message) = memory.messages.get_mut(&sid) else { continue };
        if let Some(hold) = &mut message.hold {
            hold.until = hold.until.and_then(|until| until.saturating_sub(by).ok());
        }
    }
}

/// Forgets what happened and what was planned, and sets the clock back to the machine's time.
pub(crate) async fn reset(sandbox: &Sandbox) -> Result<(), SharedClockError> {
    sandbox.clock.set_back().await?;
    sandbox.reset();
    Ok(())
}

fn show_clock(sandbox: &Sandbox) {
    sandbox.stream.send("clock", &sandbox.view(&sandbox.memory()).clock());
}

/// Replaces the account's auth token at once, as its owner may when it has leaked.
pub(crate) fn change_auth_token(sandbox: &Sandbox, changed: AuthTokenChange) -> SecretString {
    let token = changed.into_token(&sandbox.sids);
    sandbox.products.auth_tokens.replace(token.clone());
    let summary = "The account's auth token is another one: webhooks are signed with it, and calls need it";
    sandbox.record(TimelineEvent::new("fault", TimelineOutcome::Neutral, summary));
    token
}
