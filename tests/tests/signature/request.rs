//! A generated request, and our verdict on it.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use twilio_webhook::signature::{SIGNATURE, SIGNATURE_SETTINGS, SignatureError, SigningKeys, UnverifiedRequest};

/// What arrives, and the keys of the account: one line of JSON for Twilio's libraries.
#[derive(Clone, Serialize)]
pub(crate) struct GeneratedRequest {
    /// As it was called.
    pub(crate) url: String,
    /// The parameters of the form; none where the body is not a form.
    pub(crate) params: Option<Vec<(String, String)>>,
    pub(crate) body: String,
    pub(crate) signature: Option<String>,
    pub(crate) settings: Option<String>,
    pub(crate) tokens: Vec<String>,
    pub(crate) shared_keys: BTreeMap<String, String>,
    /// How the signature came about: for a person who reads a failure.
    #[serde(skip)]
    pub(crate) signed: SignedText,
}

/// The text that was signed, before the request was changed.
#[derive(Clone, Default)]
pub(crate) struct SignedText {
    pub(crate) url: String,
    pub(crate) params: String,
}

impl GeneratedRequest {
    pub(crate) fn verdict(&self) -> Result<(), SignatureError> {
        let keys = SigningKeys::from_auth_tokens(self.tokens.iter().map(String::as_str));
        let keys = self.shared_keys.iter().fold(keys, |keys, (id, key)| keys.with_shared_key(id, key.as_str()));
        let header = |name: &str| match name {
            SIGNATURE => self.signature.clone(),
            SIGNATURE_SETTINGS => self.settings.clone(),
            "content-type" => Some(self.content_type().to_owned()),
            _ => None,
        };
        UnverifiedRequest::from_lookup(self.url.as_str(), header, self.body.as_str()).verify(&keys).map(|_| ())
    }

    fn content_type(&self) -> &'static str {
        if self.params.is_some() { "application/x-www-form-urlencoded" } else { "application/json" }
    }
}

impl GeneratedRequest {
    /// As Twilio's library for Python reads the header.
    pub(crate) fn names_an_algorithm_other_than_sha1(&self) -> bool {
        let mut parts = self.settings.as_deref().unwrap_or_default().split(',').filter_map(|part| part.split_once('='));
        let algorithm = parts.find(|(name, _)| name.trim() == "algorithm").map_or("", |(_, value)| value.trim());
        !algorithm.is_empty() && !algorithm.eq_ignore_ascii_case("HMAC_SHA1")
    }

    pub(crate) fn has_body_hash_in_capitals(&self) -> bool {
        let hash = self.url.split_once("bodySHA256=").map_or("", |(_, after)| after.get(..64).unwrap_or_default());
        hash.bytes().any(|byte| byte.is_ascii_uppercase())
    }

    /// Whether the settings header names a key, or an algorithm.
    pub(crate) fn settings_name(&self, name: &str) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.contains(&format!("{name}=")))
    }

    /// Whether a browser writes the host in another way. The parser here reads hosts in ASCII only.
    pub(crate) fn host_is_rewritten(&self) -> bool {
        let parsed = reqwest::Url::parse(&self.url);
        !parsed.is_ok_and(|parsed| parsed.host_str().is_some_and(|host| self.url.contains(host)))
    }
}

impl SignedText {
    pub(crate) fn authority(&self) -> &str {
        let after = self.url.split_once("://").map_or("", |(_, after)| after);
        after.split(['/', '?']).next().unwrap_or_default()
    }
}

impl fmt::Display for GeneratedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, params, body, signature, settings, tokens, signed, .. } = self;
        writeln!(f, "called   {url}\nsigned   {}", signed.url)?;
        writeln!(f, "params   {params:?}\nsigned   {:?}\nbody     {body}", signed.params)?;
        write!(f, "header   {signature:?} {settings:?}, with {} tokens", tokens.len())
    }
}
