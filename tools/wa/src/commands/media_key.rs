//! `wa media-key`
//!
//! The private key is made here and is in the stack's secret alone. CloudFront knows a public key by an id that it gives when a deployment
//! adds the key, so a key waits in the secret as the next one until it has an id, and only then signs.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use clap::Subcommand;
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use shared::media_domain::{KeyPairError, LinkKeyPair};

use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

mod check;
mod keys;
mod store;

pub(super) use check::{CHECK, check};

use keys::{KeyParameter, LinkKeyState};
use store::LinkKeyStore;

/// When the last link of an old key has ended: `GET /media/{key}?expires_in=` gives links for up to 12 hours, and a function that cannot
/// read the secret again uses the old key for up to an hour.
const OLD_LINKS_HOURS: u8 = 13;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Subcommand)]
pub enum MediaKeyCommand {
    /// Show which keys there are, and which one signs
    #[command(after_help = "Example:\n  wa media-key show")]
    Show,
    /// Make a key pair, and print the parameter for a deployment
    #[command(after_help = "\
Stores the private key in the secret, where it signs nothing yet. Prints the parameter that a deployment needs, so that
CloudFront knows the public key. A second run prints the same.

Example:
  wa media-key create
  make deploy STAGE=production $(wa media-key create)")]
    Create,
    /// Sign links with the key that was made last
    #[command(after_help = "\
Run it ten minutes after the deployment with the parameter of `wa media-key create`, when all edges of CloudFront know the
key. It refuses if the domain does not lead to the distribution. Running functions use the key within SecretMaxAgeSeconds (five
minutes by default). From the first key on, media links lead to the domain.

Example:
  wa media-key use")]
    Use,
}

/// A key, as `show` has it.
#[derive(Serialize)]
struct LinkKeyRow {
    parameter: &'static str,
    key_pair_id: Option<String>,
    /// Whether links are signed with it.
    signs: bool,
    /// Whether `wa media-key use` would use it.
    next: bool,
}

pub async fn run(command: &MediaKeyCommand, session: &Session) -> Result<(), CommandError> {
    let stack = session.stack().await?;
    if stack.parameter("MediaBaseUrl").is_none() {
        let remedy = "deploy with it first, as docs/media-domain.md says";
        return Err(CommandError::refused(format!("the parameter MediaBaseUrl is empty: {remedy}")));
    }
    let (store, state) = (store(session).await?, state(session).await?);
    match command {
        MediaKeyCommand::Show => show(session, &state),
        MediaKeyCommand::Create => create(session, &store, &state).await,
        MediaKeyCommand::Use => use_next(session, &store, &state).await,
    }
}

async fn store(session: &Session) -> Result<LinkKeyStore, CommandError> {
    let secret_id = session.stack().await?.output("MediaKeySecretArn")?.to_owned();
    Ok(LinkKeyStore::new(Client::new(session.aws().await?), secret_id))
}

async fn state(session: &Session) -> Result<LinkKeyState, CommandError> {
    let stack = session.stack().await?;
    let deployed_keys = KeyParameter::ALL.map(|parameter| parameter.deployed(stack));
    Ok(LinkKeyState { secret: store(session).await?.read().await?, deployed_keys })
}

fn show(session: &Session, state: &LinkKeyState) -> Result<(), CommandError> {
    let next = state.next_public_key()?;
    let rows: Vec<_> = KeyParameter::ALL
        .into_iter()
        .zip(&state.deployed_keys)
        .filter(|(_, deployed)| deployed.public_key.is_some())
        .map(|(parameter, deployed)| LinkKeyRow {
            parameter: parameter.name(),
            key_pair_id: deployed.key_pair_id.clone(),
            signs: deployed.key_pair_id.is_some() && deployed.key_pair_id == state.secret.signing_id(),
            next: next.is_some() && deployed.public_key == next,
        })
        .collect();
    if rows.is_empty() && session.output.format() == Format::Table {
        return session.output.line("the stack has no public key: `wa media-key create` makes one");
    }
    session.output.table(&PropertyTable::new(&["parameter", "key_pair_id", "signs", "next"], rows)?)
}

async fn create(session: &Session, store: &LinkKeyStore, state: &LinkKeyState) -> Result<(), CommandError> {
    let parameter = state.parameter_for_next()?;
    let pair = if let Some(pair) = state.next_pair()? {
        pair
    } else {
        session.announce_change().await?;
        let pair = LinkKeyPair::generate().map_err(not_made)?;
        store.write(&state.secret, &state.secret.with_next(&pair.private_key().map_err(not_made)?)).await?;
        pair
    };
    session.terminal.note("Deploy with this parameter, then run `wa media-key use`:");
    session.output.line(&format!("{}={}", parameter.name(), pair.public_key_parameter().map_err(not_made)?))
}

