//! Webhooks as API Gateway delivers them to a function.

use axum::body::Bytes;
use serde_json::json;
use stack::run::{ACCOUNT_SID, AUTH_TOKEN};
use twilio_webhook::{form::Form, signature::sign};

/// `PUBLIC_BASE_URL` of the functions in a benchmark.
const BASE_URL: &str = "https://wa.example.com";

/// A message of a person, who has this number.
pub(super) fn inbound_event(number: &str, body: &str) -> Bytes {
    let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
    let from = format!("whatsapp:{number}");
    let parameters = [
        ("SmsMessageSid", sid.as_str()),
        ("NumMedia", "0"),
        ("ProfileName", "Ava"),
        ("MessageType", "text"),
        ("SmsSid", &sid),
        ("WaId", number.trim_start_matches('+')),
        ("SmsStatus", "received"),
        ("Body", body),
        ("To", "whatsapp:+14155238886"),
        ("NumSegments", "1"),
        ("ReferralNumMedia", "0"),
        ("MessageSid", &sid),
        ("AccountSid", ACCOUNT_SID),
        ("From", &from),
        ("ApiVersion", "2010-04-01"),
        ("Forwarded", "false"),
        ("FrequentlyForwarded", "false"),
    ];
    webhook_event("/twilio/inbound", &parameters)
}

pub(super) fn status_event() -> Bytes {
    let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
    let parameters = [
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT_SID),
        ("MessageStatus", "sent"),
        ("To", "whatsapp:+14155550123"),
    ];
    webhook_event("/twilio/status", &parameters)
}

fn webhook_event(path: &str, parameters: &[(&str, &str)]) -> Bytes {
    let form: Form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let signature = sign(&AUTH_TOKEN.into(), &format!("{BASE_URL}{path}"), &form);
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
