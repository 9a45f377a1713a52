//! Twilio's webhook signature, verified exactly as Twilio's own libraries compute it.
//!
//! The signature is an HMAC of one text, made of the URL as it is configured at Twilio and the form's parameters sorted by
//! name. To verify it, this module
//!
//! 1. selects the key: a shared key if the settings header names one, otherwise the account's auth tokens;
//! 2. writes that text down: for a form, its decoded parameters; for another body, none, because the query parameter
//!    `bodySHA256` has the body's hash and the URL is signed;
//! 3. compares in constant time, for each spelling of the URL that Twilio may have signed.
//!
//! Source: Twilio, "Webhooks Security", and the request validators of `twilio-python`, `-node` and `-php`, whose test
//! vectors are in `signature/vectors.json`.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::form::Form;

/// The header with the signature.
pub const SIGNATURE: &str = "x-twilio-signature";

/// The header that names a shared key and its algorithm.
pub const SIGNATURE_SETTINGS: &str = "x-twilio-webhooks-signature-settings";

/// The query parameter with the hash of a body that is not a form.
const BODY_HASH: &str = "bodySHA256";

/// The keys with which an account signs its webhooks. `Debug` shows none of them.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SigningKeys {
    /// The auth tokens that are valid, in any order: two of them during a rotation.
    pub auth_tokens: Vec<SecretString>,
    /// Shared keys by their id, as in `webhooks_sharedkey_...`.
    pub shared_keys: BTreeMap<String, SecretString>,
}

impl SigningKeys {
    /// The keys of an account that signs with auth tokens only.
    pub fn from_auth_tokens<T: Into<SecretString>>(auth_tokens: impl IntoIterator<Item = T>) -> Self {
        Self { auth_tokens: auth_tokens.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same keys and a shared key.
    #[must_use]
    pub fn with_shared_key(mut self, id: impl Into<String>, key: impl Into<SecretString>) -> Self {
        self.shared_keys.insert(id.into(), key.into());
        self
    }
}

/// A request as it arrived, before its signature is verified. `Debug` shows its URL only.
pub struct UnverifiedRequest {
    url: String,
    content_type: Option<String>,
    body: Vec<u8>,
    signature: Option<String>,
    settings: Option<String>,
}

/// A request that Twilio signed.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verified {
    /// Its form, all of which the signature covers.
    Form(VerifiedForm),
    /// Its body is not a form; the signature covers the body's hash.
    Body,
}

/// A form that Twilio signed: only [`UnverifiedRequest::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedForm(Form);

impl VerifiedForm {
    /// The form.
    pub fn form(&self) -> &Form {
        &self.0
    }
}

/// A form that may be parsed, and the reason why it is trusted.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum TrustedForm<'a> {
    /// Its signature was verified in this process.
    Verified(&'a VerifiedForm),
    /// Its signature was verified before it was stored, and it was read back from the store.
    Stored(&'a Form),
    /// It was built from what Twilio's REST API says of a message, because its webhook never arrived.
    Reconstructed(&'a Form),
}

impl<'a> TrustedForm<'a> {
    /// The form.
    pub fn form(self) -> &'a Form {
        match self {
            Self::Verified(verified) => verified.form(),
            Self::Stored(form) | Self::Reconstructed(form) => form,
        }
    }
}

impl<'a> From<&'a VerifiedForm> for TrustedForm<'a> {
    fn from(verified: &'a VerifiedForm) -> Self {
        Self::Verified(verified)
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature's header is missing or empty.
    #[error("no X-Twilio-Signature header")]
    Missing,
    /// The settings header names a key or an algorithm that the account does not have.
    #[error(
        "X-Twilio-Webhooks-Signature-Settings: expected key=<a shared key of the account>,algorithm=HMAC_SHA256, or no header"
    )]
    Settings,
    /// The URL, the parameters or the key differ from those of the signature.
    #[error("X-Twilio-Signature does not match the URL, the parameters and the account's keys")]
    Mismatch,
    /// The body is not a form, and the URL has no `bodySHA256` that would make the signature cover it.
    #[error("the body is no form and the URL has no bodySHA256: nothing signs it")]
    UnsignedBody,
}

