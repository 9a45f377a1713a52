//! Headers that no request of Twilio's can have, or that name no known key.

use twilio_webhook::signature::SignatureError;

use super::{RequestPart, SignatureFinding, SigningKey, WebhookRequest, signing_keys};

enum Algorithm {
    Sha1,
    Sha256,
}

impl WebhookRequest {
    /// A signature that is not one, or that does not fit to the settings.
    pub(super) fn unusable_signature(&self) -> Option<SignatureFinding> {
        let of_signature = |finding: String| {
            let fix = "copy the X-Twilio-Signature header whole, without quotes";
            Some(SignatureFinding::new(RequestPart::Signature, finding, fix))
        };
        let signature = self.signature.as_str();
        if signature.is_empty() {
            return of_signature("there is no signature: the request is not Twilio's".to_owned());
        }
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        match signature.chars().find(|c| !is_base64(*c)) {
            Some(' ') => {
                return of_signature("the signature has a space in it, where a + was decoded as one".to_owned());
            }
            Some('%') => return of_signature("the signature is percent-encoded".to_owned()),
            Some(other) => {
                return of_signature(format!("the signature has a {other:?} in it, which does not occur in base64"));
            }
            None => {}
        }
        match signature.len() {
            28 => self.contradicting_settings(&Algorithm::Sha1),
            44 => self.contradicting_settings(&Algorithm::Sha256),
            length => {
                of_signature(format!("the signature has {length} characters, expected 28 (or 44 of a shared key)"))
            }
        }
    }

    fn contradicting_settings(&self, algorithm: &Algorithm) -> Option<SignatureFinding> {
        let settings = self.settings.as_deref().unwrap_or_default();
        let names_a_shared_key = settings.to_ascii_lowercase().contains("sha256");
        let (finding, fix) = match (algorithm, names_a_shared_key) {
            (Algorithm::Sha256, false) => (
                "signed with a shared key (HMAC-SHA256), but no X-Twilio-Webhooks-Signature-Settings header names it",
                "let the proxy pass that header on, or give it with --settings",
            ),
            (Algorithm::Sha1, true) => (
                "signed with an auth token (HMAC-SHA1), but the settings header names a shared key",
                "leave the X-Twilio-Webhooks-Signature-Settings header as Twilio sent it",
            ),
            (Algorithm::Sha1, false) | (Algorithm::Sha256, true) => return None,
        };
        Some(SignatureFinding::new(RequestPart::Settings, finding, fix))
    }

    /// A settings header that names no known key.
    pub(super) fn unknown_settings(&self, keys: &[SigningKey]) -> Option<SignatureFinding> {
        let all = signing_keys(keys);
        if self.verify(&all) != Err(SignatureError::Settings) {
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
}
