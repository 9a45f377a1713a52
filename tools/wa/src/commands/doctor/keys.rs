//! Checks of the secret, of Twilio's credentials, and of what the functions accept with them.

use serde_json::Value;
use shared::report::Chain;
use twilio_client::{ApiRequest, Product, TwilioError};
use twilio_types::sid::AccountSid;
use twilio_webhook::signature::SigningKeys;

use crate::{
    copyable::{CopyableCommands, quoted},
    error::CommandError,
    finding::Finding,
    session::Session,
    stack::STATUS_PATH,
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
    let put = put_secret(session).await?;
    let accounts = match session.accounts().await {
        Ok(accounts) => accounts,
        Err(error) => return Ok(vec![Finding::wrong(SECRET, error.describe(), HELP, put)]),
    };
    let credentials = accounts.credentials(&account_sid);
    let uses_key = credentials.is_some_and(|credentials| credentials.username.starts_with("SK"));
    let calls = if uses_key { "REST calls use its API key" } else { "REST calls use its auth token" };
    let rotate = session.copyable().wa("rotate");
    Ok(vec![secret_finding(&account_sid, accounts.signing_keys(&account_sid), calls, SecretCommands { put, rotate })])
}

/// The commands that change the secret.
#[derive(Debug, Clone)]
struct SecretCommands {
    put: String,
    rotate: String,
}

/// The command that stores the secret from a file. Its content is never an argument, which the shell's history would keep.
async fn put_secret(session: &Session) -> Result<String, CommandError> {
    let arn = session.stack().await?.output("TwilioSecretArn")?;
    let put = format!("secretsmanager put-secret-value --secret-id {} --secret-string file://secret.json", quoted(arn));
    Ok(session.copyable().aws(&put))
}

/// `keys` are the account's, if the secret has the account.
fn secret_finding(
    account_sid: &AccountSid,
    keys: Option<&SigningKeys>,
    calls: &str,
    commands: SecretCommands,
) -> Finding {
    let SecretCommands { put, rotate } = commands;
    let Some(keys) = keys else {
        return Finding::wrong(SECRET, format!("it has no {account_sid}"), HELP, put);
    };
    let fix = format!("put the account's primary auth token there: {HELP}");
    match (keys.auth_tokens.len(), keys.shared_keys.len()) {
        (0, 0) => {
            let what = format!("auth_tokens of {account_sid} is empty: every webhook is refused with 403");
            Finding::wrong(SECRET, what, fix, put)
        }
        (0, _) => {
            let what = format!(
                "{account_sid} has shared keys and no auth token: only webhooks signed with them are accepted; {calls}"
            );
            Finding::warning(SECRET, what, fix, put)
        }
        (1, _) => Finding::ok(SECRET, format!("{account_sid} has an auth token; {calls}")),
        (many, _) => {
            let what = format!("{account_sid} has {many} auth tokens, as while one is rotated; {calls}");
            Finding::warning(SECRET, what, "finish the rotation with `wa rotate`", rotate)
        }
    }
}

