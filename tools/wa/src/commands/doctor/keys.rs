//! Checks of the secret, of Twilio's credentials, and of what the functions accept with them.

use serde_json::Value;
use shared::report::Chain;
use twilio_client::{ApiRequest, Product, TwilioError};
use twilio_types::sid::AccountSid;
use twilio_webhook::signature::SigningKeys;

use crate::{
    error::CommandError,
    finding::Finding,
    session::Session,
    twilio::{credentials_in_secret, refusal},
    webhook_probe::{SignatureCheck, probe},
};

pub(super) const SECRET: &str = "secret";
pub(super) const TWILIO: &str = "Twilio";
pub(super) const SIGNATURE: &str = "signature";

const HELP: &str = "see docs/deploy.md, \"The secret\"";

/// Whether the secret has what the functions need. Its values are never shown.
pub(super) async fn secret(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let account_sid = session.account_sid().await?;
    let accounts = match session.accounts().await {
        Ok(accounts) => accounts,
        Err(error) => return Ok(vec![Finding::wrong(SECRET, error.describe(), HELP)]),
    };
    let credentials = accounts.credentials(&account_sid);
    let uses_key = credentials.is_some_and(|credentials| credentials.username.starts_with("SK"));
    let calls = if uses_key { "REST calls use its API key" } else { "REST calls use its auth token" };
    Ok(vec![secret_finding(&account_sid, accounts.signing_keys(&account_sid), calls)])
}

/// `keys` are the account's, if the secret has the account.
fn secret_finding(account_sid: &AccountSid, keys: Option<&SigningKeys>, calls: &str) -> Finding {
    let Some(keys) = keys else {
        return Finding::wrong(SECRET, format!("it has no {account_sid}"), HELP);
    };
    let fix = format!("put the account's primary auth token there: {HELP}");
    match (keys.auth_tokens.len(), keys.shared_keys.len()) {
        (0, 0) => {
            let what = format!("auth_tokens of {account_sid} is empty: every webhook is refused with 403");
            Finding::wrong(SECRET, what, fix)
        }
        (0, _) => {
            let what = format!(
                "{account_sid} has shared keys and no auth token: only webhooks signed with them are accepted; {calls}"
            );
            Finding::warning(SECRET, what, fix)
        }
        (1, _) => Finding::ok(SECRET, format!("{account_sid} has an auth token; {calls}")),
        (many, _) => {
            let what = format!("{account_sid} has {many} auth tokens, as while one is rotated; {calls}");
            Finding::warning(SECRET, what, "finish the rotation with `wa rotate`")
        }
    }
}

/// Whether Twilio accepts the credentials of the secret.
pub(super) async fn twilio(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let account_sid = session.account_sid().await?;
    let credentials = credentials_in_secret(session.accounts().await?, &account_sid)?;
    let kind = if credentials.username.starts_with("SK") { "the API key" } else { "the auth token" };
    let name = credentials.username.clone();
    let account = session.twilio_client().await?.account(account_sid.clone(), credentials);
    let request = ApiRequest::get(Product::Api, account.resource_path("Messages.json")).query([("PageSize", "1")]);
    let finding = match account.call::<Value>(request).await {
        Ok(_) => Finding::ok(TWILIO, format!("accepts {kind} of the secret ({name})")),
        Err(error) => match (error.response(), &error) {
            (Some(response), TwilioError::Unauthorized(_)) => {
                let fix = format!(
                    "put current credentials of {account_sid} into the secret, of the region that TwilioApiBaseUrl names: {HELP}"
                );
                Finding::wrong(TWILIO, format!("{kind} of the secret ({name}): {}", refusal(response)), fix)
            }
            (Some(response), _) => Finding::wrong(
                TWILIO,
                format!("{kind} of the secret ({name}): {}", refusal(response)),
                "give the API key the permission",
            ),
            (None, _) => Finding::wrong(
                TWILIO,
                CommandError::from(error).describe(),
                "look at https://status.twilio.com and the stack's TwilioApiBaseUrl",
            ),
        },
    };
    Ok(vec![finding])
}

