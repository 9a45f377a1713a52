//! The secret, Twilio's credentials, and whether the functions take what is signed with them.

use reqwest::Method;
use twilio_types::sid::AccountSid;
use twilio_webhook::signature::SigningKeys;

use crate::{
    exit::CommandError,
    finding::Finding,
    session::Session,
    twilio::{Payload, Product, TwilioFailure, credentials_in_secret},
    webhook_probe::{SignatureCheck, probe},
};

pub(super) const SECRET: &str = "secret";
pub(super) const TWILIO: &str = "Twilio";
pub(super) const SIGNATURE: &str = "signature";

const HELP: &str = "see docs/deploy.md, \"The secret\"";

/// Whether the secret has what the functions need. What stands there is never shown.
pub(super) async fn secret(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let account_sid = session.account_sid().await?;
    let accounts = match session.accounts().await {
        Ok(accounts) => accounts,
        Err(failure) => return Ok(vec![Finding::wrong(SECRET, failure.to_string(), HELP)]),
    };
    let keys = accounts.signing_keys(Some(&account_sid)).unwrap_or_default();
    let is_there = accounts.sids().any(|sid| *sid == account_sid);
    let uses_key = accounts.credentials(&account_sid).is_some_and(|credentials| credentials.username.starts_with("SK"));
    Ok(vec![judged(&account_sid, is_there.then_some(&keys), uses_key)])
}

/// `keys` are the account's, if the secret has the account.
fn judged(account_sid: &AccountSid, keys: Option<&SigningKeys>, uses_key: bool) -> Finding {
    let calls = if uses_key { "REST calls use its API key" } else { "REST calls use its auth token" };
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
            let what =
                format!("{account_sid} has shared keys and no auth token: only what they sign is let in; {calls}");
            Finding::warning(SECRET, what, fix)
        }
        (1, _) => Finding::ok(SECRET, format!("{account_sid} has an auth token; {calls}")),
        (many, _) => {
            let what = format!("{account_sid} has {many} auth tokens, as while one is rotated; {calls}");
            Finding::warning(SECRET, what, "finish the rotation with `wa rotate`")
        }
    }
}

/// Whether Twilio lets the functions in.
pub(super) async fn twilio(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let account_sid = session.account_sid().await?;
    let credentials = credentials_in_secret(session.accounts().await?, &account_sid)?;
    let kind = if credentials.username.starts_with("SK") { "the API key" } else { "the auth token" };
    let name = credentials.username.clone();
    let twilio = session.twilio().await?.with_credentials(credentials);
    let query = [("PageSize", "1".to_owned())];
    let path = twilio.of_account("Messages.json");
    let finding = match twilio.call(Method::GET, Product::Api, &path, Payload::Query(&query)).await {
        Ok(_) => Finding::ok(TWILIO, format!("lets {kind} of the secret in ({name})")),
        Err(TwilioFailure::Refused(refusal)) if refusal.status == 401 => {
            let fix = format!(
                "put current credentials of {account_sid} into the secret, of the region that TwilioApiBaseUrl names: {HELP}"
            );
            Finding::wrong(TWILIO, format!("{kind} of the secret ({name}): {refusal}"), fix)
        }
        Err(failure @ TwilioFailure::Refused(_)) => Finding::wrong(
            TWILIO,
            format!("{kind} of the secret ({name}): {failure}"),
            "give the API key the permission",
        ),
        Err(failure @ TwilioFailure::NoAnswer(_)) => Finding::wrong(
            TWILIO,
            failure.to_string(),
            "look at https://status.twilio.com and the stack's TwilioApiBaseUrl",
        ),
    };
    Ok(vec![finding])
}

/// Whether the functions take what is signed with each of the secret's tokens, and nothing else.
pub(super) async fn signature(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let (account_sid, api_url) = (session.account_sid().await?, &session.stack().await?.api_url);
    let unsigned = probe(api_url, &account_sid, None).await.map(|answer| answer.door);
    let mut findings = vec![unsigned_finding(api_url.as_str(), unsigned)];
    let keys = session.accounts().await?.signing_keys(Some(&account_sid)).unwrap_or_default();
    for (index, token) in keys.auth_tokens.iter().enumerate() {
        let door = probe(api_url, &account_sid, Some(token)).await.map(|answer| answer.door);
        findings.push(signed_finding(api_url.as_str(), index + 1, door));
    }
    // One line says it where all is well.
    if findings.iter().all(|found| found.fix.is_none()) {
        let what = format!("{api_url} takes what is signed with the secret's tokens, and refuses the rest");
        return Ok(vec![Finding::ok(SIGNATURE, what)]);
    }
    findings.retain(|found| found.fix.is_some());
    Ok(findings)
}

fn unsigned_finding(api_url: &str, door: Result<SignatureCheck, String>) -> Finding {
    match door {
        Ok(SignatureCheck::Refused) => Finding::ok(SIGNATURE, "what is not signed is refused"),
        Ok(SignatureCheck::Accepted) => {
            let fix = "something between Twilio and the functions answers 400: ask it directly";
            Finding::wrong(SIGNATURE, format!("{api_url} does not refuse what is not signed (403)"), fix)
        }
        Ok(SignatureCheck::Unclear(status)) => unclear(api_url, status),
        Err(error) => unreachable(api_url, &error),
    }
}

fn signed_finding(api_url: &str, place: usize, door: Result<SignatureCheck, String>) -> Finding {
    match door {
        Ok(SignatureCheck::Accepted) => {
            Finding::ok(SIGNATURE, format!("what the secret's token number {place} signs is taken"))
        }
        Ok(SignatureCheck::Refused) => {
            let what = format!("{api_url} refuses what the secret's token number {place} signs (403)");
            let fix = "the functions check another URL than this one: PublicBaseUrl has to be the URL that Twilio calls. Just \
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
        _ => "look at what stands before the API: it does not let webhooks through",
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
    fn what_is_missing_in_the_secret_is_named() {
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
            let found = judged(&account_sid, keys.as_ref(), true);
            assert_eq!(found.finding, level, "{found:?}");
            assert!(found.what.starts_with(expected), "{found:?}");
        }
    }

    #[test]
    fn each_answer_to_a_webhook_means_something() {
        let url = "https://wa.example.com";
        for (unsigned, signed) in [
            (Ok(SignatureCheck::Refused), Level::Wrong),
            (Ok(SignatureCheck::Accepted), Level::Ok),
            (Ok(SignatureCheck::Unclear(404)), Level::Wrong),
            (Err("refused".to_owned()), Level::Wrong),
        ] {
            assert_eq!(signed_finding(url, 1, unsigned.clone()).finding, signed, "{unsigned:?}");
            let level = if unsigned == Ok(SignatureCheck::Refused) { Level::Ok } else { Level::Wrong };
            assert_eq!(unsigned_finding(url, unsigned).finding, level);
        }
    }
}