async fn use_next(session: &Session, store: &LinkKeyStore, state: &LinkKeyState) -> Result<(), CommandError> {
    let (key_pair_id, private_key) = state.usable_next()?;
    session.announce_change().await?;
    let stack = session.stack().await?;
    let base_url = stack.parameter("MediaBaseUrl").unwrap_or_default();
    leads_to_the_distribution(base_url, stack.output("MediaDistributionDomainName")?).await?;
    let question = format!("Sign media links with the key {key_pair_id}, so that they lead to {base_url}?");
    session.terminal.confirm(&question)?;
    store.write(&state.secret, &signing(&key_pair_id, &private_key)).await?;
    let max_age = Duration::from(stack.secret_max_age).as_secs();
    let old =
        state.deployed_keys.iter().zip(KeyParameter::ALL).find(|(deployed, _)| {
            deployed.key_pair_id.is_some() && deployed.key_pair_id.as_deref() != Some(&key_pair_id)
        });
    let removal = old.map_or_else(String::new, |(_, parameter)| {
        let parameter = parameter.name();
        format!(" Deploy with an empty {parameter} after {OLD_LINKS_HOURS} hours, when the last links of the old key have expired.")
    });
    session.output.line(&format!("{key_pair_id} signs media links within {max_age} s.{removal}"))
}

/// Whether the domain is answered by a distribution: with 403, because the request has no signature, and with a header that names
/// `CloudFront`, because other servers answer 403 too. Otherwise every message with a file would wait from now on.
async fn leads_to_the_distribution(base_url: &str, distribution: &str) -> Result<(), CommandError> {
    let asked = reqwest::Client::new().get(format!("{base_url}/")).timeout(ANSWER_TIMEOUT).send().await;
    let remedy = format!("its DNS needs a CNAME to {distribution}, and the certificate its name");
    match asked {
        Ok(answer) if answer.status() == StatusCode::FORBIDDEN && is_of_cloudfront(answer.headers()) => Ok(()),
        Ok(answer) if answer.status() == StatusCode::FORBIDDEN => {
            Err(CommandError::refused(format!("{base_url} answers HTTP status 403, and not by CloudFront: {remedy}")))
        }
        Ok(answer) => {
            let status = answer.status();
            Err(CommandError::refused(format!("{base_url} answers HTTP status {status} and not 403: {remedy}")))
        }
        Err(error) => Err(CommandError::no_answer(format!("{base_url} does not answer: {remedy}")).because(error)),
    }
}

/// Whether `Via` names it (Amazon `CloudFront`, "Request and response behavior for Amazon S3 origins"), or `X-Cache`, as in `Error from
/// cloudfront`.
fn is_of_cloudfront(headers: &HeaderMap) -> bool {
    let names_it =
        |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase().contains("cloudfront");
    ["x-cache", "via"].into_iter().any(|name| headers.get_all(name).iter().any(names_it))
}

/// The secret's content with this key alone.
fn signing(key_pair_id: &str, private_key: &SecretString) -> SecretString {
    let key = serde_json::json!({"key_pair_id": key_pair_id, "private_key": private_key.expose_secret()});
    serde_json::json!({ "signing": key }).to_string().into()
}

fn not_made(error: KeyPairError) -> CommandError {
    CommandError::refused("the key pair cannot be made").because(error)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers everything with this status and the header `X-Cache`.
    async fn server(status: StatusCode, cache: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(move || async move { (status, [("x-cache", cache)]) });
        tokio::spawn(async { axum::serve(listener, app).await });
        url
    }

    #[tokio::test]
    async fn domain_that_does_not_lead_to_the_distribution_is_refused() {
        let check = async |url: String| leads_to_the_distribution(&url, "d1.cloudfront.net").await;
        assert!(check(server(StatusCode::FORBIDDEN, "Error from cloudfront").await).await.is_ok());
        let other = check(server(StatusCode::OK, "Hit from cloudfront").await).await.unwrap_err().to_string();
        assert!(other.contains("answers HTTP status 200 OK and not 403: its DNS needs a CNAME to d1.cloudfront.net"));
        let other = check(server(StatusCode::FORBIDDEN, "MISS").await).await.unwrap_err().to_string();
        assert!(other.contains("answers HTTP status 403, and not by CloudFront: its DNS needs a CNAME"), "{other}");
        let nothing = check("http://127.0.0.1:9".to_owned()).await.unwrap_err();
        assert!(nothing.to_string().contains("does not answer: its DNS needs a CNAME"), "{nothing}");
    }
}