impl UnverifiedRequest {
    /// A request by its parts.
    ///
    /// `url` is the URL that Twilio called, with its query, as it is configured there: not one that is built from a header
    /// such as `Host`, which the sender of a request chooses.
    pub fn new(url: impl Into<String>, headers: &HeaderMap, body: impl Into<Vec<u8>>) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self::from_lookup(url, header, body)
    }

    /// As [`UnverifiedRequest::new`], for headers of any other type: `header` gives the value of a header by its name in
    /// lower case.
    pub fn from_lookup(
        url: impl Into<String>,
        header: impl Fn(&str) -> Option<String>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            url: url.into(),
            content_type: header(CONTENT_TYPE.as_str()),
            body: body.into(),
            signature: header(SIGNATURE),
            settings: header(SIGNATURE_SETTINGS),
        }
    }

    /// A request of a web framework that uses the `http` crate, with its body read. `base_url` is the scheme and the host
    /// of the URL that is configured at Twilio, with the path before the request's own path if a proxy removes one; it
    /// has no slash at its end. The request brings the path and the query.
    pub fn from_http<B: AsRef<[u8]>>(base_url: &str, request: &http::Request<B>) -> Self {
        let path_and_query = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Self::new(format!("{base_url}{path_and_query}"), request.headers(), request.body().as_ref())
    }

    /// The form before its signature is verified: to find the account whose keys to verify with, and for nothing else.
    pub fn unverified_form(&self) -> Option<Form> {
        self.is_form().then(|| Form::parse(&self.body))
    }

    /// Verifies the signature with an account's keys.
    ///
    /// A request that names a shared key is verified with that key only, and one that names none with the auth tokens
    /// only: a header must not choose a weaker key than the one its sender holds.
    pub fn verify(&self, keys: &SigningKeys) -> Result<Verified, SignatureError> {
        let signature = self.signature.as_deref().filter(|text| !text.is_empty()).ok_or(SignatureError::Missing)?;
        let scheme = Scheme::select(self.settings.as_deref(), keys)?;
        let signature = STANDARD.decode(signature).map_err(|_| SignatureError::Mismatch)?;
        if let Some(form) = self.unverified_form() {
            if !scheme.signed(&self.url, &signed_params(&form), &signature) {
                return Err(SignatureError::Mismatch);
            }
            return Ok(Verified::Form(VerifiedForm(form)));
        }
        let expected_hash = self.body_hash().ok_or(SignatureError::UnsignedBody)?;
        if !is_hex_of(&Sha256::digest(&self.body), &expected_hash) || !scheme.signed(&self.url, "", &signature) {
            return Err(SignatureError::Mismatch);
        }
        Ok(Verified::Body)
    }

    /// A body without a content type counts as a form, so that the signature must cover its parameters.
    fn is_form(&self) -> bool {
        let media_type = self.content_type.as_deref().and_then(|text| text.split(';').next()).map(str::trim);
        media_type.is_none_or(|text| text.is_empty() || text.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
    }

    fn body_hash(&self) -> Option<String> {
        let (_, query) = self.url.split_once('?')?;
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == BODY_HASH)
            .map(|(_, value)| value.into_owned())
    }
}

impl fmt::Debug for UnverifiedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedRequest").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Whether a text is these bytes in hexadecimal digits, in lower or upper case.
fn is_hex_of(bytes: &[u8], text: &str) -> bool {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    bytes.iter().flat_map(digits).eq(text.chars().map(|c| Some(c.to_ascii_lowercase())))
}

/// Signs as Twilio does with an auth token: HMAC-SHA1 over the URL and the sorted parameters.
pub fn sign(auth_token: &SecretString, url: &str, form: &Form) -> String {
    STANDARD.encode(
        keyed::<Hmac<Sha1>>(auth_token).chain_update(url).chain_update(signed_params(form)).finalize().into_bytes(),
    )
}

