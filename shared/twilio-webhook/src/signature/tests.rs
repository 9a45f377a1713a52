use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Deserialize)]
struct Vector {
    id: String,
    token: String,
    url: String,
    params: Vec<(String, String)>,
    body: Option<String>,
    signature: String,
    valid: bool,
    note: String,
}

fn keys(token: &str) -> SigningKeys {
    SigningKeys::from_auth_tokens([token])
}

fn encode(params: &[(String, String)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish().into_bytes()
}

fn form_request(url: &str, body: &[u8], signature: &str) -> UnverifiedRequest {
    UnverifiedRequest {
        url: url.to_owned(),
        content_type: Some(FORM.to_owned()),
        body: body.to_vec(),
        signature: Some(signature.to_owned()),
        settings: None,
    }
}

fn json_request(url: &str, body: &str, signature: &str) -> UnverifiedRequest {
    UnverifiedRequest {
        content_type: Some("application/json".to_owned()),
        ..form_request(url, body.as_bytes(), signature)
    }
}

#[test]
fn twilios_test_vectors_get_twilios_verdict() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert!(vectors.len() >= 43);
    for vector in vectors {
        let request = match &vector.body {
            Some(body) => json_request(&vector.url, body, &vector.signature),
            None => form_request(&vector.url, &encode(&vector.params), &vector.signature),
        };
        let verdict = request.verify(&keys(&vector.token));
        assert_eq!(verdict.is_ok(), vector.valid, "{} ({}): {verdict:?}", vector.id, vector.note);
    }
}

#[test]
fn a_json_body_that_nothing_signs_is_refused() {
    let signature = sign(&"12345".into(), URL, &Form::default());
    assert_eq!(json_request(URL, "{}", &signature).verify(&keys("12345")), Err(SignatureError::UnsignedBody));
}

#[test]
fn a_request_without_a_signature_is_refused() {
    for signature in [None, Some(String::new())] {
        let request = UnverifiedRequest { signature, ..form_request(URL, b"", "") };
        assert_eq!(request.verify(&keys("12345")), Err(SignatureError::Missing));
    }
}

#[test]
fn each_auth_token_of_the_account_verifies_and_no_other() {
    let form = Form::parse(b"Body=hi");
    let both = SigningKeys::from_auth_tokens(["primary", "secondary"]);
    for token in ["primary", "secondary"] {
        let request = form_request(URL, b"Body=hi", &sign(&token.into(), URL, &form));
        assert_eq!(request.verify(&both), Ok(Verified::Form(VerifiedForm(form.clone()))));
    }
    let request = form_request(URL, b"Body=hi", &sign(&"retired".into(), URL, &form));
    assert_eq!(request.verify(&both), Err(SignatureError::Mismatch));
    assert_eq!(request.verify(&SigningKeys::default()), Err(SignatureError::Mismatch));
}

