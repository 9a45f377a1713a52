//! `wa verify`

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use twilio_types::base_url::BaseUrl;

use crate::{
    diagnosis::{KeyRole, RequestPart, SignatureFinding, SignatureVerdict, VerificationContext, WebhookRequest},
    error::CommandError,
    output::{Format, PropertyTable, readable},
    session::Session,
    signing::{RequestContentArguments, RequestDump, TokenFrom, read},
};

#[derive(clap::Args)]
#[command(after_help = "\
Exit code 1: the signature does not match. The output says which part of the request differs.

Example:
  wa verify --url https://wa.example.com/twilio/inbound --form-file body.txt --signature 'RSOYDt4T1cUTdK1PDd93/VVr8B8='")]
pub struct VerifyArguments {
    /// The URL that is set at Twilio, with its query
    #[arg(long, value_name = "URL", required_unless_present = "request")]
    url: Option<String>,
    #[command(flatten)]
    content: RequestContentArguments,
    /// The X-Twilio-Signature header
    #[arg(long, value_name = "BASE64", required_unless_present = "request", allow_hyphen_values = true)]
    signature: Option<String>,
    /// The X-Twilio-Webhooks-Signature-Settings header, if there was one
    #[arg(long, value_name = "HEADER")]
    settings: Option<String>,
    /// A file with the whole request as a proxy dumps it: request line, headers, an empty line, body; - is the standard
    /// input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["params", "form", "form_file", "body_file"])]
    request: Option<PathBuf>,
    /// Where the auth token comes from
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    token_from: TokenFrom,
}

/// The verdict. The fields are those of the JSON output.
#[derive(Serialize)]
struct VerificationRow {
    matches: bool,
    key: Option<KeyRole>,
    #[serde(flatten)]
    finding: Option<SignatureFinding>,
}

/// Verifies a signature, and prints the key or what differs.
pub async fn run(arguments: &VerifyArguments, session: &Session) -> Result<(), CommandError> {
    let request = request(arguments)?;
    let keys = arguments.token_from.keys(session).await?;
    let base_urls = match arguments.token_from {
        TokenFrom::Stack => base_urls(session).await?,
        TokenFrom::Environment | TokenFrom::Prompt => Vec::new(),
    };
    let verdict = request.examine(&VerificationContext { keys, base_urls });
    show(session, &verdict)?;
    match verdict {
        SignatureVerdict::Signed(_) => Ok(()),
        SignatureVerdict::Differs(_) => {
            Err(CommandError::answer_is_no(format!("the signature does not match {}", request.url)))
        }
    }
}

fn request(arguments: &VerifyArguments) -> Result<WebhookRequest, CommandError> {
    let Some(file) = &arguments.request else {
        return Ok(WebhookRequest {
            url: arguments.url.clone().unwrap_or_default(),
            content: arguments.content.content()?,
            signature: arguments.signature.as_deref().unwrap_or_default().trim().to_owned(),
            settings: arguments.settings.clone(),
        });
    };
    let dump = RequestDump::parse(&read(file)?)?;
    let url = arguments.url.clone().or(dump.url);
    let missing = "--request: there is no Host header: give the URL with --url";
    Ok(WebhookRequest {
        url: url.ok_or_else(|| CommandError::usage(missing))?,
        content: dump.content,
        signature: arguments.signature.clone().or(dump.signature).unwrap_or_default().trim().to_owned(),
        settings: arguments.settings.clone().or(dump.settings),
    })
}

async fn base_urls(session: &Session) -> Result<Vec<BaseUrl>, CommandError> {
    let stack = session.stack().await?;
    let public = stack.parameter("PublicBaseUrl").and_then(|url| url.parse().ok());
    let all = [Some(stack.api_url.clone()), public.filter(|public| *public != stack.api_url)];
    Ok(all.into_iter().flatten().collect())
}

fn show(session: &Session, verdict: &SignatureVerdict) -> Result<(), CommandError> {
    let row = match verdict {
        SignatureVerdict::Signed(role) => {
            VerificationRow { matches: true, key: Some(role.clone()), finding: outdated_key(role) }
        }
        SignatureVerdict::Differs(finding) => {
            VerificationRow { matches: false, key: None, finding: Some(finding.clone()) }
        }
    };
    if session.output.format() != Format::Table {
        let row = serde_json::to_value(&row).unwrap_or(Value::Null);
        return session.output.one(&PropertyTable::new(&["matches", "key", "part", "finding", "fix"], [row])?);
    }
    if let Some(role) = &row.key {
        session.output.line(&format!("The signature matches: signed with {role}."))?;
    }
    if let Some(SignatureFinding { part, finding, fix }) = &row.finding {
        let part =
            serde_json::to_value(part).ok().and_then(|part| part.as_str().map(str::to_owned)).unwrap_or_default();
        session.output.line(&readable(&format!("{part}: {finding}.")))?;
        session.output.line(&readable(&format!("Fix: {fix}.")))?;
    }
    Ok(())
}

/// Twilio signs with the primary token alone. If the secret has that token in another place than the first, a rotation was not
/// completed. Source: Twilio, "Webhooks Security".
fn outdated_key(role: &KeyRole) -> Option<SignatureFinding> {
    let KeyRole::Further(_) = role else { return None };
    Some(SignatureFinding {
        part: RequestPart::Key,
        finding: format!(
            "Twilio signs with its primary token, so {role} has been promoted, and the first has not counted since"
        ),
        fix: "finish the rotation with `wa rotate`".to_owned(),
    })
}