/// Whether the functions accept webhooks that each of the secret's tokens signed, and no others.
pub(super) async fn signature(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let (account_sid, api_url) = (session.account_sid().await?, &session.stack().await?.api_url);
    let check = async |token| match probe(api_url, &account_sid, token).await {
        Ok(answer) => Ok(answer.signature),
        Err(error) => Err(Chain(&error).to_string()),
    };
    let mut findings = vec![unsigned_finding(api_url.as_str(), check(None).await)];
    let keys = session.accounts().await?.signing_keys(&account_sid);
    for (index, token) in keys.into_iter().flat_map(|keys| &keys.auth_tokens).enumerate() {
        findings.push(signed_finding(api_url.as_str(), index + 1, check(Some(token)).await));
    }
    // If all is well, one line is enough.
    if findings.iter().all(|found| found.fix.is_none()) {
        let what = format!("{api_url} accepts webhooks that the secret's tokens signed, and refuses all others");
        return Ok(vec![Finding::ok(SIGNATURE, what)]);
    }
    findings.retain(|found| found.fix.is_some());
    Ok(findings)
}

fn unsigned_finding(api_url: &str, check: Result<SignatureCheck, String>) -> Finding {
    match check {
        Ok(SignatureCheck::Refused) => Finding::ok(SIGNATURE, "unsigned webhooks are refused"),
        Ok(SignatureCheck::Accepted) => {
            let fix = "something between Twilio and the functions answers 204: call the API without it";
            Finding::wrong(SIGNATURE, format!("{api_url} does not refuse unsigned webhooks (403)"), fix)
        }
        Ok(SignatureCheck::Unclear(status)) => unclear(api_url, status),
        Err(error) => unreachable(api_url, &error),
    }
}

fn signed_finding(api_url: &str, number: usize, check: Result<SignatureCheck, String>) -> Finding {
    match check {
        Ok(SignatureCheck::Accepted) => {
            Finding::ok(SIGNATURE, format!("webhooks that the secret's token number {number} signed are accepted"))
        }
        Ok(SignatureCheck::Refused) => {
            let what = format!("{api_url} refuses webhooks that the secret's token number {number} signed (403)");
            let fix = "the functions verify another URL than this one: PublicBaseUrl has to be the URL that Twilio calls. Just \
                       after the secret was changed: try again in half a minute";
            Finding::wrong(SIGNATURE, what, fix)
        }
        Ok(SignatureCheck::Unclear(status)) => unclear(api_url, status),
        Err(error) => unreachable(api_url, &error),
    }
}

fn unclear(api_url: &str, status: u16) -> Finding {
    let fix = match status {
        404 => "this is not the stack's API: look at PublicBaseUrl, and at what it leads to",
        500..=599 => "the function fails: its log says why",
        _ => "look at what is in front of the API: it does not let webhooks through",
    };
    Finding::wrong(SIGNATURE, format!("{api_url} answers a webhook with {status}"), fix)
}

fn unreachable(api_url: &str, error: &str) -> Finding {
    let fix = "look at the domain, its certificate and its DNS: Twilio cannot reach it either";
    Finding::wrong(SIGNATURE, format!("{api_url} does not answer: {error}"), fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn a_secret_is_reported_by_the_keys_it_has() {
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let keys = |tokens: &[&str], shared: &[&str]| {
            let keys = SigningKeys::from_auth_tokens(tokens.iter().copied());
            shared.iter().fold(keys, |keys, id| keys.with_shared_key(*id, "s"))
        };
        for (keys, level, expected) in [
            (None, Level::Wrong, "it has no AC"),
            (Some(keys(&[], &[])), Level::Wrong, "auth_tokens of AC"),
            (
                Some(keys(&[], &["k"])),
                Level::Warning,
                "AC00000000000000000000000000000001 has shared keys and no auth token",
            ),
            (
                Some(keys(&["a"], &[])),
                Level::Ok,
                "AC00000000000000000000000000000001 has an auth token; REST calls use its API key",
            ),
            (Some(keys(&["a", "b"], &["k"])), Level::Warning, "AC00000000000000000000000000000001 has 2 auth tokens"),
        ] {
            let found = secret_finding(&account_sid, keys.as_ref(), "REST calls use its API key");
            assert_eq!(found.finding, level, "{}", found.what);
            assert!(found.what.starts_with(expected), "{}", found.what);
        }
    }

    #[test]
    fn each_answer_to_a_webhook_is_judged() {
        let url = "https://wa.example.com";
        for (check, signed) in [
            (Ok(SignatureCheck::Refused), Level::Wrong),
            (Ok(SignatureCheck::Accepted), Level::Ok),
            (Ok(SignatureCheck::Unclear(404)), Level::Wrong),
            (Err("connection refused".to_owned()), Level::Wrong),
        ] {
            assert_eq!(signed_finding(url, 1, check.clone()).finding, signed, "{check:?}");
            let unsigned = if check == Ok(SignatureCheck::Refused) { Level::Ok } else { Level::Wrong };
            assert_eq!(unsigned_finding(url, check).finding, unsigned);
        }
    }
}
