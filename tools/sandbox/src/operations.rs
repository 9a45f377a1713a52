//! Operations that the control interface and scenarios share.

use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::json;

use crate::{
    auth_tokens::AuthTokenChange,
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

/// Moves the clock forward.
pub(crate) fn advance_clock(sandbox: &Sandbox, seconds: u32) {
    let by = SignedDuration::from_secs(seconds.into());
    sandbox.clock.advance(by);
    sandbox.stream.send("clock", &sandbox.view(&sandbox.memory()).clock());
    let details = json!({"advance_seconds": seconds});
    sandbox.record(TimelineEvent::new("clock", TimelineOutcome::Neutral, format!("{by:#} passes")).with(details));
}

/// Replaces the account's auth token at once, as its owner may when it has leaked.
pub(crate) fn change_auth_token(sandbox: &Sandbox, changed: AuthTokenChange) -> SecretString {
    let token = changed.into_token(&sandbox.sids);
    sandbox.products.auth_tokens.replace(token.clone());
    let summary = "The account's auth token is another one: webhooks are signed with it, and calls need it";
    sandbox.record(TimelineEvent::new("fault", TimelineOutcome::Neutral, summary));
    token
}
