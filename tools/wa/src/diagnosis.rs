//! Why a webhook's signature does not match: which part of the request differs from what Twilio signed.
//!
//! `twilio_webhook::signature` verifies. To find the difference, one part of the request is changed at a time, in the ways in
//! which proxies, frameworks and settings are known to change it, until the signature matches. Source: Twilio, "Webhooks
//! Security".

use std::fmt;

use secrecy::SecretString;
use serde::Serialize;
use twilio_types::{base_url::BaseUrl, sid::AccountSid};
use twilio_webhook::{
    form::Form,
    signature::{SIGNATURE, SIGNATURE_SETTINGS, SignatureError, SigningKeys, UnverifiedRequest},
};

use crate::redaction::redacted_debug;

mod causes;
mod forms;
mod headers;
mod urls;

#[derive(Clone, PartialEq, Eq)]
pub enum RequestContent {
    Form(Form),
    /// A body that is not a form, such as JSON. Its hash is in the URL.
    Body(Vec<u8>),
}

/// A webhook as it arrived.
#[derive(Clone)]
pub struct WebhookRequest {
    /// The URL that Twilio is thought to have called.
    pub url: String,
    pub content: RequestContent,
    /// `X-Twilio-Signature`
    pub signature: String,
    /// `X-Twilio-Webhooks-Signature-Settings`
    pub settings: Option<String>,
}

redacted_debug!(RequestContent, WebhookRequest);

/// The place of a key in the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    /// The first of the account's auth tokens: the one that Twilio signs with.
    Primary,
    /// Another of the account's auth tokens, by its number, from 2.
    Further(usize),
    /// A shared key, by its id.
    Shared(String),
    /// An auth token that is not from the secret.
    Given,
}

/// A key that may have signed the request.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// The account that the key belongs to, if that is known.
    pub account_sid: Option<AccountSid>,
    pub role: KeyRole,
    pub secret: SecretString,
}

/// Everything that is known besides the request.
#[derive(Debug, Clone, Default)]
pub struct VerificationContext {
    pub keys: Vec<SigningKey>,
    /// The base URLs of the stack.
    pub base_urls: Vec<BaseUrl>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestPart {
    /// The header `X-Twilio-Signature`.
    Signature,
    /// The header `X-Twilio-Webhooks-Signature-Settings`.
    Settings,
    Url,
    /// The auth token or the shared key.
    Key,
    Parameters,
    /// A body that is not a form.
    Body,
    Unknown,
}

/// The difference that was found. The fields are those of the JSON output. Its texts may repeat the URL and parameters, so
/// `Debug` shows the part alone.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SignatureFinding {
    pub part: RequestPart,
    /// What differs.
    pub finding: String,
    /// What the operator should do.
    pub fix: String,
}

impl fmt::Debug for SignatureFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureFinding").field("part", &self.part).finish_non_exhaustive()
    }
}

impl SignatureFinding {
    fn new(part: RequestPart, finding: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { part, finding: finding.into(), fix: fix.into() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureVerdict {
    /// The signature matches the request and this key.
    Signed(KeyRole),
    /// The signature does not match, for this reason.
    Differs(SignatureFinding),
}

/// A value that a part of the request may have had when Twilio signed it, and what that would mean.
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
    /// Verifies the signature. If it does not match, the verdict says which part differs.
    pub fn examine(&self, context: &VerificationContext) -> SignatureVerdict {
        if let Some(finding) = self.unusable_signature().or_else(|| self.unknown_settings(&context.keys)) {
            return SignatureVerdict::Differs(finding);
        }
        let own = self.own_keys(&context.keys);
        match self.signed_by(&own) {
            Some(key) => SignatureVerdict::Signed(key.role.clone()),
            None => SignatureVerdict::Differs(self.find_difference(&own, context)),
        }
    }

    /// The keys of the account that the form names; all keys if it names none.
    fn own_keys<'a>(&self, keys: &'a [SigningKey]) -> Vec<&'a SigningKey> {
        let named = match &self.content {
            RequestContent::Form(form) => form.get("AccountSid").and_then(|sid| sid.parse::<AccountSid>().ok()),
            RequestContent::Body(_) => None,
        };
        let is_own = |key: &&SigningKey| match (&named, &key.account_sid) {
            (Some(named), Some(owner)) => named == owner,
            _ => true,
        };
        keys.iter().filter(is_own).collect()
    }

    fn signed_by<'a>(&self, keys: &[&'a SigningKey]) -> Option<&'a SigningKey> {
        keys.iter().copied().find(|key| self.verify(&signing_keys([*key])).is_ok())
    }

    fn verify(&self, keys: &SigningKeys) -> Result<(), SignatureError> {
        self.unverified().verify(keys).map(drop)
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

    fn with_url(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    fn with_form(&self, form: &Form) -> Self {
        Self { content: RequestContent::Form(form.clone()), ..self.clone() }
    }
}

fn signing_keys<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> SigningKeys {
    let mut all = SigningKeys::default();
    for key in keys {
        match &key.role {
            KeyRole::Shared(id) => drop(all.shared_keys.insert(id.clone(), key.secret.clone())),
            _ => all.auth_tokens.push(key.secret.clone()),
        }
    }
    all
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary => f.write_str("the secret's first auth token"),
            Self::Further(number) => write!(f, "auth token number {number} of the secret"),
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
