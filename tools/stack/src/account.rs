//! The Twilio account that a stack is deployed for: a real account from `.env` in the checkout, or the sandbox's account.

use std::{collections::BTreeMap, path::Path};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use twilio_types::{
    address::WhatsAppSender,
    base_url::BaseUrl,
    sid::{AccountSid, ApiKeySid, MessagingServiceSid, VerifyServiceSid},
};

mod problem;

pub use problem::EnvFileProblem;

/// The default of `TWILIO_API_BASE_URL`.
const DEFAULT_API_BASE_URL: &str = "https://api.twilio.com";
/// The number of hexadecimal digits in an auth token.
const TOKEN_DIGITS: usize = 32;

/// The variables of `.env` that begin with `TWILIO_`; any other is a typing mistake.
const NAMES: [&str; 8] = [
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY_SID",
    "TWILIO_API_KEY_SECRET",
    "TWILIO_MESSAGING_SERVICE_SID",
    "TWILIO_VERIFY_SERVICE_SID",
    "TWILIO_WHATSAPP_FROM",
    "TWILIO_API_BASE_URL",
];

/// A Twilio account, and the URLs at which Twilio and the stack reach each other.
#[derive(Debug, Clone)]
pub struct TwilioAccount {
    /// The account's SID.
    pub account_sid: AccountSid,
    /// The token that Twilio signs webhooks with.
    pub auth_token: SecretString,
    /// The key that authenticates REST requests; without a key, the auth token does.
    pub api_key: Option<ApiKey>,
    /// The Messaging Service of notifications that name no sender.
    pub messaging_service_sid: Option<MessagingServiceSid>,
    /// The Verify service of one-time passwords.
    pub verify_service_sid: Option<VerifyServiceSid>,
    /// The sender that notifications have to name if there is no Messaging Service.
    pub whatsapp_from: Option<WhatsAppSender>,
    /// The base URL of Twilio's API.
    pub api_base_url: BaseUrl,
    /// The base URL at which Twilio calls the stack; Twilio's signatures cover it.
    pub public_base_url: BaseUrl,
    /// SendGrid's account for e-mails; none if no e-mails are sent.
    pub sendgrid: Option<SendGridAccount>,
}

/// An account of SendGrid's.
#[derive(Debug, Clone)]
pub struct SendGridAccount {
    /// The key that authenticates requests.
    pub api_key: SecretString,
    /// The verification key of the Signed Event Webhook.
    pub public_key: String,
    /// The base URL of SendGrid's API.
    pub api_base_url: BaseUrl,
    /// The address that e-mails come from.
    pub from: String,
}

/// An API key of an account.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The key's SID.
    pub sid: ApiKeySid,
    /// The key's secret.
    pub secret: SecretString,
}

impl TwilioAccount {
    /// Reads the account from a file of variables, or returns every problem of the file. `api_port` is the port to which the
    /// tunnel has to lead.
    pub fn from_file(path: &Path, api_port: u16) -> Result<Self, Vec<EnvFileProblem>> {
        let lines = dotenvy::from_path_iter(path).map_err(|_| vec![EnvFileProblem::NoFile])?;
        let mut variables = BTreeMap::new();
        let mut last = None;
        for line in lines {
            // The error is dropped, because it quotes the line, which may contain a secret.
            let (name, value) = line.map_err(|_| vec![EnvFileProblem::Line { after: last.clone() }])?;
            last = Some(name.clone());
            variables.insert(name, value);
        }
        Self::from_variables(&variables, api_port)
    }

