//! Twilio's webhook signature, verified exactly as Twilio's own libraries compute it.
//!
//! The signature is an HMAC of one text, made of the URL as it is configured at Twilio and the form's parameters sorted by
//! name. To verify it, this module
//!
//! 1. selects the key: a shared key if the settings header names one, otherwise the account's auth tokens;
//! 2. writes that text down: for a form, its decoded parameters; for another body, none, because the query parameter
//!    `bodySHA256` has the body's hash and the URL is signed;
//! 3. compares in constant time, for the URL as received, and for its other spellings only if that one was not signed. So an
//!    ordinary request costs one HMAC, and a forged one a bounded number of them.
//!
//! Source: Twilio, "Webhooks Security", and the request validators of `twilio-python`, `-node` and `-php`, whose test
//! vectors are in `signature/vectors.json`.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use http::{HeaderMap, header::CONTENT_TYPE};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::form::Form;
use scheme::{Scheme, SignatureBytes};

mod scheme;
mod spelling;

pub use scheme::{sign, sign_with_shared_key};

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
    /// The signature's header holds anything but one signature: API Gateway, for one, joins repeated headers with a comma.
    #[error("X-Twilio-Signature: expected one signature, as base64 of 20 or 32 bytes")]
    Malformed,
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
    ///
    /// Repeated headers count as one with their values and commas between them, which no signature is.
    pub fn new(url: impl Into<String>, headers: &HeaderMap, body: impl Into<Vec<u8>>) -> Self {
        let header = |name: &str| {
            let mut values = headers.get_all(name).iter().map(|value| value.to_str().ok());
            let first = values.next()??.to_owned();
            values.try_fold(first, |joined, value| Some(format!("{joined},{}", value?)))
        };
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

    /// The first value of a parameter before its signature is verified, as in [`UnverifiedRequest::unverified_form`], without
    /// reading the rest of the form.
    pub fn unverified_parameter(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(&self.body);
        self.is_form().then(|| pairs.find(|(key, _)| key == name))?.map(|(_, value)| value.into_owned())
    }

    /// The body before its signature is verified: to find the account whose keys to verify with, and for nothing else.
    pub fn unverified_body(&self) -> &[u8] {
        &self.body
    }

    /// Whether anything can sign the request: it has a signature, and a body that the signature can cover. This costs no
    /// HMAC, and [`UnverifiedRequest::verify`] fails with the same error.
    pub fn check_signable(&self) -> Result<(), SignatureError> {
        self.signature()?;
        if self.is_form() || body_hashes(&self.url).next().is_some() {
            Ok(())
        } else {
            Err(SignatureError::UnsignedBody)
        }
    }

    /// Verifies the signature with an account's keys.
    ///
    /// A request that names a shared key is verified with that key only, and one that names none with the auth tokens
    /// only: a header must not choose a weaker key than the one its sender holds.
    pub fn verify(&self, keys: &SigningKeys) -> Result<Verified, SignatureError> {
        self.verify_as(&self.url, keys)
    }

    /// [`UnverifiedRequest::verify`], as if Twilio had called this URL: for a receiver that knows which URL it gave to Twilio,
    /// where that one was requested in a spelling that [`UnverifiedRequest::verify`] does not know.
    pub fn verify_as(&self, url: &str, keys: &SigningKeys) -> Result<Verified, SignatureError> {
        let signature = self.signature()?;
        let scheme = Scheme::select(self.settings.as_deref(), keys)?;
        let is_hashed = || self.has_hash_of_body(url) && scheme.signs(url, "", &signature);
        let Some(form) = self.unverified_form() else {
            body_hashes(url).next().ok_or(SignatureError::UnsignedBody)?;
            return if is_hashed() { Ok(Verified::Body) } else { Err(SignatureError::Mismatch) };
        };
        let is_signed = scheme.signs(url, &signed_parameters(&form), &signature)
            || parameters_in_utf16_order(&form).is_some_and(|text| scheme.signs(url, &text, &signature))
            || is_hashed();
        if is_signed { Ok(Verified::Form(VerifiedForm(form))) } else { Err(SignatureError::Mismatch) }
    }

    fn signature(&self) -> Result<SignatureBytes, SignatureError> {
        SignatureBytes::parse(self.signature.as_deref().unwrap_or_default())
    }

    /// Whether the content type is that of a form. A body without one counts as a form, so that the signature must cover its
    /// parameters.
    pub fn is_form(&self) -> bool {
        let media_type = self.content_type.as_deref().and_then(|text| text.split(';').next()).map(str::trim);
        media_type.is_none_or(|text| text.is_empty() || text.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
    }

    /// Whether the query has the hash of the body. A form may be signed in this way too: `twilio-node`,
    /// `validateIncomingRequest`, decides by the query, not by the content type.
    fn has_hash_of_body(&self, url: &str) -> bool {
        let mut hashes = body_hashes(url).peekable();
        hashes.peek().is_some() && {
            let hash = Sha256::digest(&self.body);
            hashes.any(|text| is_hex_of(&hash, &text))
        }
    }
}

/// The hashes of a body in the query, which the signature covers. A fragment is not signed.
fn body_hashes(url: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let (_, query) = spelling::without_fragment(url).split_once('?').unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == BODY_HASH).map(|(_, hash)| hash)
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

/// The decoded parameters as they are signed: names in the order of their characters, each followed by its value; the values
/// of a repeated name sorted and each once.
fn signed_parameters(form: &Form) -> String {
    let mut pairs = pairs(form);
    // Texts in UTF-8 are in the order of their code points, as the strings of Python.
    pairs.sort_unstable();
    joined(pairs)
}

/// The parameters in the order of their UTF-16 code units, which is that of `twilio-node` and `twilio-java`, where it is
/// another one: between characters above U+FFFF and those from U+E000 on.
fn parameters_in_utf16_order(form: &Form) -> Option<String> {
    let mut pairs = pairs(form);
    pairs.sort_by(|(name, value), (other_name, other_value)| {
        name.encode_utf16()
            .cmp(other_name.encode_utf16())
            .then_with(|| value.encode_utf16().cmp(other_value.encode_utf16()))
    });
    let text = joined(pairs);
    (text != signed_parameters(form)).then_some(text)
}

fn pairs(form: &Form) -> Vec<(&str, &str)> {
    form.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn joined(mut sorted: Vec<(&str, &str)>) -> String {
    sorted.dedup();
    let mut text = String::with_capacity(sorted.iter().map(|(name, value)| name.len() + value.len()).sum());
    for (name, value) in sorted {
        text.push_str(name);
        text.push_str(value);
    }
    text
}

#[cfg(test)]
mod tests;