/// Whether Twilio accepts the credentials of the secret.
pub(super) async fn twilio(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let account_sid = session.account_sid().await?;
    let credentials = credentials_in_secret(session.accounts().await?, &account_sid)?;
    let kind = if credentials.username.starts_with("SK") { "the API key" } else { "the auth token" };
    let name = credentials.username.clone();
    let (put, console) =
        (put_secret(session).await?, "open https://console.twilio.com/us1/account/keys-credentials/api-keys");
    let account = session.twilio_client().await?.account(account_sid.clone(), credentials);
    let request = ApiRequest::get(Product::Api, account.resource_path("Messages.json")).query([("PageSize", "1")]);
    let finding = match account.call::<Value>(request).await {
        Ok(_) => Finding::ok(TWILIO, format!("accepts {kind} of the secret ({name})")),
        Err(error) => match (error.response(), &error) {
            (Some(response), TwilioError::Unauthorized(_)) => {
                let fix = format!(
                    "put current credentials of {account_sid} into the secret, of the region that TwilioApiBaseUrl names: {HELP}"
                );
                Finding::wrong(TWILIO, format!("{kind} of the secret ({name}): {}", refusal(response)), fix, put)
            }
            (Some(response), _) => Finding::wrong(
                TWILIO,
                format!("{kind} of the secret ({name}): {}", refusal(response)),
                "give the API key the permission",
                console,
            ),
            (None, _) => Finding::wrong(
                TWILIO,
                CommandError::from(error).describe(),
                "look at https://status.twilio.com and the stack's TwilioApiBaseUrl",
                format!("curl -sS -o /dev/null -w '%{{http_code}}\\n' {}", session.stack().await?.twilio_api_base_url),
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
    let commands = session.copyable();
    let mut findings = vec![unsigned_finding(api_url.as_str(), check(None).await, &commands)];
    let keys = session.accounts().await?.signing_keys(&account_sid);
    for (index, token) in keys.into_iter().flat_map(|keys| &keys.auth_tokens).enumerate() {
        findings.push(signed_finding(api_url.as_str(), index + 1, check(Some(token)).await, &commands));
    }
    // If all is well, one line is enough.
    if findings.iter().all(|found| found.fix.is_none()) {
        let what = format!("{api_url} accepts webhooks that the secret's tokens signed, and refuses all others");
        return Ok(vec![Finding::ok(SIGNATURE, what)]);
    }
    findings.retain(|found| found.fix.is_some());
    Ok(findings)
}

fn unsigned_finding(api_url: &str, check: Result<SignatureCheck, String>, commands: &CopyableCommands) -> Finding {
    match check {
        Ok(SignatureCheck::Refused) => Finding::ok(SIGNATURE, "unsigned webhooks are refused"),
        Ok(SignatureCheck::Accepted) => {
            let fix = "something between Twilio and the functions answers 204: call the API without it";
            Finding::wrong(SIGNATURE, format!("{api_url} does not refuse unsigned webhooks (403)"), fix, post(api_url))
        }
        Ok(SignatureCheck::Unclear(status)) => unclear(api_url, status, commands),
        Err(error) => unreachable(api_url, &error),
    }
}

fn signed_finding(
    api_url: &str,
    number: usize,
    check: Result<SignatureCheck, String>,
    commands: &CopyableCommands,
) -> Finding {
    match check {
        Ok(SignatureCheck::Accepted) => {
            Finding::ok(SIGNATURE, format!("webhooks that the secret's token number {number} signed are accepted"))
        }
        Ok(SignatureCheck::Refused) => {
            let what = format!("{api_url} refuses webhooks that the secret's token number {number} signed (403)");
            let fix = "the functions verify another URL than this one: PublicBaseUrl has to be the URL that Twilio calls. Just \
                       after the secret was changed: try again in half a minute";
            Finding::wrong(SIGNATURE, what, fix, commands.deploy(&format!("PublicBaseUrl={api_url}")))
        }
        Ok(SignatureCheck::Unclear(status)) => unclear(api_url, status, commands),
        Err(error) => unreachable(api_url, &error),
    }
}

fn unclear(api_url: &str, status: u16, commands: &CopyableCommands) -> Finding {
    let fix = match status {
        404 => "this is not the stack's API: look at PublicBaseUrl, and at what it leads to",
        500..=599 => "the function fails: its log says why",
        _ => "look at what is in front of the API: it does not let webhooks through",
    };
    let command = match status {
        500..=599 => commands.log_of("StatusLogGroup"),
        _ => post(api_url),
    };
    Finding::wrong(SIGNATURE, format!("{api_url} answers a webhook with {status}"), fix, command)
}

/// The command that shows what answers an unsigned webhook: the functions answer 403.
fn post(api_url: &str) -> String {
    format!("curl -sS -i -X POST {}{STATUS_PATH}", quoted(api_url))
}

fn unreachable(api_url: &str, error: &str) -> Finding {
    let fix = "look at the domain, its certificate and its DNS: Twilio cannot reach it either";
    Finding::wrong(SIGNATURE, format!("{api_url} does not answer: {error}"), fix, post(api_url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn a_secret_is_reported_by_the_keys_it_has() {
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let commands = SecretCommands { put: "aws".to_owned(), rotate: "wa rotate".to_owned() };
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
            let found = secret_finding(&account_sid, keys.as_ref(), "REST calls use its API key", commands.clone());
            assert_eq!(found.finding, level, "{}", found.what);
            assert!(found.what.starts_with(expected), "{}", found.what);
        }
    }

    #[test]
    fn each_answer_to_a_webhook_is_judged() {
        let (url, commands) = ("https://wa.example.com", CopyableCommands::of_test());
        for (check, signed) in [
            (Ok(SignatureCheck::Refused), Level::Wrong),
            (Ok(SignatureCheck::Accepted), Level::Ok),
            (Ok(SignatureCheck::Unclear(404)), Level::Wrong),
            (Err("connection refused".to_owned()), Level::Wrong),
        ] {
            assert_eq!(signed_finding(url, 1, check.clone(), &commands).finding, signed, "{check:?}");
            let unsigned = if check == Ok(SignatureCheck::Refused) { Level::Ok } else { Level::Wrong };
            assert_eq!(unsigned_finding(url, check, &commands).finding, unsigned);
        }
    }
}
