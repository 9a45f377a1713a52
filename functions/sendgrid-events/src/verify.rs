//! A request of SendGrid's Signed Event Webhook: what is read of an event, and how it is verified.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::email::custom_args::ACCOUNT;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use sendgrid_client::{SIGNATURE_HEADER, TIMESTAMP_HEADER, parse_events};
use shared::secrets::{Accounts, Secrets};
use twilio_types::sid::AccountSid;

use crate::error::EventsError;

/// The longest body. SendGrid posts a batch when it has 768 KB (Twilio SendGrid, "Getting Started with the Event Webhook").
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// A request that has a signature.
pub(crate) struct SignedRequest {
    pub(crate) body: Vec<u8>,
    timestamp: String,
    signature: String,
}

impl SignedRequest {
    /// Reads an event. A request without a signature is refused before anything is computed.
    pub(crate) fn read(event: ApiGatewayV2httpRequest) -> Result<Self, EventsError> {
        let header = |name: &str| event.headers.get(name)?.to_str().ok().map(str::to_owned);
        let missing = EventsError::Refused("the headers of SendGrid's Signed Event Webhook are missing");
        let (Some(signature), Some(timestamp)) = (header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER)) else {
            return Err(missing);
        };
        let body = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded {
            STANDARD.decode(body).map_err(|_| EventsError::Refused("body: expected base64"))?
        } else {
            body.into_bytes()
        };
        if body.len() > MAX_BYTES {
            return Err(EventsError::Refused("body: expected at most 2 MiB"));
        }
        Ok(Self { body, timestamp, signature })
    }

    /// The accounts whose key verifies the request. If none does, the key may be newer than what was read of the secret.
    pub(crate) async fn verify(&self, secrets: &Secrets) -> Result<BTreeSet<AccountSid>, EventsError> {
        let mut accounts = secrets.current().await?;
        let mut verified = self.verified_by(&accounts);
        if verified.is_empty()
            && let Some(newer) = secrets.reread().await?
        {
            accounts = newer;
            verified = self.verified_by(&accounts);
        }
        match verified.is_empty() {
            false => Ok(verified),
            true if self.names_one_of(&accounts) => Err(EventsError::WrongKey),
            true => Err(EventsError::Refused("the signature does not match")),
        }
    }

    fn verified_by(&self, accounts: &Accounts) -> BTreeSet<AccountSid> {
        let keys = accounts.sendgrid_public_keys();
        let matching = keys.filter(|(_, key)| key.verify(&self.timestamp, &self.body, &self.signature).is_ok());
        matching.map(|(account_sid, _)| account_sid.clone()).collect()
    }

    /// Whether the body, which no signature covers, names an account of the secret.
    fn names_one_of(&self, accounts: &Accounts) -> bool {
        let parsed = parse_events(&self.body).unwrap_or_default();
        let mut events = parsed.events.iter();
        events
            .any(|event| event.texts.get(ACCOUNT).is_some_and(|named| accounts.sids().any(|sid| sid.as_str() == named)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        headers: &[(&'static str, &str)],
        body: &str,
        is_base64_encoded: bool,
    ) -> Result<SignedRequest, EventsError> {
        let mut event = ApiGatewayV2httpRequest::default();
        for (name, value) in headers {
            event.headers.insert(*name, value.parse().unwrap());
        }
        event.body = Some(body.to_owned());
        event.is_base64_encoded = is_base64_encoded;
        SignedRequest::read(event)
    }

    const HEADERS: [(&str, &str); 2] = [(SIGNATURE_HEADER, "c2lnbmVk"), (TIMESTAMP_HEADER, "1588788367")];

    #[test]
    fn request_without_both_headers_is_refused() {
        for headers in [&HEADERS[..0], &HEADERS[..1], &HEADERS[1..]] {
            assert!(matches!(read(headers, "[]", false), Err(EventsError::Refused(_))), "{headers:?}");
        }
        assert_eq!(read(&HEADERS, "[]", false).unwrap().timestamp, "1588788367");
    }

    #[test]
    fn body_is_read_as_api_gateway_gives_it() {
        assert_eq!(read(&HEADERS, "W10=", true).unwrap().body, b"[]");
        assert_eq!(read(&HEADERS, "[\"ü\"]", false).unwrap().body, "[\"ü\"]".as_bytes());
        assert!(read(&HEADERS, "no base64!", true).is_err());
        assert!(read(&HEADERS, &"x".repeat(MAX_BYTES + 1), false).is_err());
    }
}