#[test]
fn a_shared_key_verifies_only_requests_that_name_it() {
    let form = Form::parse(b"Body=hi");
    let keys = SigningKeys::from_auth_tokens(["token"]).with_shared_key("webhooks_sharedkey_1", "shared");
    let with_token = sign(&"token".into(), URL, &form);
    let with_shared_key = sign_with_shared_key(&"shared".into(), URL, &form);
    let cases = [
        (None, &with_token, Ok(())),
        (Some(""), &with_token, Ok(())),
        (Some("algorithm=HMAC_SHA1"), &with_token, Ok(())),
        (Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"), &with_shared_key, Ok(())),
        (Some("Algorithm=hmac_sha256, Key=webhooks_sharedkey_1"), &with_shared_key, Ok(())),
        (None, &with_shared_key, Err(SignatureError::Mismatch)),
        (Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"), &with_token, Err(SignatureError::Mismatch)),
        (Some("key=webhooks_sharedkey_2,algorithm=HMAC_SHA256"), &with_shared_key, Err(SignatureError::Settings)),
        (Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA1"), &with_token, Err(SignatureError::Settings)),
        (Some("key=webhooks_sharedkey_1,algorithm=HMAC_MD5"), &with_shared_key, Err(SignatureError::Settings)),
        (Some("algorithm=HMAC_SHA256"), &with_shared_key, Err(SignatureError::Settings)),
    ];
    for (settings, signature, expected) in cases {
        let request =
            UnverifiedRequest { settings: settings.map(str::to_owned), ..form_request(URL, b"Body=hi", signature) };
        assert_eq!(request.verify(&keys).map(|_| ()), expected, "{settings:?}");
    }
}

#[test]
fn only_the_port_and_the_apostrophe_may_differ() {
    let pairs = [
        ("https://example.com:443/path?test=param", "https://example.com/path?test=param", true),
        ("https://example.com/path?test=it's", "https://example.com/path?test=it%27s", true),
        ("https://user:secret@example.com/path", "https://example.com/path", false),
        ("https://example.com/path?test=param", "https://example.com/path?test=param2", false),
        ("https://example.com/path", "https://example.com/path/", false),
        ("https://example.com/path", "http://example.com/path", false),
        ("https://example.com/path", "https://EXAMPLE.com/path", false),
    ];
    for (one, other, same) in pairs {
        for (signed, called) in [(one, other), (other, one)] {
            let request = form_request(called, b"A=1", &sign(&"t".into(), signed, &Form::parse(b"A=1")));
            let credentials_dropped = called.contains('@');
            assert_eq!(request.verify(&keys("t")).is_ok(), same || credentials_dropped, "{signed} called as {called}");
        }
    }
}

#[test]
fn connection_overrides_in_the_fragment_are_not_signed() {
    let request = form_request(
        "https://example.com/path?a=1#rc=2&rp=all",
        b"",
        &sign(&"t".into(), "https://example.com/path?a=1", &Form::default()),
    );
    assert!(request.verify(&keys("t")).is_ok());
}

#[test]
fn debug_shows_neither_the_body_nor_the_keys() {
    let shown = format!("{:?} {:?}", form_request(URL, b"Body=private", "sig"), keys("12345"));
    assert!(!shown.contains("private") && !shown.contains("12345"), "{shown}");
}

fn any_form() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[A-Za-z]{1,12}", any::<String>()), 0..12)
}

#[test]
fn a_request_of_a_web_framework_is_verified_by_its_parts() {
    let body = "Body=hi";
    let signature = sign(&"12345".into(), "https://example.com/hooks/twilio?a=%22", &Form::parse(body.as_bytes()));
    let request = http::Request::post("/hooks/twilio?a=%22")
        .header("Host", "attacker.example")
        .header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
        .header("X-Twilio-Signature", signature)
        .body(body)
        .unwrap();
    let verify = |base_url: &str| UnverifiedRequest::from_http(base_url, &request).verify(&keys("12345"));
    assert!(matches!(verify("https://example.com"), Ok(Verified::Form(form)) if form.form().get("Body") == Some("hi")));
    assert_eq!(verify("https://attacker.example"), Err(SignatureError::Mismatch));
}

proptest! {
    #[test]
    fn a_signed_form_verifies_in_any_order_of_its_parameters(params in any_form(), token in "[ -~]{1,64}") {
        let form: Form = params.iter().cloned().collect();
        let signature = sign(&token.as_str().into(), URL, &form);
        let mut reversed = params;
        reversed.reverse();
        prop_assert!(form_request(URL, &encode(&reversed), &signature).verify(&keys(&token)).is_ok());
    }

    /// A changed byte either leaves the decoded form as it was (`%3A` and `%3a`) or breaks the signature.
    #[test]
    fn one_changed_byte_fails_verification(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let body = b"AccountSid=AC00000000000000000000000000000001&Body=Where%20is+my+order%3F&From=whatsapp%3A%2B14155550123";
        let form = Form::parse(body);
        let signature = sign(&"12345".into(), URL, &form);
        let mut changed = body.to_vec();
        changed[place.index(body.len())] = byte;
        let same = Form::parse(&changed) == form;
        prop_assert_eq!(form_request(URL, &changed, &signature).verify(&keys("12345")).is_ok(), same);
        let mut changed = signature.clone().into_bytes();
        changed[place.index(signature.len())] = byte;
        let same = changed == signature.as_bytes();
        let request = form_request(URL, body, &String::from_utf8_lossy(&changed));
        prop_assert_eq!(request.verify(&keys("12345")).is_ok(), same);
        let mut changed = URL.as_bytes().to_vec();
        changed[place.index(URL.len())] = byte;
        if let Ok(url) = String::from_utf8(changed) {
            prop_assert_eq!(form_request(&url, body, &signature).verify(&keys("12345")).is_ok(), url == URL);
        }
    }

    #[test]
    fn any_unsigned_request_is_refused(url in any::<String>(), body in prop::collection::vec(any::<u8>(), 0..200), signature in any::<String>(), settings in any::<Option<String>>(), content_type in any::<Option<String>>()) {
        let request = UnverifiedRequest { url, content_type, body, signature: Some(signature), settings };
        prop_assert!(request.verify(&keys("12345")).is_err());
    }
}
