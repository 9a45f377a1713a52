//! Why a webhook's signature does not match: which part of the request Twilio signed differently.
//!
//! The check is `twilio_webhook::signature`'s. What differs is found by changing one part of the request at a time, as proxies,
//! frameworks and settings are known to change it, until the signature matches. Source: Twilio, "Webhooks Security".

use domain::digest::sha256_hex;
use secrecy::SecretString;
use serde::Serialize;
use twilio_types::{base_url::BaseUrl, sid::AccountSid};
use twilio_webhook::{
    form::Form,
    signature::{SIGNATURE, SIGNATURE_SETTINGS, SignatureError, SigningKeys, UnverifiedRequest},
};

mod forms;
mod urls;

/// What a request carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestContent {
    /// A form.
    Form(Form),
    /// Something else, as JSON, whose hash is in the URL.
    Body(Vec<u8>),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// The URL that it is thought to have been sent to.
    pub url: String,
    /// What it carries.
    pub content: RequestContent,
    /// `X-Twilio-Signature`
    pub signature: String,
    /// `X-Twilio-Webhooks-Signature-Settings`
    pub settings: Option<String>,
}

/// What a key is to the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    /// The first of the secret's auth tokens: the one that Twilio signs with.
    Primary,
    /// Another of the secret's auth tokens, by its place, from 2.
    Further(usize),
    /// A shared key, by its id.
    Shared(String),
    /// The auth token that was given by hand.
    Given,
}

/// A key that may have signed.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Whose it is, where that is known.
    pub account_sid: Option<AccountSid>,
    /// What it is to the account.
    pub role: KeyRole,
    /// The key.
    pub secret: SecretString,
}

