//! New key pairs for the signatures of media links. The functions never make one; `wa media-key` and the local stack do.

use std::fmt;

use aws_lc_rs::{
    encoding::AsDer as _,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};

use super::key::of_pem;

/// A private key and its public key.
pub struct LinkKeyPair {
    key: EcdsaKeyPair,
}

/// A key pair cannot be made, or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key pair for ECDSA with the curve P-256, in PKCS #8 as PEM")]
pub struct KeyPairError;

/// The length of a line in PEM. Source: RFC 7468, section 2.
const LINE: usize = 64;

impl LinkKeyPair {
    /// A new one.
    pub fn generate() -> Result<Self, KeyPairError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| KeyPairError)?;
        Ok(Self { key })
    }

    /// The one of a private key.
    pub fn of_private_key(pem: &SecretString) -> Result<Self, KeyPairError> {
        let der = of_pem(pem.expose_secret()).ok_or(KeyPairError)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).map_err(|_| KeyPairError)?;
        Ok(Self { key })
    }

    /// The private key as PEM.
    pub fn private_key(&self) -> Result<SecretString, KeyPairError> {
        let der = self.key.to_pkcs8v1().map_err(|_| KeyPairError)?;
        let body = lines(der.as_ref()).join("\n");
        Ok(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n").into())
    }

    /// The value of the template's parameter `MediaPublicKeyA` or `MediaPublicKeyB`: the lines of the public key in PEM, without the
    /// first and the last one, and with a comma between two lines.
    pub fn public_key_parameter(&self) -> Result<String, KeyPairError> {
        let der = self.key.public_key().as_der().map_err(|_| KeyPairError)?;
        Ok(lines(der.as_ref()).join(","))
    }
}

impl fmt::Debug for LinkKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkKeyPair").finish_non_exhaustive()
    }
}

fn lines(der: &[u8]) -> Vec<String> {
    let text: Vec<char> = STANDARD.encode(der).chars().collect();
    text.chunks(LINE).map(|line| line.iter().collect()).collect()
}
