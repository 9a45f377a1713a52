use std::time::Duration;

use aws_lambda_events::http::HeaderValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use twilio_webhook::{
    form::Form,
    inbound_message::InboundMessage,
    signature::{SIGNATURE, TrustedForm, sign},
};

use super::*;
use crate::{
    secrets::tests::{ONE, TWO, secrets},
    test_log,
};

const OLD: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["old"]}}}"#;
const NEW: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["new"]}}}"#;

async fn verifier(secret: &[&str], public_base_url: Option<&str>) -> WebhookVerifier {
    let public_base_url = public_base_url.map(|url| url.parse().unwrap());
    WebhookVerifier { secrets: secrets(secret).await.into(), public_base_url }
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
        Err(error) => error.into_response(None).status().as_u16(),
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
async fn token_taken_out_of_the_secret_is_refused_after_five_minutes() {
    let verifier = verifier(&[OLD, NEW], None).await;
    let event =
        |token| signed(event("/twilio/inbound", "", &body(ONE)), token, "https://api.example.com/twilio/inbound");
    assert_eq!(status(&verifier, event("old")).await, 200);
    verifier.secrets.freeze_for(Duration::from_mins(5));
    assert_eq!(status(&verifier, event("old")).await, 403);
    assert_eq!(status(&verifier, event("new")).await, 200);
}

#[tokio::test]
async fn unreadable_secret_refuses_no_webhook_for_an_hour() {
    let verifier = verifier(&[OLD], None).await;
    let event = || signed(event("/twilio/inbound", "", &body(ONE)), "old", "https://api.example.com/twilio/inbound");
    verifier.secrets.freeze_for(Duration::from_mins(59));
    assert_eq!(status(&verifier, event()).await, 200);
    verifier.secrets.freeze_for(Duration::from_mins(1));
    for _ in 0..2 {
        assert_eq!(status(&verifier, event()).await, 500, "Twilio repeats the webhook");
    }
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

const THREE: &str = "AC00000000000000000000000000000003";
const INBOUND: &str = "https://api.example.com/twilio/inbound";

/// What is answered, and the account whose alarm it raises.
async fn refusal(verifier: &WebhookVerifier, event: ApiGatewayV2httpRequest) -> (u16, Option<String>) {
    let error = verifier.verify(event).await.unwrap_err();
    let account = match &error {
        WebhookError::Refused { account_sid, .. } => account_sid.as_ref().map(ToString::to_string),
        error => panic!("{error}"),
    };
    (error.into_response(None).status().as_u16(), account)
}

/// The event of a JSON body, with its hash in the URL and the signature that Twilio would send.
fn signed_json(body: &str) -> ApiGatewayV2httpRequest {
    let query = format!("bodySHA256={}", domain::digest::sha256_hex(body.as_bytes()));
    let mut event = event("/twilio/inbound", &query, "");
    event = signed(event, "old", &format!("{INBOUND}?{query}"));
    event.headers.insert("content-type", HeaderValue::from_static("application/json"));
    event.body = Some(body.to_owned());
    event
}

fn without_signature(mut event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpRequest {
    event.headers.remove(SIGNATURE);
    event
}

fn with_header(mut event: ApiGatewayV2httpRequest, name: &'static str, value: &str) -> ApiGatewayV2httpRequest {
    event.headers.insert(name, value.parse().unwrap());
    event
}

/// The secret is read once at most: reading it again would fail, and with it the request. And no signature can be computed,
/// because the keys are those of the account that a form names.
#[tokio::test]
async fn request_without_our_account_is_refused_before_hashing() {
    let verifier = verifier(&[OLD], None).await;
    let form = |body: &str| signed(event("/twilio/inbound", "", body), "old", INBOUND);
    let json = |body: &str| with_header(form(body), "content-type", "application/json");
    let long = |body: &str| format!("{body}&x={}", "x".repeat(MAX_FORM_BYTES));
    for (case, event, expected) in [
        ("no account", form("Body=hi"), 400),
        ("an empty form", form(""), 400),
        ("an account that is none", form("AccountSid=AC1&Body=hi"), 400),
        ("an account after one that is none", form(&format!("AccountSid=&AccountSid={ONE}")), 400),
        ("a JSON body that nothing signs", json(&body(ONE)), 403),
        ("a JSON body that Twilio signed", signed_json(&format!("{{\"AccountSid\":\"{ONE}\"}}")), 400),
        ("two content types", with_header(form(&body(ONE)), "content-type", "application/json, text/plain"), 403),
        ("no signature", without_signature(form("Body=hi")), 403),
        ("no account, and no signature", with_header(form("Body=hi"), SIGNATURE, "bm9uc2Vuc2U="), 403),
        ("too large", form(&long("Body=hi")), 413),
    ] {
        assert_eq!(refusal(&verifier, event).await, (expected, None), "{case}");
    }
}

#[tokio::test]
async fn account_outside_the_secret_is_refused_without_an_alarm() {
    let verifier = verifier(&[OLD, OLD], None).await;
    let event = signed(event("/twilio/inbound", "", &body(THREE)), "old", INBOUND);
    assert_eq!(refusal(&verifier, event).await, (403, None));
}

#[tokio::test]
async fn refused_webhook_of_an_account_of_the_secret_raises_an_alarm() {
    let verifier = verifier(&[OLD, OLD], None).await;
    let form = || signed(event("/twilio/inbound", "", &body(ONE)), "old", INBOUND);
    let right = form().headers[SIGNATURE].to_str().unwrap().to_owned();
    let long = format!("{}&x={}", body(ONE), "x".repeat(MAX_FORM_BYTES));
    for (case, event, expected) in [
        ("another token", signed(form(), "rolled", INBOUND), 403),
        ("another URL", signed(form(), "old", "https://wa.example.com/twilio/inbound"), 403),
        (
            "another shared key",
            with_header(form(), "x-twilio-webhooks-signature-settings", "key=k,algorithm=HMAC_SHA256"),
            403,
        ),
        ("two signatures, which API Gateway joins", with_header(form(), SIGNATURE, &format!("{right},{right}")), 403),
        ("what is no signature", with_header(form(), SIGNATURE, "x"), 403),
        ("too large", signed(event("/twilio/inbound", "", &long), "old", INBOUND), 413),
    ] {
        assert_eq!(refusal(&verifier, event).await, (expected, Some(ONE.to_owned())), "{case}");
    }
    for event in [without_signature(form()), with_header(form(), SIGNATURE, "")] {
        assert_eq!(refusal(&verifier, event).await, (403, None), "a scanner has no signature");
    }
}

/// The fields of the log line with which an error is answered.
async fn logged(error: WebhookError) -> serde_json::Value {
    let (_, lines) = test_log::logged(async { error.into_response(Some("JKJaXmPLvHcESHA=")) }).await;
    serde_json::from_str::<serde_json::Value>(&lines[0]).unwrap()["fields"].take()
}

#[tokio::test]
async fn only_a_refusal_of_our_account_is_logged_with_an_alarm() {
    let refused = |refusal: Refusal, account: Option<&str>| WebhookError::Refused {
        refusal,
        account_sid: account.map(|account| account.parse().unwrap()),
    };
    let line = logged(refused(SignatureError::Mismatch.into(), Some(ONE))).await;
    assert_eq!((&line["alarm"], &line["account_sid"], &line["status"]), (&"refused".into(), &ONE.into(), &403.into()));
    assert_eq!(line["api_request_id"], "JKJaXmPLvHcESHA=", "by it a caller's answer is found in the log");
    let line = logged(refused(Refusal::TooLarge(MAX_FORM_BYTES), Some(ONE))).await;
    assert_eq!((&line["alarm"], &line["status"]), (&"refused".into(), &413.into()));
    let invalid = InboundMessage::parse(TrustedForm::Stored(&Form::default())).unwrap_err();
    assert_eq!(logged(invalid.into()).await["alarm"], "refused", "Twilio signed it");
    for refusal in [
        SignatureError::Mismatch.into(),
        Refusal::TooLarge(MAX_FORM_BYTES),
        Refusal::Unreadable("AccountSid: expected one"),
    ] {
        let line = logged(refused(refusal, None)).await;
        assert_eq!(line.get("alarm"), None);
    }
}

#[tokio::test]
async fn repeated_signature_does_not_read_the_secret() {
    let verifier = verifier(&[OLD], None).await;
    let event = signed(event("/twilio/inbound", "", &body(ONE)), "old", INBOUND);
    let twice = format!("{0},{0}", event.headers[SIGNATURE].to_str().unwrap());
    assert_eq!(status(&verifier, with_header(event, SIGNATURE, &twice)).await, 403);
}

#[tokio::test]
async fn literal_fragment_in_a_request_is_refused() {
    let verifier = verifier(&[OLD, OLD], None).await;
    for query in ["attempt=1&notification=a#&notification=b", "#"] {
        let (signed_query, _) = query.split_once('#').unwrap();
        let url = format!("https://api.example.com/twilio/status?{signed_query}");
        let event = signed(event("/twilio/status", query, &body(ONE)), "old", url.trim_end_matches('?'));
        assert_eq!(status(&verifier, event).await, 403, "{query}");
    }
}

/// Twilio signs the URL that it was given, and may request it in another spelling (`twilio-php`, issue 790; `twilio-node`,
/// issue 1079).
#[tokio::test]
async fn callback_is_accepted_in_whatever_spelling_it_is_requested() {
    let verifier = verifier(&[OLD], None).await;
    for (given, requested) in [
        ("attempt=2&notification=order-1", "attempt=2&notification=order-1"),
        ("attempt=2&notification=order-1", "notification=order-1&attempt=2"),
        ("attempt=2&notification=order-1", "notification=order%2D1&attempt=2"),
        ("attempt=2&notification=a%20%C3%A9%2Fb%3F", "attempt=2&notification=a+%c3%a9/b?"),
        ("attempt=2&notification=a%2A%27%28", "notification=a*'(&attempt=2"),
        ("attempt=2&notification=a", "attempt=2&notification=a&added=1"),
        // As it was given before its names were sorted.
        ("notification=order%2D1&attempt=2", "notification=order%2D1&attempt=2"),
        ("notification=order%2D1&attempt=2", "attempt=2&notification=order%2D1"),
        ("notification=order%2D1&attempt=2", "notification=order-1&attempt=2"),
    ] {
        let url = format!("https://api.example.com/twilio/status?{given}");
        let event = signed(event("/twilio/status", requested, &body(ONE)), "old", &url);
        assert_eq!(status(&verifier, event).await, 200, "{given} requested as {requested}");
    }
}

#[tokio::test]
async fn callback_of_another_attempt_is_refused() {
    let verifier = verifier(&[OLD, OLD], None).await;
    for requested in ["attempt=1&notification=a", "notification=a", "attempt=2&notification=b", "attempt=2"] {
        let url = "https://api.example.com/twilio/status?attempt=2&notification=a";
        let event = signed(event("/twilio/status", requested, &body(ONE)), "old", url);
        assert_eq!(status(&verifier, event).await, 403, "{requested}");
    }
}

/// AWS, "Create AWS Lambda proxy integrations for HTTP APIs": the raw path lacks the key of an API mapping. Other proxies
/// leave it there.
#[tokio::test]
async fn base_path_is_signed_whether_or_not_it_is_in_the_request() {
    let verifier = verifier(&[OLD, OLD], Some("https://api.example.com/wa")).await;
    for path in ["/twilio/status", "/wa/twilio/status"] {
        for (url, expected) in [
            ("https://api.example.com/wa/twilio/status?notification=a", 200),
            ("https://api.example.com/twilio/status?notification=a", 403),
        ] {
            let event = signed(event(path, "notification=a", &body(ONE)), "old", url);
            assert_eq!(status(&verifier, event).await, expected, "{url} as {path}");
        }
    }
}
