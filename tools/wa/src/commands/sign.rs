//! `wa sign`

use domain::digest::sha256_hex;
use twilio_webhook::{
    form::Form,
    signature::{sign, sign_with_shared_key},
};

use crate::{
    diagnosis::{KeyRole, RequestContent, SigningKey},
    exit::CommandError,
    output::{Format, PropertyTable},
    session::Session,
    signing::{RequestContentArguments, TokenFrom},
};

/// A request to sign.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The auth token is never given on the command line, where the shell's history keeps it.

Example:
  wa sign --url https://wa.example.com/twilio/inbound --param Body=hi --param From=whatsapp:+14155550123")]
pub struct SignArguments {
    /// The URL that is called, query included
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

/// A signed request.
#[derive(Debug, serde::Serialize)]
struct SignedRequest {
    url: String,
    signature: String,
    settings: Option<String>,
}

/// Prints the signature: bare for people and scripts, with its URL in JSON, CSV and TSV.
pub async fn run(arguments: &SignArguments, session: &Session) -> Result<(), CommandError> {
    let (url, form) = match arguments.content.content()? {
        RequestContent::Form(form) => (arguments.url.clone(), form),
        RequestContent::Body(body) => (with_hash(&arguments.url, &body), Form::default()),
    };
    let keys = arguments.token_from.keys(session).await?;
    let key = chosen(&keys, arguments.shared_key.as_deref())?;
    let (signature, settings) = match &key.role {
        KeyRole::Shared(id) => {
            (sign_with_shared_key(&key.secret, &url, &form), Some(format!("key={id},algorithm=HMAC_SHA256")))
        }
        _ => (sign(&key.secret, &url, &form), None),
    };
    if session.output.format() != Format::Table {
        return session.output.one(&PropertyTable::new(
            &["url", "signature", "settings"],
            [SignedRequest { url, signature, settings }],
        )?);
    }
    if url != arguments.url {
        session.terminal.note(&format!("call {url}"));
    }
    if let Some(settings) = settings {
        session.terminal.note(&format!("send X-Twilio-Webhooks-Signature-Settings: {settings}"));
    }
    session.output.line(&signature)
}

fn chosen<'a>(keys: &'a [SigningKey], shared_key: Option<&str>) -> Result<&'a SigningKey, CommandError> {
    match shared_key {
        None => keys.iter().find(|key| matches!(key.role, KeyRole::Primary | KeyRole::Given)).ok_or_else(|| {
            CommandError::Refused("the secret has no auth token: name a shared key with --shared-key".to_owned())
        }),
        Some(id) => keys
            .iter()
            .find(|key| key.role == KeyRole::Shared(id.to_owned()))
            .ok_or_else(|| CommandError::NotFound(format!("--shared-key: the secret has no shared key {id}"))),
    }
}

/// Twilio brings a body that is no form under the signature by its hash in the query. Source: Twilio, "Webhooks Security".
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
    fn a_body_is_signed_by_its_hash() {
        let hash = "bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(with_hash("https://a/b", b"{}"), format!("https://a/b?{hash}"));
        assert_eq!(with_hash("https://a/b?c=d", b"{}"), format!("https://a/b?c=d&{hash}"));
        assert_eq!(with_hash("https://a/b?bodySHA256=x", b"{}"), "https://a/b?bodySHA256=x");
    }
}
