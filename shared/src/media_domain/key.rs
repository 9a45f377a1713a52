//! The private key that signs media links of a domain.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::IgnoredAny};

/// The content of the secret: `{"signing": {"key_pair_id": "K...", "private_key": "-----BEGIN PRIVATE KEY-----..."}}`.
#[derive(Debug, Deserialize)]
#[serde(from = "StoredDomainLinkKeys")]
pub struct DomainLinkKeys {
    /// What links are signed with. None at first.
    pub signing: Option<Arc<DomainLinkKey>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDomainLinkKeys {
    #[serde(default)]
    signing: Option<DomainLinkKey>,
    /// A key that signs nothing yet, because CloudFront does not know it. Only `wa media-key` reads it.
    #[serde(default, rename = "next")]
    _next: Option<IgnoredAny>,
}

impl From<StoredDomainLinkKeys> for DomainLinkKeys {
    fn from(stored: StoredDomainLinkKeys) -> Self {
        Self { signing: stored.signing.map(Arc::new) }
    }
}

/// A private key, and the id that CloudFront gave to its public key.
///
/// ECDSA with the curve P-256 is one of the two kinds of keys that CloudFront accepts, besides RSA of 2,048 bits (Amazon
/// CloudFront, "Specify signers that can create signed URLs and signed cookies"). Its signatures make links of some 250 characters.
#[derive(Deserialize)]
#[serde(try_from = "StoredDomainLinkKey")]
pub struct DomainLinkKey {
    key_pair_id: String,
    private_key: EcdsaKeyPair,
}

/// A key as the secret has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDomainLinkKey {
    key_pair_id: String,
    private_key: SecretString,
}

/// Not a key that links can be signed with. It shows nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDomainLinkKey {
    #[error("expected a key_pair_id of letters and digits, as in K2JCJMDEHXQW5F")]
    Id,
    #[error("expected a private_key for ECDSA with the curve P-256, in PKCS #8 as PEM")]
    PrivateKey,
}

/// The machine has no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a media link cannot be signed")]
pub struct SigningFailed;

impl DomainLinkKey {
    /// A key from its text in PEM.
    pub fn new(key_pair_id: String, private_key: &SecretString) -> Result<Self, InvalidDomainLinkKey> {
        if key_pair_id.is_empty() || !key_pair_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(InvalidDomainLinkKey::Id);
        }
        let der = of_pem(private_key.expose_secret()).ok_or(InvalidDomainLinkKey::PrivateKey)?;
        let private_key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der);
        Ok(Self { key_pair_id, private_key: private_key.map_err(|_| InvalidDomainLinkKey::PrivateKey)? })
    }

    /// The id of the public key at CloudFront.
    pub fn key_pair_id(&self) -> &str {
        &self.key_pair_id
    }

    /// The signature of a text, as links have it: base64 with three characters replaced that have a meaning in URLs. Source: Amazon
    /// CloudFront, "Create a signed URL using a canned policy".
    pub(super) fn sign(&self, text: &[u8]) -> Result<String, SigningFailed> {
        let signature = self.private_key.sign(&SystemRandom::new(), text).map_err(|_| SigningFailed)?;
        Ok(STANDARD.encode(signature).replace('+', "-").replace('=', "_").replace('/', "~"))
    }
}

impl TryFrom<StoredDomainLinkKey> for DomainLinkKey {
    type Error = InvalidDomainLinkKey;

    fn try_from(stored: StoredDomainLinkKey) -> Result<Self, InvalidDomainLinkKey> {
        Self::new(stored.key_pair_id, &stored.private_key)
    }
}

impl fmt::Debug for DomainLinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DomainLinkKey").field("key_pair_id", &self.key_pair_id).finish_non_exhaustive()
    }
}

/// The bytes between the two lines of a private key in PEM. Source: RFC 7468, section 10.
pub(super) fn of_pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok()
}
