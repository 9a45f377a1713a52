//! The arguments of `wa sign` and `wa verify`: a request, and where the keys come from.

use std::{
    env, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use dialoguer::Password;
use secrecy::SecretString;
use twilio_webhook::form::Form;

use crate::{
    diagnosis::{KeyRole, RequestContent, SigningKey},
    error::CommandError,
    redaction::redacted_debug,
    session::Session,
};

/// Where the keys come from. Never from the command line, which is in the shell's history and in the process list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TokenFrom {
    /// The stack's secret: every auth token and shared key.
    #[default]
    Stack,
    /// The variable `TWILIO_AUTH_TOKEN`.
    Environment,
    /// A question on the terminal, whose answer is not shown.
    Prompt,
}

impl TokenFrom {
    /// The keys. The first is the one that Twilio signs with.
    pub async fn keys(self, session: &Session) -> Result<Vec<SigningKey>, CommandError> {
        let token = match self {
            Self::Stack => return keys_of_stack(session).await,
            Self::Environment => {
                let token = env::var("TWILIO_AUTH_TOKEN").ok().filter(|token| !token.is_empty());
                let missing = "TWILIO_AUTH_TOKEN is not set: export it, or use --token-from prompt";
                token.ok_or_else(|| CommandError::usage(missing))?
            }
            Self::Prompt => Password::new().with_prompt("Auth token").interact().map_err(|error| match error {
                dialoguer::Error::IO(error) if error.kind() == io::ErrorKind::NotConnected => {
                    CommandError::usage("there is no terminal to ask on: use --token-from environment")
                }
                dialoguer::Error::IO(error) => CommandError::from(error),
            })?,
        };
        Ok(vec![SigningKey { account_sid: None, role: KeyRole::Given, secret: SecretString::from(token) }])
    }
}

async fn keys_of_stack(session: &Session) -> Result<Vec<SigningKey>, CommandError> {
    let own = session.account_sid().await?;
    let accounts = session.accounts().await?;
    let mut keys = Vec::new();
    for sid in accounts.sids() {
        let Some(found) = accounts.signing_keys(sid) else { continue };
        let key = |role, secret| SigningKey { account_sid: Some(sid.clone()), role, secret };
        let role = |index| if index == 0 { KeyRole::Primary } else { KeyRole::Further(index + 1) };
        keys.extend(found.auth_tokens.iter().enumerate().map(|(index, token)| key(role(index), token.clone())));
        keys.extend(found.shared_keys.iter().map(|(id, secret)| key(KeyRole::Shared(id.clone()), secret.clone())));
    }
    // The stack's own account comes first: its token signs a request that names no account.
    keys.sort_by_key(|key| key.account_sid.as_ref() != Some(&own));
    if keys.is_empty() {
        let remedy = "see docs/deploy.md, \"The secret\", or use --token-from environment";
        return Err(CommandError::refused(format!("the stack's secret has no auth token: {remedy}")));
    }
    Ok(keys)
}

/// The form or the body of a request.
#[derive(clap::Args)]
pub struct RequestContentArguments {
    /// A parameter of the form (repeatable, also with the same name)
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,
    /// The form as it was posted, as in 'Body=hi&From=whatsapp%3A%2B14155550123'
    #[arg(long, value_name = "BODY", conflicts_with = "params")]
    form: Option<String>,
    /// A file with the form as it was posted; - is the standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["params", "form"])]
    form_file: Option<PathBuf>,
    /// A file with a body that is not a form, such as JSON; - is the standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["params", "form", "form_file"])]
    body_file: Option<PathBuf>,
}

impl RequestContentArguments {
    /// The content that was given; a form without parameters if none was.
    pub fn content(&self) -> Result<RequestContent, CommandError> {
        let form = match (&self.form, &self.form_file, &self.body_file) {
            (_, _, Some(file)) => return Ok(RequestContent::Body(read(file)?)),
            (_, Some(file), _) => posted(&read(file)?),
            (Some(form), ..) => posted(form.as_bytes()),
            _ => self.params.iter().cloned().collect(),
        };
        Ok(RequestContent::Form(form))
    }
}