    fn from_variables(variables: &BTreeMap<String, String>, api_port: u16) -> Result<Self, Vec<EnvFileProblem>> {
        let mut reader = Reader { variables, problems: Vec::new() };
        reader.check_names();
        let account_sid = reader.required("TWILIO_ACCOUNT_SID", "the account's SID, AC and 32 hexadecimal digits");
        let auth_token = reader.secret("TWILIO_AUTH_TOKEN", "the account's auth token");
        reader.check_token();
        let api_key = reader.api_key();
        let messaging_service_sid = reader.optional("TWILIO_MESSAGING_SERVICE_SID");
        let verify_service_sid = reader.optional("TWILIO_VERIFY_SERVICE_SID");
        let whatsapp_from = reader.parsed("TWILIO_WHATSAPP_FROM", |text| WhatsAppSender::try_from(text.to_owned()));
        if !reader.has("TWILIO_MESSAGING_SERVICE_SID") && !reader.has("TWILIO_WHATSAPP_FROM") {
            reader.problems.push(EnvFileProblem::NoSender);
        }
        let api_base_url = reader.base_url("TWILIO_API_BASE_URL");
        let public_base_url = reader.base_url("PUBLIC_BASE_URL");
        if !reader.has("PUBLIC_BASE_URL") {
            reader.problems.push(EnvFileProblem::NoTunnel { api_port });
        }
        reader.check_reach();
        match (account_sid, auth_token, public_base_url, DEFAULT_API_BASE_URL.parse()) {
            (Some(account_sid), Some(auth_token), Some(public_base_url), Ok(twilio)) if reader.problems.is_empty() => {
                let api_base_url = api_base_url.unwrap_or(twilio);
                Ok(Self {
                    account_sid,
                    auth_token,
                    api_key,
                    messaging_service_sid,
                    verify_service_sid,
                    whatsapp_from,
                    api_base_url,
                    public_base_url,
                    sendgrid: None,
                })
            }
            _ => Err(reader.problems),
        }
    }

    /// What the stack's secret has of the account.
    fn keys(&self) -> serde_json::Value {
        let mut account = json!({"auth_tokens": [self.auth_token.expose_secret()]});
        if let (Some(key), Some(fields)) = (&self.api_key, account.as_object_mut()) {
            fields.insert("api_key_sid".to_owned(), key.sid.as_str().into());
            fields.insert("api_key_secret".to_owned(), key.secret.expose_secret().into());
        }
        if let (Some(sendgrid), Some(fields)) = (&self.sendgrid, account.as_object_mut()) {
            fields.insert("sendgrid_api_key".to_owned(), sendgrid.api_key.expose_secret().into());
            fields.insert("sendgrid_public_key".to_owned(), sendgrid.public_key.clone().into());
        }
        account
    }
}

/// The value of the stack's secret: the credentials of the accounts as JSON.
pub(crate) fn secret_of(accounts: &[&TwilioAccount]) -> SecretString {
    let accounts = accounts.iter().map(|account| (account.account_sid.to_string(), account.keys()));
    json!({"accounts": accounts.collect::<serde_json::Map<_, _>>()}).to_string().into()
}

/// Parses the variables of a file and collects their problems.
struct Reader<'a> {
    variables: &'a BTreeMap<String, String>,
    problems: Vec<EnvFileProblem>,
}

