use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-20T09:00:00Z")
}

fn minimal() -> Value {
    json!({"category": "marketing", "source": "checkout-form", "text": "Send me offers on WhatsApp."})
}

fn parse(body: &Value) -> Result<ConsentRequest, InvalidConsent> {
    ConsentRequest::parse(&body.to_string(), now(), None)
}

fn with(field: &str, value: Value) -> Value {
    let mut body = minimal();
    body[field] = value;
    body
}

#[test]
fn the_minimal_form_is_consent_given_now() {
    let request = parse(&minimal()).unwrap();
    let evidence = &request.evidence;
    assert_eq!(request.account_sid, None);
    assert_eq!((evidence.category, evidence.state), (Category::Marketing, ConsentState::Given));
    assert_eq!((evidence.at, evidence.recorded_at), (now(), now()));
}

#[test]
fn the_full_form_is_stored_word_for_word() {
    let body = json!({
        "category": "utility", "state": "given", "source": "app", "text": "Yes", "text_version": "2026-11", "locale": "pt_BR",
        "ip": "2001:db8::1", "user_agent": "Mozilla/5.0", "at": "2026-11-19T10:00:00.123456Z",
        "account_sid": "AC00000000000000000000000000000001",
    });
    let arn = "arn:aws:iam::123456789012:user/shop";
    let request = ConsentRequest::parse(&body.to_string(), now(), Some(arn.to_owned())).unwrap();
    let shown = serde_json::to_value(&request.evidence).unwrap();
    for field in ["category", "state", "source", "text", "text_version", "locale", "ip", "user_agent"] {
        assert_eq!(shown[field], body[field], "{field}");
    }
    assert_eq!((&shown["at"], &shown["recorded_by"]), (&json!("2026-11-19T10:00:00.123Z"), &json!(arn)));
    assert!(request.account_sid.is_some());
}

#[test]
fn a_withdrawal_needs_no_text() {
    let request = parse(&json!({"category": "marketing", "state": "withdrawn", "source": "call-centre"})).unwrap();
    assert_eq!((request.evidence.state, request.evidence.text), (ConsentState::Withdrawn, None));
}

#[test]
fn an_invalid_field_is_named() {
    let cases = [
        ("category", json!("promo")),
        ("category", json!(null)),
        ("state", json!("maybe")),
        ("source", json!("  ")),
        ("source", json!("x".repeat(201))),
        ("text", json!(null)),
        ("text", json!("")),
        ("text", json!("x".repeat(4_001))),
        ("text_version", json!("")),
        ("text_version", json!("x".repeat(65))),
        ("text_version", json!(3)),
        ("locale", json!("e")),
        ("locale", json!("en-")),
        ("locale", json!("en US")),
        ("locale", json!("en-aaaaaaaa-bbbbbbbb-cccccccc-dddddddd")),
        ("ip", json!("1.2.3")),
        ("ip", json!(1)),
        ("user_agent", json!("x".repeat(513))),
        ("at", json!("yesterday")),
        ("at", json!("2026-11-20T09:05:01Z")),
        ("at", json!("1969-12-31T23:59:59Z")),
        ("account_sid", json!("AC1")),
        ("opt_in", json!(true)),
    ];
    for (field, value) in cases {
        assert_eq!(parse(&with(field, value.clone())).unwrap_err().field, field, "{value}");
    }
    for body in ["", "[]", "{\"category\":"] {
        assert_eq!(ConsentRequest::parse(body, now(), None).unwrap_err().field, "body", "{body}");
    }
}

#[test]
fn consent_from_a_fast_clock_counts_from_now() {
    let request = parse(&with("at", json!("2026-11-20T09:05:00Z"))).unwrap();
    assert_eq!(request.evidence.at, now());
}

#[test]
fn debug_shows_neither_the_address_nor_the_device() {
    let mut body = with("ip", json!("203.0.113.10"));
    body["user_agent"] = json!("Mozilla/5.0");
    let shown = format!("{:?}", parse(&body).unwrap());
    assert!(!shown.contains("203.0.113.10") && !shown.contains("Mozilla"), "{shown}");
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in any::<String>()) {
        let _ = ConsentRequest::parse(&body, now(), None);
    }
}
