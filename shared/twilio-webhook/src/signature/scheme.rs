//! The key and the algorithm of a signature.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::Sha256;

use super::{SignatureError, SigningKeys, signed_parameters, spelling::spellings};
use crate::form::Form;

const SHA1_BYTES: usize = 20;
const SHA256_BYTES: usize = 32;

/// A signature as its header has it. Only a text of a signature's length becomes one, so that no HMAC is computed for
/// another.
pub(super) struct SignatureBytes {
    /// The decoder writes whole groups of three bytes.
    bytes: [u8; SHA256_BYTES + 1],
    length: usize,
}

impl SignatureBytes {
    pub(super) fn parse(header: &str) -> Result<Self, SignatureError> {
        if header.is_empty() {
            return Err(SignatureError::Missing);
        }
        let mut bytes = [0; SHA256_BYTES + 1];
        let length = STANDARD.decode_slice(header, &mut bytes).map_err(|_| SignatureError::Malformed)?;
        if matches!(length, SHA1_BYTES | SHA256_BYTES) {
            Ok(Self { bytes, length })
        } else {
            Err(SignatureError::Malformed)
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The keys and the algorithm with which a request is verified.
pub(super) enum Scheme<'a> {
    AuthTokens(&'a [SecretString]),
    SharedKey(&'a SecretString),
}

impl<'a> Scheme<'a> {
    /// Reads the settings header: `key=<id>,algorithm=HMAC_SHA256`, names in any case. No header, or one whose algorithm is
    /// missing or empty, means HMAC-SHA1 with the auth token (`twilio-python` 9.13, `get_signature_algorithm`).
    pub(super) fn select(settings: Option<&str>, keys: &'a SigningKeys) -> Result<Self, SignatureError> {
        let named = |name: &str| {
            settings.unwrap_or_default().split(',').find_map(|part| {
                let (key, value) = part.split_once('=')?;
                (key.trim().eq_ignore_ascii_case(name) && !value.trim().is_empty()).then(|| value.trim())
            })
        };
        match (named("algorithm"), named("key")) {
            (None, _) => Ok(Self::AuthTokens(&keys.auth_tokens)),
            (Some(algorithm), None) if algorithm.eq_ignore_ascii_case("HMAC_SHA1") => {
                Ok(Self::AuthTokens(&keys.auth_tokens))
            }
            (Some(algorithm), Some(id)) if algorithm.eq_ignore_ascii_case("HMAC_SHA256") => {
                keys.shared_keys.get(id).map(Self::SharedKey).ok_or(SignatureError::Settings)
            }
            _ => Err(SignatureError::Settings),
        }
    }

    /// Whether one of the keys signs a spelling of the URL and the parameters. No HMAC is computed for a signature of another
    /// algorithm's length.
    pub(super) fn signs(&self, url: &str, parameters: &str, signature: &SignatureBytes) -> bool {
        let expected = match self {
            Self::AuthTokens(_) => SHA1_BYTES,
            Self::SharedKey(_) => SHA256_BYTES,
        };
        signature.length == expected
            && spellings(url).any(|url| match self {
                Self::AuthTokens(tokens) => {
                    tokens.iter().any(|token| matches::<Hmac<Sha1>>(token, &url, parameters, signature))
                }
                Self::SharedKey(key) => matches::<Hmac<Sha256>>(key, &url, parameters, signature),
            })
    }
}

/// Signs as Twilio does with an auth token: HMAC-SHA1 over the URL and the sorted parameters.
pub fn sign(auth_token: &SecretString, url: &str, form: &Form) -> String {
    let mac = keyed::<Hmac<Sha1>>(auth_token).chain_update(url).chain_update(signed_parameters(form));
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Signs as Twilio does with a shared key: HMAC-SHA256 over the same text.
pub fn sign_with_shared_key(shared_key: &SecretString, url: &str, form: &Form) -> String {
    let mac = keyed::<Hmac<Sha256>>(shared_key).chain_update(url).chain_update(signed_parameters(form));
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Compares in constant time (`Mac::verify_slice`).
fn matches<M: Mac + KeyInit>(key: &SecretString, url: &str, parameters: &str, signature: &SignatureBytes) -> bool {
    #[cfg(test)]
    count::add_one();
    keyed::<M>(key).chain_update(url).chain_update(parameters).verify_slice(signature.bytes()).is_ok()
}

#[expect(clippy::expect_used, reason = "HMAC accepts a key of any length")]
fn keyed<M: KeyInit>(key: &SecretString) -> M {
    M::new_from_slice(key.expose_secret().as_bytes()).expect("HMAC accepts a key of any length")
}

/// Counts the HMACs with which signatures were compared.
#[cfg(test)]
pub(super) mod count {
    use std::cell::Cell;

    thread_local! {
        static HMACS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn add_one() {
        HMACS.set(HMACS.get() + 1);
    }

    /// The HMACs that a verification computes.
    pub(in super::super) fn hmacs(verify: impl FnOnce()) -> usize {
        HMACS.set(0);
        verify();
        HMACS.get()
    }
}
