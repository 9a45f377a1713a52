//! The signature of the Event Webhook.
//!
//! SendGrid signs the timestamp and the body, one after the other, with ECDSA over P-256 and SHA-256. The signature is in
//! ASN.1 and base64, the public key is a `SubjectPublicKeyInfo` in base64.
//!
//! Source: Twilio SendGrid, "Getting Started with the Event Webhook Security Features"; sendgrid-nodejs,
//! `packages/eventwebhook`.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

pub const SIGNATURE_HEADER: &str = "x-twilio-email-event-webhook-signature";
pub const TIMESTAMP_HEADER: &str = "x-twilio-email-event-webhook-timestamp";

/// What precedes the point of a public key on P-256 in its `SubjectPublicKeyInfo`. Source: RFC 5480, sections 2.1 and 2.2.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The length of an uncompressed point.
const POINT_BYTES: usize = 65;

/// The public key of a Signed Event Webhook.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EventWebhookKey(Vec<u8>);

/// Not the public key of a Signed Event Webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the verification key of SendGrid's Signed Event Webhook, as in MFkwEwYHKoZIzj0C...")]
pub struct InvalidWebhookKey;

/// The request is not SendGrid's, or was changed on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct SignatureMismatch;

impl fmt::Debug for EventWebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventWebhookKey(..)")
    }
}

impl TryFrom<String> for EventWebhookKey {
    type Error = InvalidWebhookKey;

    fn try_from(text: String) -> Result<Self, InvalidWebhookKey> {
        let der = STANDARD.decode(text.trim()).map_err(|_| InvalidWebhookKey)?;
        let point = der.strip_prefix(P256_PREFIX.as_slice()).filter(|point| point.len() == POINT_BYTES);
        point.map(|point| Self(point.to_vec())).ok_or(InvalidWebhookKey)
    }
}

impl EventWebhookKey {
    /// Verifies a request by its two headers and its body, byte for byte.
    pub fn verify(&self, timestamp: &str, body: &[u8], signature: &str) -> Result<(), SignatureMismatch> {
        let signature = STANDARD.decode(signature).map_err(|_| SignatureMismatch)?;
        let signed = [timestamp.as_bytes(), body].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0);
        key.verify(&signed, &signature).map_err(|_| SignatureMismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of the tests of sendgrid-nodejs, packages/eventwebhook.
    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA==";
    const SIGNATURE: &str =
        "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0=";
    const TIMESTAMP: &str = "1588788367";
    const BODY: &str = r#"{"category":"example_payload","event":"test_event","message_id":"message_id"}"#;

    fn key() -> EventWebhookKey {
        KEY.to_owned().try_into().unwrap()
    }

    #[test]
    fn signature_of_sendgrids_own_tests_matches() {
        assert_eq!(key().verify(TIMESTAMP, BODY.as_bytes(), SIGNATURE), Ok(()));
    }

    #[test]
    fn anything_else_does_not_match() {
        let other = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/4=";
        for (timestamp, body, signature) in [
            ("1588788368", BODY, SIGNATURE),
            (TIMESTAMP, "{}", SIGNATURE),
            (TIMESTAMP, BODY, other),
            (TIMESTAMP, BODY, ""),
            (TIMESTAMP, BODY, "not base64"),
        ] {
            assert_eq!(
                key().verify(timestamp, body.as_bytes(), signature),
                Err(SignatureMismatch),
                "{timestamp} {body}"
            );
        }
    }

    #[test]
    fn only_a_key_on_its_curve_is_accepted() {
        for text in ["", "MFkw", "bm90IGEga2V5", &KEY[..KEY.len() - 8]] {
            assert_eq!(EventWebhookKey::try_from(text.to_owned()), Err(InvalidWebhookKey), "{text}");
        }
        assert!(!format!("{:?}", key()).contains("EDr2"));
    }
}
