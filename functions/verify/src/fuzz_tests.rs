//! Fuzz tests of the requests.

use domain::verification::{CheckRequest, VerificationRequest};
use fuzz::{Understood, fuzz};
use serde_json::json;

#[test]
fn requests_for_codes_are_read_without_a_panic() {
    fuzz(|mutator| {
        let request = json!({
            "id": "login-1", "to": "+14155550123", "channel": "sms", "locale": "pt-BR",
            "rate_limits": {"end_user_ip_address": "192.0.2.1"},
        });
        Understood::if_ok(&VerificationRequest::parse(&mutator.json_text(&[request])))
    });
}

#[test]
fn requests_for_checks_are_read_without_a_panic() {
    fuzz(|mutator| {
        let request = json!({"id": "login-1", "code": "004217"});
        Understood::if_ok(&CheckRequest::parse(&mutator.json_text(&[request])))
    });
}