/// Signs as Twilio does with a shared key: HMAC-SHA256 over the same text.
pub fn sign_with_shared_key(shared_key: &SecretString, url: &str, form: &Form) -> String {
    let mac = keyed::<Hmac<Sha256>>(shared_key).chain_update(url).chain_update(signed_params(form));
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The keys and the algorithm with which a request is verified.
enum Scheme<'a> {
    AuthTokens(&'a [SecretString]),
    SharedKey(&'a SecretString),
}

impl<'a> Scheme<'a> {
    /// Reads the settings header: `key=<id>,algorithm=HMAC_SHA256`, names in any case. None, or one without an
    /// algorithm, means HMAC-SHA1 with the auth token (`twilio-python`, `get_signature_algorithm`).
    fn select(settings: Option<&str>, keys: &'a SigningKeys) -> Result<Self, SignatureError> {
        let named = |name: &str| {
            settings.unwrap_or_default().split(',').find_map(|part| {
                let (key, value) = part.split_once('=')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        match (named("algorithm"), named("key")) {
            (None, None) => Ok(Self::AuthTokens(&keys.auth_tokens)),
            (Some(algorithm), None) if algorithm.eq_ignore_ascii_case("HMAC_SHA1") => {
                Ok(Self::AuthTokens(&keys.auth_tokens))
            }
            (Some(algorithm), Some(id)) if algorithm.eq_ignore_ascii_case("HMAC_SHA256") => {
                keys.shared_keys.get(id).map(Self::SharedKey).ok_or(SignatureError::Settings)
            }
            _ => Err(SignatureError::Settings),
        }
    }

    fn signed(&self, url: &str, params: &str, signature: &[u8]) -> bool {
        let candidates = url_candidates(url);
        let mut candidates = candidates.iter();
        candidates.any(|url| match self {
            Self::AuthTokens(tokens) => tokens.iter().any(|token| matches::<Hmac<Sha1>>(token, url, params, signature)),
            Self::SharedKey(key) => matches::<Hmac<Sha256>>(key, url, params, signature),
        })
    }
}

/// Compares in constant time (`Mac::verify_slice`).
fn matches<M: Mac + KeyInit>(key: &SecretString, url: &str, params: &str, signature: &[u8]) -> bool {
    keyed::<M>(key).chain_update(url).chain_update(params).verify_slice(signature).is_ok()
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn keyed<M: KeyInit>(key: &SecretString) -> M {
    M::new_from_slice(key.expose_secret().as_bytes()).expect("HMAC takes a key of any length")
}

/// Names in byte order, each followed by its value; the values of a repeated name sorted and each once.
fn signed_params(form: &Form) -> String {
    let mut pairs: Vec<_> = form.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()
}

/// The spellings of one URL that Twilio may have signed, the most probable first.
///
/// With and without the port, since "signature generation on the back end is inconsistent" (`twilio-python`); with the
/// user and password, as Twilio's libraries do, and without, as its documentation says; an apostrophe in the query as
/// it is and as `%27` (`twilio-node`, pull request 1061). Never with the fragment, which holds connection overrides.
fn url_candidates(url: &str) -> Vec<Cow<'_, str>> {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let Some(parts) = UrlParts::split(url) else { return vec![Cow::Borrowed(url)] };
    let mut candidates = vec![Cow::Borrowed(url)];
    for user_info in [parts.user_info, ""] {
        for port in parts.ports() {
            for query in [parts.rest.to_owned(), parts.rest.replace('\'', "%27"), parts.rest.replace("%27", "'")] {
                let candidate = format!("{}://{user_info}{}{port}{query}", parts.scheme, parts.host);
                if !candidates.iter().any(|known| *known == candidate) {
                    candidates.push(Cow::Owned(candidate));
                }
            }
        }
    }
    candidates
}

/// The parts of a URL, cut and not parsed: a parser would change upper and lower case and the escapes, which the signature
/// covers.
struct UrlParts<'a> {
    scheme: &'a str,
    /// `user:password@`, or nothing.
    user_info: &'a str,
    host: &'a str,
    /// `:port`, or nothing.
    port: &'a str,
    /// Path and query.
    rest: &'a str,
}

impl<'a> UrlParts<'a> {
    fn split(url: &'a str) -> Option<Self> {
        let (scheme, after) = url.split_once("://")?;
        let (authority, rest) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
        let (user_info, host_port) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let is_port = |colon: &usize| host_port[colon + 1..].bytes().all(|b| b.is_ascii_digit());
        let (host, port) = host_port.split_at(host_port.rfind(':').filter(is_port).unwrap_or(host_port.len()));
        Some(Self { scheme, user_info, host, port, rest })
    }

    /// The port as it is, and the other way to write it: none if there is one, otherwise the scheme's default.
    fn ports(&self) -> [&'a str; 2] {
        let other = match self.port {
            "" if self.scheme.eq_ignore_ascii_case("https") => ":443",
            "" => ":80",
            _ => "",
        };
        [self.port, other]
    }
}

#[cfg(test)]
mod tests;