/// What the request is compared with besides itself.
#[derive(Debug, Clone, Default)]
pub struct VerificationContext {
    /// Every key that is known.
    pub keys: Vec<SigningKey>,
    /// The base URLs that the stack is known by.
    pub base_urls: Vec<BaseUrl>,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestPart {
    /// The header itself.
    Signature,
    /// The settings header.
    Settings,
    /// The URL.
    Url,
    /// The auth token or the shared key.
    Key,
    /// The parameters.
    Parameters,
    /// A body that is no form.
    Body,
    /// It cannot be told.
    Unknown,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureFinding {
    /// Where the difference is.
    pub part: RequestPart,
    /// What it is.
    pub finding: String,
    /// What is to be done.
    pub fix: String,
}

impl SignatureFinding {
    fn new(part: RequestPart, finding: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { part, finding: finding.into(), fix: fix.into() }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureVerdict {
    /// The signature is the one of this request, made with this key.
    Signed(KeyRole),
    /// It is not, and this is why.
    Differs(SignatureFinding),
}

/// A way in which a part may differ: what it would have been, and what to say then.
struct Variant<T> {
    value: T,
    finding: String,
    fix: String,
}

impl<T> Variant<T> {
    fn new(value: T, finding: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { value, finding: finding.into(), fix: fix.into() }
    }
}

impl WebhookRequest {
    /// Checks the signature, and where it does not match says which part differs.
    pub fn examine(&self, around: &VerificationContext) -> SignatureVerdict {
        if let Some(finding) = self.unusable() {
            return SignatureVerdict::Differs(finding);
        }
        if let Some(finding) = self.wrong_settings(&around.keys) {
            return SignatureVerdict::Differs(finding);
        }
        let own = self.own_keys(&around.keys);
        if let Some(key) = self.signed_by(&own) {
            return SignatureVerdict::Signed(key.role.clone());
        }
        let found = self
            .of_another_body(&own)
            .or_else(|| self.of_another_url(&own, around))
            .or_else(|| self.of_other_parameters(&own))
            .or_else(|| self.of_another_key(&own, &around.keys))
            .or_else(|| self.of_two_parts(&own, around));
        SignatureVerdict::Differs(found.unwrap_or_else(unexplained))
    }

    /// The keys that count for the request: those of the account that the form names.
    fn own_keys<'a>(&self, keys: &'a [SigningKey]) -> Vec<&'a SigningKey> {
        let named = match &self.content {
            RequestContent::Form(form) => form.get("AccountSid").and_then(|sid| sid.parse::<AccountSid>().ok()),
            RequestContent::Body(_) => None,
        };
        let counts = |key: &&SigningKey| match (&named, &key.account_sid) {
            (Some(named), Some(owner)) => named == owner,
            _ => true,
        };
        keys.iter().filter(counts).collect()
    }

    fn signed_by<'a>(&self, keys: &[&'a SigningKey]) -> Option<&'a SigningKey> {
        keys.iter().copied().find(|key| self.check(key).is_ok())
    }

    fn check(&self, key: &SigningKey) -> Result<(), SignatureError> {
        let mut keys = SigningKeys::default();
        match &key.role {
            KeyRole::Shared(id) => drop(keys.shared_keys.insert(id.clone(), key.secret.clone())),
            _ => keys.auth_tokens.push(key.secret.clone()),
        }
        self.unverified().verify(&keys).map(drop)
    }

    fn unverified(&self) -> UnverifiedRequest {
        let (content_type, body) = match &self.content {
            RequestContent::Form(form) => ("application/x-www-form-urlencoded", encoded(form).into_bytes()),
            RequestContent::Body(body) => ("application/json", body.clone()),
        };
        let header = |name: &str| match name {
            "content-type" => Some(content_type.to_owned()),
            SIGNATURE => Some(self.signature.clone()),
            SIGNATURE_SETTINGS => self.settings.clone(),
            _ => None,
        };
        UnverifiedRequest::from_lookup(self.url.clone(), header, body)
    }

    /// A signature that no request can have.
    fn unusable(&self) -> Option<SignatureFinding> {
        let header = "copy the X-Twilio-Signature header whole, without quotes";
        let signature = self.signature.as_str();
        if signature.is_empty() {
            return Some(SignatureFinding::new(
                RequestPart::Signature,
                "there is no signature: the request is not Twilio's",
                header,
            ));
        }
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        let wrong = signature.chars().find(|c| !is_base64(*c));
        if let Some(wrong) = wrong {
            let finding = match wrong {
                ' ' => "the signature has a space in it, where a + was decoded as one".to_owned(),
                '%' => "the signature is percent-encoded".to_owned(),
                other => format!("the signature has a {other:?} in it, which no base64 has"),
            };
            return Some(SignatureFinding::new(RequestPart::Signature, finding, header));
        }
        let algorithm = match signature.len() {
            28 => Algorithm::Sha1,
            44 => Algorithm::Sha256,
            length => {
                let finding = format!("the signature has {length} characters, expected 28 (or 44 of a shared key)");
                return Some(SignatureFinding::new(RequestPart::Signature, finding, header));
            }
        };
        let names_a_key =
            self.settings.as_deref().is_some_and(|settings| settings.to_ascii_lowercase().contains("sha256"));
        match (algorithm, names_a_key) {
            (Algorithm::Sha256, false) => Some(SignatureFinding::new(
                RequestPart::Settings,
                "signed with a shared key (HMAC-SHA256), but no X-Twilio-Webhooks-Signature-Settings header names it",
                "let the proxy pass that header on, or give it with --settings",
            )),
            (Algorithm::Sha1, true) => Some(SignatureFinding::new(
                RequestPart::Settings,
                "signed with an auth token (HMAC-SHA1), but the settings header names a shared key",
                "leave the X-Twilio-Webhooks-Signature-Settings header as Twilio sent it",
            )),
            _ => None,
        }
    }

    /// A settings header that names no key of ours.
    fn wrong_settings(&self, keys: &[SigningKey]) -> Option<SignatureFinding> {
        let mut all = SigningKeys::default();
        for key in keys {
            match &key.role {
                KeyRole::Shared(id) => drop(all.shared_keys.insert(id.clone(), key.secret.clone())),
                _ => all.auth_tokens.push(key.secret.clone()),
            }
        }
        if self.unverified().verify(&all) != Err(SignatureError::Settings) {
            return None;
        }
        let known: Vec<_> = all.shared_keys.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let settings = self.settings.as_deref().unwrap_or_default();
        Some(SignatureFinding::new(
            RequestPart::Settings,
            format!("the settings header ({settings}) names no shared key that is known; known: {known}"),
            "put the shared key into the secret (docs/deploy.md, \"The secret\"), under shared_keys and its id",
        ))
    }

    fn of_another_body(&self, keys: &[&SigningKey]) -> Option<SignatureFinding> {
        let RequestContent::Body(body) = &self.content else { return None };
        let (name, hash) = ("bodySHA256", sha256_hex(body));
        let Some((before, rest)) = self.url.split_once(&format!("{name}=")) else {
            let finding = format!("the URL has no {name}, without which nothing signs a body that is no form");
            return Some(SignatureFinding::new(
                RequestPart::Body,
                finding,
                "check with the query that Twilio sent, or as a form",
            ));
        };
        let (signed_hash, rest) = rest.split_at(rest.find(['&', '#']).unwrap_or(rest.len()));
        if signed_hash.eq_ignore_ascii_case(&hash) {
            return None;
        }
        // The signature tells which of the two was changed on the way: the body, or the hash in the URL.
        let with_hash = Self { url: format!("{before}{name}={hash}{rest}"), ..self.clone() };
        if with_hash.signed_by(keys).is_some() {
            let finding = format!("{name} in the URL was changed: Twilio signed {hash}, which the body has");
            return Some(SignatureFinding::new(RequestPart::Url, finding, "leave the query as Twilio sent it"));
        }
        let url_alone = Self { content: RequestContent::Form(Form::default()), ..self.clone() };
        let finding = if url_alone.signed_by(keys).is_some() {
            "the URL is signed, and the body is another one than Twilio sent: its SHA-256 is not bodySHA256"
        } else {
            "the body's SHA-256 is not bodySHA256, and the URL's own signature does not match either"
        };
        let fix = "take the body's bytes as they came, before anything parses and writes them again";
        Some(SignatureFinding::new(RequestPart::Body, finding, fix))
    }

    fn of_another_url(&self, keys: &[&SigningKey], around: &VerificationContext) -> Option<SignatureFinding> {
        let mut variants = urls::variants(&self.url, &around.base_urls).into_iter();
        let found = variants.find(|variant| self.with_url(&variant.value).signed_by(keys).is_some())?;
        Some(SignatureFinding::new(
            RequestPart::Url,
            format!("signed for {}: {}", found.value, found.finding),
            found.fix,
        ))
    }

    fn of_other_parameters(&self, keys: &[&SigningKey]) -> Option<SignatureFinding> {
        let RequestContent::Form(form) = &self.content else { return None };
        let mut variants = forms::variants(form).into_iter();
        let found = variants.find(|variant| self.with_form(&variant.value).signed_by(keys).is_some())?;
        Some(SignatureFinding::new(RequestPart::Parameters, found.finding, found.fix))
    }

    fn of_another_key(&self, own: &[&SigningKey], all: &[SigningKey]) -> Option<SignatureFinding> {
        let others: Vec<_> = all.iter().filter(|key| !own.iter().any(|own| std::ptr::eq(*own, *key))).collect();
        let signer = self.signed_by(&others)?;
        let owner = signer.account_sid.as_ref().map_or_else(String::new, |sid| format!(" of {sid}"));
        let finding = format!("signed with {}{owner}, while the form's AccountSid is another account", signer.role);
        let fix = "leave AccountSid as Twilio sent it, or put that token under the account it belongs to in the secret";
        Some(SignatureFinding::new(RequestPart::Key, finding, fix))
    }

    /// Two parts at once, of those pairs that happen together: a URL with whatever else.
    fn of_two_parts(&self, keys: &[&SigningKey], around: &VerificationContext) -> Option<SignatureFinding> {
        let others: Vec<&SigningKey> =
            around.keys.iter().filter(|key| !keys.iter().any(|own| std::ptr::eq(*own, *key))).collect();
        for url in urls::variants(&self.url, &around.base_urls) {
            let request = self.with_url(&url.value);
            let also = request.of_other_parameters(keys).or_else(|| {
                let signer = request.signed_by(&others)?;
                Some(SignatureFinding::new(
                    RequestPart::Key,
                    format!("signed with {} of another account", signer.role),
                    "put it under AccountSid's account",
                ))
            });
            if let Some(also) = also {
                let finding = format!("signed for {}: {}; and {}", url.value, url.finding, also.finding);
                return Some(SignatureFinding::new(
                    RequestPart::Url,
                    finding,
                    format!("{}; and {}", url.fix, also.fix),
                ));
            }
        }
        None
    }

    fn with_url(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    fn with_form(&self, form: &Form) -> Self {
        Self { content: RequestContent::Form(form.clone()), ..self.clone() }
    }
}

/// Nothing that is tried explains it.
fn unexplained() -> SignatureFinding {
    SignatureFinding::new(
        RequestPart::Unknown,
        "no key that is known signed this request, nor one that differs in any of the usual ways",
        "compare the account's primary auth token in the Twilio Console with the secret's (`wa doctor` tries it), and \
         the URL with the one that stands at Twilio, letter by letter",
    )
}

enum Algorithm {
    Sha1,
    Sha256,
}

impl std::fmt::Display for KeyRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Primary => f.write_str("the secret's first auth token"),
            Self::Further(place) => write!(f, "auth token number {place} of the secret"),
            Self::Shared(id) => write!(f, "the shared key {id}"),
            Self::Given => f.write_str("the given auth token"),
        }
    }
}

fn encoded(form: &Form) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form.pairs()).finish()
}

#[cfg(test)]
mod tests;
