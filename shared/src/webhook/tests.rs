use std::{
    future::{pending, ready},
    time::SystemTime,
};

use aws_lambda_events::http::HeaderValue;
use twilio_webhook::{
    form::Form,
    signature::{SIGNATURE, sign},
};

use super::*;
use crate::secrets::tests::{ONE, TWO, secrets};

const OLD: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["old"]}}}"#;
const NEW: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["new"]}}}"#;

async fn verifier(secret: &[&str], public_base_url: Option<&str>) -> WebhookVerifier {
    let public_base_url = public_base_url.map(|url| url.parse().unwrap());
    WebhookVerifier { secrets: secrets(secret).await, public_base_url }
}

/// An event of a form, without a signature.
fn event(path: &str, query: &str, body: &str) -> ApiGatewayV2httpRequest {
    let mut event = ApiGatewayV2httpRequest::default();
    event.raw_path = Some(path.to_owned());
    event.raw_query_string = Some(query.to_owned());
    event.request_context.domain_name = Some("api.example.com".to_owned());
    event.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    event.headers.insert("host", HeaderValue::from_static("elsewhere.example"));
    event.body = Some(body.to_owned());
    event
}

fn signed(mut event: ApiGatewayV2httpRequest, auth_token: &str, url: &str) -> ApiGatewayV2httpRequest {
    let form = Form::parse(event.body.as_deref().unwrap().as_bytes());
    event.headers.insert(SIGNATURE, sign(&auth_token.into(), url, &form).try_into().unwrap());
    event
}

fn body(account_sid: &str) -> String {
    format!("AccountSid={account_sid}&Body=hi")
}

async fn status(verifier: &WebhookVerifier, event: ApiGatewayV2httpRequest) -> u16 {
    match verifier.verify(event).await {
        Ok(_) => 200,
        Err(error) => error.into_response().status().as_u16(),
    }
}

#[tokio::test]
async fn url_is_verified_byte_for_byte() {
    let verifier = verifier(&[OLD], None).await;
    for (path, query) in [
        ("/twilio/inbound", ""),
        ("/twilio/inbound", "a=%2F&b=c%20d"),
        ("/twilio/inbound", "a=\"<> \t\u{7f}"),
        ("/twilio/../inbound", "a=/../b"),
        ("/twilio//inbound \u{e4}", "a=%zz"),
    ] {
        let separator = if query.is_empty() { "" } else { "?" };
        let url = format!("https://api.example.com{path}{separator}{query}");
        let event = event(path, query, &body(ONE));
        assert_eq!(status(&verifier, signed(event, "old", &url)).await, 200, "{url}");
    }
}

#[tokio::test]
async fn malformed_url_of_an_unsigned_request_is_refused() {
    let verifier = verifier(&[OLD], None).await;
    for (query, host) in [("a=\"<", "api.example.com"), ("a", "a b"), ("a", "[::1"), ("a", "a:x"), ("a", "")] {
        let mut event = event("/twilio/inbound", query, &body(ONE));
        event.headers.insert("host", HeaderValue::from_str(host).unwrap());
        assert_eq!(status(&verifier, event).await, 403, "{query} {host}");
    }
}

#[tokio::test]
async fn public_base_url_replaces_the_domain_and_no_header_does() {
    let verifier = verifier(&[OLD, OLD], Some("https://wa.example.com/base")).await;
    for (url, expected) in [
        ("https://wa.example.com/base/twilio/status", 200),
        ("https://api.example.com/twilio/status", 403),
        ("https://elsewhere.example/twilio/status", 403),
    ] {
        let event = signed(event("/twilio/status", "", &body(ONE)), "old", url);
        assert_eq!(status(&verifier, event).await, expected, "{url}");
    }
}

#[tokio::test]
async fn token_replaced_after_the_cold_start_is_read_again() {
    let verifier = verifier(&[OLD, NEW], None).await;
    let event = || signed(event("/twilio/inbound", "", &body(ONE)), "new", "https://api.example.com/twilio/inbound");
    assert_eq!(status(&verifier, event()).await, 200);
    assert_eq!(status(&verifier, event()).await, 200, "the new token is kept");
}

#[tokio::test]
async fn forged_signatures_read_the_secret_once() {
    // A third reading of the secret would fail, and with it the request.
    let verifier = verifier(&[OLD, OLD], None).await;
    let event = || signed(event("/twilio/inbound", "", &body(ONE)), "guess", "https://api.example.com/twilio/inbound");
    for _ in 0..3 {
        assert_eq!(status(&verifier, event()).await, 403);
    }
}

#[tokio::test]
async fn request_without_a_signature_does_not_read_the_secret() {
    let verifier = verifier(&[OLD], None).await;
    assert_eq!(status(&verifier, event("/twilio/inbound", "", &body(ONE))).await, 403);
}

#[tokio::test]
async fn form_of_another_account_is_refused() {
    let verifier = verifier(&[OLD, OLD], None).await;
    let event = signed(event("/twilio/inbound", "", &body(TWO)), "old", "https://api.example.com/twilio/inbound");
    assert_eq!(status(&verifier, event).await, 403);
}

#[tokio::test]
async fn secret_that_cannot_be_read_again_is_an_error_of_ours() {
    let verifier = verifier(&[OLD], None).await;
    let event = signed(event("/twilio/inbound", "", &body(ONE)), "new", "https://api.example.com/twilio/inbound");
    assert_eq!(status(&verifier, event).await, 500);
}

#[tokio::test]
async fn body_in_base64_is_decoded_and_limited() {
    let verifier = verifier(&[OLD], None).await;
    let url = "https://api.example.com/twilio/inbound";
    let encoded = |text: &str| {
        let mut event = signed(event("/twilio/inbound", "", text), "old", url);
        event.body = Some(STANDARD.encode(text));
        event.is_base64_encoded = true;
        event
    };
    assert_eq!(status(&verifier, encoded(&body(ONE))).await, 200);
    assert_eq!(status(&verifier, encoded(&"x".repeat(MAX_FORM_BYTES + 1))).await, 413);
    let mut broken = encoded(&body(ONE));
    broken.body = Some("not base64".to_owned());
    assert_eq!(status(&verifier, broken).await, 400);
}

#[tokio::test]
async fn webhook_that_is_not_stored_in_time_is_answered_with_500() {
    let soon = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + ANSWER_RESERVE;
    let soon = soon + Duration::from_millis(50);
    let received = receive_in_time::<()>(u64::try_from(soon.as_millis()).unwrap(), pending()).await;
    assert_eq!(received.unwrap_err().into_response().status(), 500);
}

#[tokio::test]
async fn webhook_that_is_stored_in_time_is_answered_as_it_was_received() {
    assert!(matches!(receive_in_time(0, ready(Ok(1))).await, Ok(1)));
    let received = receive_in_time::<()>(0, ready(Err(WebhookError::TooLarge))).await;
    assert_eq!(received.unwrap_err().into_response().status(), 413);
}
