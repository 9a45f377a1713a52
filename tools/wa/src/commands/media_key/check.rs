//! What `wa doctor` says of media links on a domain. Nothing if no domain is configured.

use super::{keys::LinkKeyState, leads_to_the_distribution, state};
use crate::{copyable::CopyableCommands, error::CommandError, finding::Finding, session::Session};

pub(in crate::commands) const CHECK: &str = "media links";

const HELP: &str = "see docs/media-domain.md, \"Set it up\"";

pub(in crate::commands) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    let Some(base_url) = stack.parameter("MediaBaseUrl") else { return Ok(Vec::new()) };
    let commands = session.copyable();
    if let Some(finding) = key_finding(&state(session).await?, &commands) {
        return Ok(vec![finding]);
    }
    let distribution = stack.output("MediaDistributionDomainName")?;
    Ok(vec![match leads_to_the_distribution(base_url, distribution).await {
        Ok(()) => Finding::ok(CHECK, format!("they are on {base_url}, which CloudFront answers")),
        Err(error) => {
            let fix = format!("messages with a file wait until then: {HELP}");
            Finding::wrong(CHECK, error.describe(), fix, format!("curl -sI {base_url}/"))
        }
    }])
}

/// What is missing before links are on the domain, or wrong with their key.
fn key_finding(state: &LinkKeyState, commands: &CopyableCommands) -> Option<Finding> {
    let known: Vec<_> = state.deployed_keys.iter().filter_map(|key| key.key_pair_id.as_deref()).collect();
    let prepared = "the domain is prepared, and links still lead to S3";
    match state.secret.signing_id() {
        None if known.is_empty() => {
            let what = format!("{prepared}: there is no key");
            Some(Finding::warning(CHECK, what, HELP, commands.wa("media-key create")))
        }
        None => {
            let what = format!("{prepared}: no key signs");
            Some(Finding::warning(CHECK, what, HELP, commands.wa("media-key use")))
        }
        Some(id) if known.contains(&id.as_str()) => None,
        Some(id) => {
            let what = format!(
                "the secret signs with {id}, which the distribution does not know: every message with a file waits"
            );
            Some(Finding::wrong(
                CHECK,
                what,
                "see docs/media-domain.md, \"Replace the key\"",
                commands.wa("media-key show"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::{keys::DeployedKey, store::LinkKeySecret},
        *,
    };
    use crate::finding::Level;

    fn finding(secret: &Value, known: Option<&str>) -> Option<Finding> {
        let deployed = DeployedKey { public_key: None, key_pair_id: known.map(str::to_owned) };
        let secret = LinkKeySecret::parse(None, &secret.to_string()).unwrap();
        let state = LinkKeyState { secret, deployed_keys: [DeployedKey::default(), deployed] };
        key_finding(&state, &CopyableCommands::of_test())
    }

    #[test]
    fn key_that_the_distribution_does_not_know_is_wrong() {
        let signing = json!({"signing": {"key_pair_id": "K1", "private_key": "hidden"}});
        for (secret, known, expected) in [
            (json!({"signing": null}), None, Some((Level::Warning, "media-key create"))),
            (json!({"signing": null}), Some("K1"), Some((Level::Warning, "media-key use"))),
            (signing.clone(), Some("K1"), None),
            (signing.clone(), Some("K2"), Some((Level::Wrong, "media-key show"))),
            (signing, None, Some((Level::Wrong, "media-key show"))),
        ] {
            let found = finding(&secret, known);
            let shown = found.as_ref().map(|found| (found.finding, found.command.clone().unwrap()));
            match (shown, expected) {
                (None, None) => {}
                (Some((level, command)), Some((expected, end))) => {
                    assert!(level == expected && command.ends_with(end), "{secret} {known:?}: {command}");
                }
                other => panic!("{secret} {known:?}: {other:?}"),
            }
        }
    }
}