impl Reader<'_> {
    /// A variable's value. An empty value counts as missing, because `.env.example` has empty values for optional variables.
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn check_names(&mut self) {
        let unknown =
            self.variables.keys().filter(|name| name.starts_with("TWILIO_") && !NAMES.contains(&name.as_str()));
        self.problems.extend(unknown.map(|name| EnvFileProblem::Unknown { name: name.clone() }));
    }

    fn parsed<T, E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.get(name)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(EnvFileProblem::Malformed { name, error: error.to_string() });
                None
            }
        }
    }

    fn optional<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, name: &'static str) -> Option<T> {
        self.parsed(name, str::parse)
    }

    fn required<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Option<T> {
        if !self.has(name) {
            self.problems.push(EnvFileProblem::Missing { name, expected });
        }
        self.optional(name)
    }

    fn secret(&mut self, name: &'static str, expected: &'static str) -> Option<SecretString> {
        if !self.has(name) {
            self.problems.push(EnvFileProblem::Missing { name, expected });
        }
        self.get(name).map(SecretString::from)
    }

    fn check_token(&mut self) {
        let Some(token) = self.get("TWILIO_AUTH_TOKEN") else { return };
        if token.len() != TOKEN_DIGITS || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let error = format!(
                "not an auth token: expected {TOKEN_DIGITS} hexadecimal digits, got {} characters",
                token.chars().count()
            );
            self.problems.push(EnvFileProblem::Malformed { name: "TWILIO_AUTH_TOKEN", error });
        }
    }

    /// The API key, whose SID and secret must be set together.
    fn api_key(&mut self) -> Option<ApiKey> {
        const SID: &str = "TWILIO_API_KEY_SID";
        const SECRET: &str = "TWILIO_API_KEY_SECRET";
        match (self.has(SID), self.has(SECRET)) {
            (false, false) => None,
            (true, false) => {
                self.problems.push(EnvFileProblem::Missing { name: SECRET, expected: "the secret of the API key" });
                None
            }
            (_, true) => {
                let sid = self.required(SID, "the API key's SID, SK and 32 hexadecimal digits");
                let secret = self.secret(SECRET, "");
                sid.zip(secret).map(|(sid, secret)| ApiKey { sid, secret })
            }
        }
    }

    /// The template accepts only base URLs without a path.
    fn base_url(&mut self, name: &'static str) -> Option<BaseUrl> {
        self.parsed(name, |text| {
            let url: BaseUrl =
                text.parse().map_err(|error: twilio_types::base_url::InvalidBaseUrl| error.to_string())?;
            let host = url.as_str().split_once("://").map_or("", |(_, host)| host);
            if host.contains('/') { Err("expected a scheme and a host, without a path".to_owned()) } else { Ok(url) }
        })
    }

    /// Twilio cannot call an address that only this machine can reach.
    fn check_reach(&mut self) {
        let is_twilio = self.get("TWILIO_API_BASE_URL").is_none_or(|url| url.contains("twilio.com"));
        let public = self.get("PUBLIC_BASE_URL").unwrap_or_default();
        let is_local = ["//127.", "//localhost", "//[::1]"].iter().any(|host| public.contains(host));
        if is_twilio && is_local {
            self.problems.push(EnvFileProblem::Unreachable);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const SID: &str = "AC000000000000000000000000000000aa";
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn variables(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let plain = [
            ("TWILIO_ACCOUNT_SID", SID),
            ("TWILIO_AUTH_TOKEN", TOKEN),
            ("TWILIO_MESSAGING_SERVICE_SID", "MG000000000000000000000000000000aa"),
            ("PUBLIC_BASE_URL", "https://wa.example.com/"),
        ];
        let all = plain.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        all.collect()
    }

    /// A valid account with these changes to its variables.
    pub(crate) fn account(changes: &[(&str, &str)]) -> TwilioAccount {
        TwilioAccount::from_variables(&variables(changes), 8080).unwrap()
    }

    fn problems(changes: &[(&str, &str)]) -> Vec<String> {
        let account = TwilioAccount::from_variables(&variables(changes), 8080);
        account.map(|_| ()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn account_secret_can_be_read_by_the_functions() {
        let read = account(&[]);
        assert_eq!(read.api_base_url.as_str(), "https://api.twilio.com");
        assert_eq!(read.public_base_url.as_str(), "https://wa.example.com");
        let accounts: shared::secrets::Accounts = serde_json::from_str(secret_of(&[&read]).expose_secret()).unwrap();
        assert_eq!(accounts.credentials(&read.account_sid).unwrap().username, SID);

        let key = [("TWILIO_API_KEY_SID", "SK000000000000000000000000000000aa"), ("TWILIO_API_KEY_SECRET", "s")];
        let read = account(&key);
        let accounts: shared::secrets::Accounts = serde_json::from_str(secret_of(&[&read]).expose_secret()).unwrap();
        assert_eq!(accounts.credentials(&read.account_sid).unwrap().username, "SK000000000000000000000000000000aa");
    }

    #[test]
    fn missing_or_malformed_variable_has_a_line() {
        let cases: [(&[(&str, &str)], &str); 12] = [
            (
                &[("TWILIO_ACCOUNT_SID", " ")],
                "TWILIO_ACCOUNT_SID is not set in .env: expected the account's SID, AC and 32 hexadecimal digits",
            ),
            (
                &[("TWILIO_ACCOUNT_SID", "12")],
                "TWILIO_ACCOUNT_SID: not an account SID: expected AC and 32 hexadecimal digits, got 2 characters",
            ),
            (&[("TWILIO_AUTH_TOKEN", "")], "TWILIO_AUTH_TOKEN is not set in .env: expected the account's auth token"),
            (
                &[("TWILIO_AUTH_TOKEN", "secret")],
                "TWILIO_AUTH_TOKEN: not an auth token: expected 32 hexadecimal digits, got 6 characters",
            ),
            (
                &[("TWILIO_API_KEY_SID", "SK000000000000000000000000000000aa")],
                "TWILIO_API_KEY_SECRET is not set in .env: expected the secret of the API key",
            ),
            (
                &[("TWILIO_API_KEY_SECRET", "s")],
                "TWILIO_API_KEY_SID is not set in .env: expected the API key's SID, SK and 32 hexadecimal digits",
            ),
            (
                &[("TWILIO_MESSAGING_SERVICE_SID", "")],
                "TWILIO_MESSAGING_SERVICE_SID or TWILIO_WHATSAPP_FROM is not set in .env: expected one of them, as in MG and \
                 32 hexadecimal digits, or whatsapp:+14155238886",
            ),
            (
                &[("TWILIO_WHATSAPP_FROM", "+14155238886")],
                "TWILIO_WHATSAPP_FROM: not a WhatsApp address: expected whatsapp:+ and digits, as in whatsapp:+14155238886",
            ),
            (
                &[("PUBLIC_BASE_URL", "")],
                "PUBLIC_BASE_URL is not set in .env: expected the URL of a tunnel to this machine, as `cloudflared tunnel \
                 --url http://127.0.0.1:8080` or `ngrok http 8080` prints it",
            ),
            (
                &[("PUBLIC_BASE_URL", "https://wa.example.com/twilio")],
                "PUBLIC_BASE_URL: expected a scheme and a host, without a path",
            ),
            (
                &[("PUBLIC_BASE_URL", "http://localhost:8080")],
                "PUBLIC_BASE_URL: Twilio cannot reach this machine by itself: expected the URL of a tunnel",
            ),
            (
                &[("TWILIO_ACCOUNT_ID", "AC")],
                "TWILIO_ACCOUNT_ID: unknown variable: expected TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_API_KEY_SID, \
                 TWILIO_API_KEY_SECRET, TWILIO_MESSAGING_SERVICE_SID, TWILIO_VERIFY_SERVICE_SID, TWILIO_WHATSAPP_FROM or \
                 TWILIO_API_BASE_URL",
            ),
        ];
        for (changes, line) in cases {
            assert_eq!(problems(changes), [line]);
        }
    }

    #[test]
    fn all_problems_are_reported_together_without_values() {
        let wrong = problems(&[
            ("TWILIO_ACCOUNT_SID", "private1"),
            ("TWILIO_AUTH_TOKEN", "private2"),
            ("PUBLIC_BASE_URL", "private3"),
        ]);
        assert_eq!(wrong.len(), 3);
        assert!(wrong.iter().all(|line| !line.contains("private")), "{wrong:?}");
    }

    #[test]
    fn local_public_url_is_accepted_with_a_local_twilio_api() {
        let local = [("TWILIO_API_BASE_URL", "http://127.0.0.1:9000"), ("PUBLIC_BASE_URL", "http://127.0.0.1:8080")];
        assert_eq!(account(&local).public_base_url.as_str(), "http://127.0.0.1:8080");
    }

    #[test]
    fn unreadable_file_is_reported_without_its_content() {
        let path = std::env::temp_dir().join(format!("account-{}", std::process::id()));
        let lines = |problems: Vec<EnvFileProblem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        let reported = lines(TwilioAccount::from_file(&path, 8080).map(|_| ()).unwrap_err());
        assert_eq!(reported, [".env is missing: copy .env.example to .env and fill it in"]);
        std::fs::write(&path, "TWILIO_ACCOUNT_SID=AC1\nprivate words\n").unwrap();
        let reported = lines(TwilioAccount::from_file(&path, 8080).map(|_| ()).unwrap_err());
        assert_eq!(reported, [".env: the line after TWILIO_ACCOUNT_SID is not a variable: expected NAME=value"]);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn account_debug_shows_no_secret() {
        let read = account(&[]);
        assert!(!format!("{read:?}").contains(TOKEN));
    }
}
