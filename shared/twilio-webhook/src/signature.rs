//! Twilio's webhook signature, checked exactly as Twilio's own libraries compute it.
//!
//! Source: Twilio, "Webhooks Security", and the request validators of `twilio-python`, `-node` and `-php`, whose test
//! vectors are in `signature/vectors.json`.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::form::Form;

/// The query parameter that carries the hash of a body that is not a form.
const BODY_HASH: &str = "bodySHA256";

/// What an account signs its webhooks with.
#[derive(Debug, Clone, Default)]
pub struct SigningKeys {
    /// The auth tokens that count, in any order: two of them while a rotation is under way.
    pub auth_tokens: Vec<SecretString>,
    /// Shared keys by their id.
    pub shared_keys: BTreeMap<String, SecretString>,
}

/// A request as it came, of which nothing may be believed yet.
pub struct UnverifiedRequest {
    /// The URL that Twilio called, query included, as it was configured there: never built from a header.
    pub url: String,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// The `X-Twilio-Signature` header.
    pub signature: Option<String>,
    /// The `X-Twilio-Webhooks-Signature-Settings` header.
    pub settings: Option<String>,
}

/// A request that Twilio signed.
#[derive(Debug, PartialEq, Eq)]
pub enum Verified {
    /// Its form, all of which the signature covers.
    Form(VerifiedForm),
    /// It carries something else than a form, whose hash the signature covers.
    Body,
}

/// A form that Twilio signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedForm(Form);

impl VerifiedForm {
    /// The form that was verified before it was stored.
    pub fn from_store(form: Form) -> Self {
        Self(form)
    }

    /// The form.
    pub fn form(&self) -> &Form {
        &self.0
    }
}

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Nobody signed it.
    #[error("no X-Twilio-Signature header")]
    Missing,
    /// The settings header asks for what no key of the account can do.
    #[error(
        "X-Twilio-Webhooks-Signature-Settings: expected key=<a shared key of the account>,algorithm=HMAC_SHA256, or no header"
    )]
    Settings,
    /// The signature is another one: another URL, another key, or another content.
    #[error("X-Twilio-Signature does not match the URL, the parameters and the account's keys")]
    Mismatch,
    /// A body that is no form, and no `bodySHA256` in the URL that would bring it under the signature.
    #[error("the body is no form and the URL has no bodySHA256: nothing signs it")]
    UnsignedBody,
}

impl UnverifiedRequest {
    /// The form, for the one thing that must be read before the check: whose keys to check with.
    pub fn claimed_form(&self) -> Option<Form> {
        self.is_form().then(|| Form::parse(&self.body))
    }

    /// Checks the signature with an account's keys.
    ///
    /// A request that names a shared key is checked with that key only, and one that names none with the auth tokens
    /// only: a header must not choose a weaker key than the one its sender holds.
    pub fn verify(&self, keys: &SigningKeys) -> Result<Verified, SignatureError> {
        let signature = self.signature.as_deref().filter(|text| !text.is_empty()).ok_or(SignatureError::Missing)?;
        let scheme = Scheme::select(self.settings.as_deref(), keys)?;
        let signature = STANDARD.decode(signature).map_err(|_| SignatureError::Mismatch)?;
        if let Some(form) = self.claimed_form() {
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

    /// A missing content type is taken for a form: then the parameters count, and the signature must cover them.
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

/// The keys and the algorithm that a request is checked with.
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

/// The spellings of one URL over which Twilio may have signed, the likeliest first.
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

/// A URL cut, not parsed: a parser would change the letters' case and the escapes that the signature covers.
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

    /// As it is, and without the port if there is one, else with the scheme's own.
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
