//! `wa sign`

use domain::digest::sha256_hex;
use serde::Serialize;
use twilio_webhook::{
    form::Form,
    signature::{sign, sign_with_shared_key},
};

use crate::{
    diagnosis::{KeyRole, RequestContent, SigningKey},
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
    signing::{RequestContentArguments, TokenFrom},
};

#[derive(clap::Args)]
#[command(after_help = "\
The auth token is never given on the command line, because the shell's history keeps it.

Example:
  wa sign --url https://wa.example.com/twilio/inbound --param Body=hi --param From=whatsapp:+14155550123")]
pub struct SignArguments {
    /// The URL that is called, with its query
    #[arg(long, value_name = "URL")]
    url: String,
    #[command(flatten)]
    content: RequestContentArguments,
    /// Where the auth token comes from
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    token_from: TokenFrom,
    /// Sign with this shared key of the secret (HMAC-SHA256) instead of the auth token
    #[arg(long, value_name = "ID")]
    shared_key: Option<String>,
}

/// The signature of a request. The fields are those of the JSON output.
#[derive(Serialize)]
struct SignedRequest {
    url: String,
    signature: String,
    settings: Option<String>,
}

/// Prints the signature alone, or with its URL and settings in JSON, CSV and TSV.
pub async fn run(arguments: &SignArguments, session: &Session) -> Result<(), CommandError> {
    let (url, form) = match arguments.content.content()? {
        RequestContent::Form(form) => (arguments.url.clone(), form),
        RequestContent::Body(body) => (with_hash(&arguments.url, &body), Form::default()),
    };
    let keys = arguments.token_from.keys(session).await?;
    let key = select(&keys, arguments.shared_key.as_deref())?;
    let (signature, settings) = match &key.role {
        KeyRole::Shared(id) => {
            (sign_with_shared_key(&key.secret, &url, &form), Some(format!("key={id},algorithm=HMAC_SHA256")))
        }
        _ => (sign(&key.secret, &url, &form), None),
    };
    if session.output.format() != Format::Table {
        let columns = ["url", "signature", "settings"];
        return session.output.one(&PropertyTable::new(&columns, [SignedRequest { url, signature, settings }])?);
    }
    if url != arguments.url {
        session.terminal.note(&format!("call {url}"));
    }
    if let Some(settings) = settings {
        session.terminal.note(&format!("send X-Twilio-Webhooks-Signature-Settings: {settings}"));
    }
    session.output.line(&signature)
}

fn select<'a>(keys: &'a [SigningKey], shared_key: Option<&str>) -> Result<&'a SigningKey, CommandError> {
    match shared_key {
        None => keys
            .iter()
            .find(|key| matches!(key.role, KeyRole::Primary | KeyRole::Given))
            .ok_or_else(|| CommandError::refused("the secret has no auth token: name a shared key with --shared-key")),
        Some(id) => keys
            .iter()
            .find(|key| key.role == KeyRole::Shared(id.to_owned()))
            .ok_or_else(|| CommandError::not_found(format!("--shared-key: the secret has no shared key {id}"))),
    }
}

/// A body that is not a form is signed through its hash, which Twilio puts into the query. Source: Twilio, "Webhooks Security".
fn with_hash(url: &str, body: &[u8]) -> String {
    if url.contains("bodySHA256=") {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}bodySHA256={}", sha256_hex(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_through_its_hash() {
        let hash = "bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(with_hash("https://a/b", b"{}"), format!("https://a/b?{hash}"));
        assert_eq!(with_hash("https://a/b?c=d", b"{}"), format!("https://a/b?c=d&{hash}"));
        assert_eq!(with_hash("https://a/b?bodySHA256=x", b"{}"), "https://a/b?bodySHA256=x");
    }
}
