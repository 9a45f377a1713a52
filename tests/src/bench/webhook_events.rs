//! Webhooks as API Gateway delivers them to a function.

use axum::body::Bytes;
use serde_json::json;
use stack::run::{ACCOUNT_SID, AUTH_TOKEN};
use twilio_webhook::{form::Form, signature::sign};

/// `PUBLIC_BASE_URL` of the functions in a benchmark.
const BASE_URL: &str = "https://wa.example.com";

/// A message that a person writes to an account.
#[derive(Debug, Clone)]
pub(super) struct WrittenMessage {
    pub(super) sid: String,
    account_sid: String,
    /// The person's number.
    number: String,
    body: String,
}

impl WrittenMessage {
    /// A new message of the person with this number.
    pub(super) fn of(number: &str, body: &str) -> Self {
        Self {
            sid: format!("SM{}", uuid::Uuid::new_v4().simple()),
            account_sid: ACCOUNT_SID.to_owned(),
            number: number.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The same message to another account.
    pub(super) fn sent_to(self, account_sid: &str) -> Self {
        Self { account_sid: account_sid.to_owned(), ..self }
    }

    /// Its webhook, with Twilio's signature.
    pub(super) fn event(&self) -> Bytes {
        self.event_signed_with(AUTH_TOKEN)
    }

    /// Its webhook as a stranger sends it, who has no key of the account.
    pub(super) fn forged_event(&self) -> Bytes {
        self.event_signed_with("00000000000000000000000000000000")
    }

    fn event_signed_with(&self, key: &str) -> Bytes {
        let from = format!("whatsapp:{}", self.number);
        let parameters = [
            ("SmsMessageSid", self.sid.as_str()),
            ("NumMedia", "0"),
            ("ProfileName", "Ava"),
            ("MessageType", "text"),
            ("SmsSid", &self.sid),
            ("WaId", self.number.trim_start_matches('+')),
            ("SmsStatus", "received"),
            ("Body", &self.body),
            ("To", "whatsapp:+14155238886"),
            ("NumSegments", "1"),
            ("ReferralNumMedia", "0"),
            ("MessageSid", &self.sid),
            ("AccountSid", &self.account_sid),
            ("From", &from),
            ("ApiVersion", "2010-04-01"),
            ("Forwarded", "false"),
            ("FrequentlyForwarded", "false"),
        ];
        webhook_event("/twilio/inbound", key, &parameters)
    }
}

/// A message of a person, who has this number.
pub(super) fn inbound_event(number: &str, body: &str) -> Bytes {
    WrittenMessage::of(number, body).event()
}

pub(super) fn status_event() -> Bytes {
    status_event_of(ACCOUNT_SID)
}

/// The status of a new message of an account.
pub(super) fn status_event_of(account_sid: &str) -> Bytes {
    let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
    let parameters = [
        ("MessageSid", sid.as_str()),
        ("AccountSid", account_sid),
        ("MessageStatus", "sent"),
        ("To", "whatsapp:+14155550123"),
    ];
    webhook_event("/twilio/status", AUTH_TOKEN, &parameters)
}

fn webhook_event(path: &str, key: &str, parameters: &[(&str, &str)]) -> Bytes {
    let form: Form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let signature = sign(&key.into(), &format!("{BASE_URL}{path}"), &form);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let event = json!({
        "version": "2.0", "routeKey": format!("POST {path}"), "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature},
        "requestContext": {
            "domainName": "wa.example.com", "http": {"method": "POST", "path": path}, "stage": "$default",
        },
        "body": body, "isBase64Encoded": false,
    });
    Bytes::from(event.to_string())
}