/// Parses a form from a file, to which an editor may have added a line end that no form has.
fn posted(body: &[u8]) -> Form {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    Form::parse(body.strip_suffix(b"\r").unwrap_or(body))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected a name, = and a value, as in Body=hi")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a file, or the standard input for `-`.
pub fn read(file: &Path) -> Result<Vec<u8>, CommandError> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    fs::read(file).map_err(|error| CommandError::usage(file.display().to_string()).because(error))
}

/// A request as a proxy or a framework dumps it: the request line, headers, an empty line, the body.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestDump {
    /// The URL, if the headers name the host.
    pub url: Option<String>,
    /// `X-Twilio-Signature`
    pub signature: Option<String>,
    /// `X-Twilio-Webhooks-Signature-Settings`
    pub settings: Option<String>,
    pub content: RequestContent,
}

redacted_debug!(RequestDump);

impl RequestDump {
    /// Parses a dump. The lines of its head end as in a file or as in HTTP; the body is not changed.
    pub fn parse(bytes: &[u8]) -> Result<Self, CommandError> {
        let end = |separator: &[u8]| {
            bytes.windows(separator.len()).position(|window| window == separator).map(|at| (at, at + separator.len()))
        };
        let cut = [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min().unwrap_or((bytes.len(), bytes.len()));
        let (head, body) = (bytes.get(..cut.0).unwrap_or(bytes), bytes.get(cut.1..).unwrap_or_default());
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let target = lines.next().unwrap_or_default().split_ascii_whitespace().nth(1);
        let target = target.filter(|target| target.starts_with(['/', 'h'])).ok_or_else(|| {
            let expected = "expected a request line, as in POST /twilio/inbound HTTP/1.1";
            CommandError::usage(format!("--request: the first line: {expected}"))
        })?;
        let headers: Vec<(&str, &str)> =
            lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim(), value.trim())).collect();
        let header = |wanted: &str| {
            headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| (*value).to_owned())
        };
        let url = if target.starts_with('/') {
            let scheme = header("X-Forwarded-Proto").unwrap_or_else(|| "https".to_owned());
            header("X-Forwarded-Host").or_else(|| header("Host")).map(|host| format!("{scheme}://{host}{target}"))
        } else {
            Some(target.to_owned())
        };
        let kind = header("Content-Type").unwrap_or_default();
        let is_form = kind.is_empty() || kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
        let content = if is_form { RequestContent::Form(posted(body)) } else { RequestContent::Body(body.to_vec()) };
        let settings = header("X-Twilio-Webhooks-Signature-Settings");
        Ok(Self { url, signature: header("X-Twilio-Signature"), settings, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_parsed_with_either_kind_of_line_end() {
        let text = "POST /twilio/inbound?a=b HTTP/1.1\nHost: wa.example.com\nx-twilio-signature: abc=\n\
                    Content-Type: application/x-www-form-urlencoded; charset=utf-8\n\nBody=hi%0Athere&From=a\n";
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            let dump = RequestDump::parse(text.as_bytes()).unwrap();
            assert_eq!(dump.url.as_deref(), Some("https://wa.example.com/twilio/inbound?a=b"));
            assert_eq!(dump.signature.as_deref(), Some("abc="));
            assert_eq!(dump.content, RequestContent::Form(Form::parse(b"Body=hi%0Athere&From=a")));
        }
        let json = RequestDump::parse(
            b"POST /x HTTP/1.1\nContent-Type: application/json\nX-Forwarded-Proto: http\nHost: a:1\n\n{}\n",
        );
        let json = json.unwrap();
        assert_eq!((json.url.as_deref(), json.content), (Some("http://a:1/x"), RequestContent::Body(b"{}\n".to_vec())));
        assert_eq!(RequestDump::parse(b"Body=hi").unwrap_err().code(), 2);
    }

    #[test]
    fn a_parameter_is_split_at_its_first_equals_sign() {
        assert_eq!(pair("Body=a=b"), Ok(("Body".to_owned(), "a=b".to_owned())));
        assert!(pair("Body").is_err());
    }
}
