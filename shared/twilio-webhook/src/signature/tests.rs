use proptest::prelude::*;
use serde::Deserialize;

use super::{scheme::count::hmacs, spelling::MAX_SPELLINGS, *};

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
        // `twilio-python` 9.13, `get_signature_algorithm`: no algorithm, or an empty one, is that of the auth token.
        (Some("key=webhooks_sharedkey_1"), &with_token, Ok(())),
        (Some("key=webhooks_sharedkey_1,algorithm="), &with_token, Ok(())),
        (Some("key=webhooks_sharedkey_1, algorithm= "), &with_token, Ok(())),
        (Some("key=webhooks_sharedkey_1"), &with_shared_key, Err(SignatureError::Mismatch)),
        (Some("algorithm=,key=,algorithm=HMAC_SHA256,key=webhooks_sharedkey_1"), &with_shared_key, Ok(())),
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

/// Of `twilio-node` and `twilio-java`: their strings are in UTF-16, where a character above U+FFFF is before one from U+E000 on.
#[test]
fn parameters_sorted_as_utf_16_verify_too() {
    let (above, private) = ("\u{10000}", "\u{e000}");
    let body = encode(&[(private.to_owned(), "1".to_owned()), (above.to_owned(), "2".to_owned())]);
    let signature = sign(&"t".into(), &format!("{URL}{above}2{private}1"), &Form::default());
    assert!(form_request(URL, &body, &signature).verify(&keys("t")).is_ok());
    let values = encode(&[("A".to_owned(), private.to_owned()), ("A".to_owned(), above.to_owned())]);
    let signature = sign(&"t".into(), &format!("{URL}A{above}A{private}"), &Form::default());
    assert!(form_request(URL, &values, &signature).verify(&keys("t")).is_ok());
    let another_order = sign(&"t".into(), &format!("{URL}B2A1"), &Form::default());
    assert!(form_request(URL, b"A=1&B=2", &another_order).verify(&keys("t")).is_err());
}

#[test]
fn unverified_body_is_as_it_arrived() {
    assert_eq!(json_request(URL, r#"[{"id": 1}]"#, "").unverified_body(), br#"[{"id": 1}]"#);
}

#[test]
fn debug_shows_neither_the_body_nor_the_keys() {
    let shown = format!("{:?} {:?}", form_request(URL, b"Body=private", "sig"), keys("12345"));
    assert!(shown.contains(URL) && !shown.contains("private") && !shown.contains("12345"), "{shown}");
}

/// A URL that Twilio signed, the same as the request has it, and whose validator accepts it so.
const SPELLINGS: [(&str, &str, &str); 22] = [
    ("https://h/a?n=a-b_c.d~e", "https://h/a?n=a%2Db%5Fc%2Ed%7Ee", "node: withLegacyQuerystring"),
    ("https://h/a?b=a%20c", "https://h/a?b=a+c", "node: withLegacyQuerystring"),
    ("https://h/a?b=%2F", "https://h/a?b=%2f", "node: withLegacyQuerystring"),
    ("https://h/a?b=", "https://h/a?b", "node: withLegacyQuerystring"),
    ("https://h/a?b=(c)", "https://h/a?b=%28c%29", "node: withLegacyQuerystring"),
    ("https://h/a?b=%C3%A9", "https://h/a?b=é", "node: new URL"),
    ("https://h/a?b=c%22d", "https://h/a?b=c\"d", "node: new URL"),
    ("https://h/a%20b", "https://h/a b", "node: new URL"),
    ("https://h/b", "https://h/a/../b", "node: new URL"),
    ("https://h/", "https://h", "node: new URL"),
    ("https://h/?a", "https://h?a", "node: new URL"),
    ("https://h/a?b=it%27s", "https://h/a?b=it's", "node: new URL, pull request 1061"),
    ("https://h/a?b=it's", "https://h/a?b=it%27s", "node: withLegacyQuerystring"),
    ("https://h:443/a?b=a%20c", "https://h/a?b=a+c", "node: addPort of a normal form"),
    ("https://h/a?b=a%20c", "https://h:8443/a?b=a+c", "node: removePort of a normal form"),
    ("https://h/a", "https://h/a?", "python: geturl"),
    ("https://h/a", "https://h/a;", "python: geturl"),
    ("https://h/a", "https://h/\ta\n", "python: geturl"),
    ("https://h/a?b=c#rc=2", "https://h/a?b=c#rc=2", "both: the fragment is signed"),
    ("https://h:443/a?b=c#rc=2", "https://h/a?b=c#rc=2", "both: the fragment is signed"),
    ("https://h/a?b=1%23rc%3D2", "https://h/a?b=1#rc=2", "node: the fragment in the query"),
    ("https://h/a?attempt=2&notification=1", "https://h/a?notification=1&attempt=2", "status callbacks: sorted"),
];

#[test]
fn every_spelling_that_twilio_may_sign_is_accepted() {
    for (signed, called, source) in SPELLINGS {
        let request = form_request(called, b"A=1", &sign(&"t".into(), signed, &Form::parse(b"A=1")));
        assert!(request.verify(&keys("t")).is_ok(), "{signed} called as {called} ({source})");
    }
}

#[test]
fn an_escaped_separator_is_not_a_separator() {
    for (signed, called) in [
        ("https://h/a?b=c&d=e", "https://h/a?b=c%26d=e"),
        ("https://h/a?b=c%26d", "https://h/a?b=c&d"),
        ("https://h/a?b=c", "https://h/a?b%3Dc"),
        ("https://h/a%2Fb", "https://h/a/b"),
        ("https://h/a?b=c", "https://h/a?b=c&b=c"),
        ("https://h/a?b=1&b=2", "https://h/a?b=3&b=1"),
        ("https://h/a", "https://h/a?b"),
        ("https://h:8443/a", "https://h:443/a"),
    ] {
        let request = form_request(called, b"A=1", &sign(&"t".into(), signed, &Form::parse(b"A=1")));
        assert_eq!(request.verify(&keys("t")), Err(SignatureError::Mismatch), "{signed} called as {called}");
    }
}

#[test]
fn an_ordinary_request_costs_one_hmac() {
    let url = "https://wa.example.com/twilio/status?attempt=1&notification=order-1";
    let form = Form::parse(b"MessageSid=SM1&MessageStatus=sent");
    let request = form_request(url, b"MessageSid=SM1&MessageStatus=sent", &sign(&"primary".into(), url, &form));
    let both = SigningKeys::from_auth_tokens(["primary", "secondary"]);
    assert_eq!(hmacs(|| assert!(request.verify(&both).is_ok())), 1);
}

#[test]
fn a_forged_request_costs_a_bounded_number_of_hmacs() {
    let tokens = SigningKeys::from_auth_tokens(["primary", "secondary"]);
    // Everything that gives a URL another spelling, characters whose order differs, and a hash of the body.
    let body = "\u{1f44b}=1&\u{ffff}=2";
    let hash = sha256_hex(body);
    let url = format!("https://user:password@host/a;?b='%27+&a=\t&bodySHA256={hash}#c='%27+");
    let request = form_request(&url, body.as_bytes(), &sign(&"guess".into(), &url, &Form::default()));
    let most = hmacs(|| assert_eq!(request.verify(&tokens), Err(SignatureError::Mismatch)));
    assert!(most > 100, "{most}: the request is to be the worst");
    assert!(most <= 2 * 3 * MAX_SPELLINGS, "{most}");
    let url = "https://wa.example.com/twilio/inbound";
    let request = form_request(url, b"A=1", &sign(&"guess".into(), url, &Form::default()));
    assert_eq!(hmacs(|| assert!(request.verify(&tokens).is_err())), 4);
}

#[test]
fn a_header_that_is_no_signature_costs_no_hmac() {
    let right = sign(&"12345".into(), URL, &Form::parse(b"A=1"));
    let twice = format!("{right},{right}");
    let spaced = format!("{right}, {right}");
    let long = "A".repeat(4 * 1024);
    for signature in [&*twice, &spaced, &right[1..], "bm9uc2Vuc2U=", "x", ",", " ", "\u{e4}", &long] {
        let request = form_request(URL, b"A=1", signature);
        let cost = hmacs(|| assert_eq!(request.verify(&keys("12345")), Err(SignatureError::Malformed), "{signature}"));
        assert_eq!(cost, 0, "{signature}");
    }
    let of_sha256 = sign_with_shared_key(&"12345".into(), URL, &Form::parse(b"A=1"));
    let request = form_request(URL, b"A=1", &of_sha256);
    assert_eq!(hmacs(|| assert_eq!(request.verify(&keys("12345")), Err(SignatureError::Mismatch))), 0);
}

#[test]
fn a_repeated_signature_header_is_refused() {
    let mut headers = HeaderMap::new();
    for token in ["12345", "guess"] {
        let signature = sign(&token.into(), URL, &Form::parse(b"A=1"));
        headers.append(SIGNATURE, signature.parse().unwrap());
        let verdict = UnverifiedRequest::new(URL, &headers, "A=1").verify(&keys("12345"));
        assert_eq!(verdict.is_ok(), token == "12345", "{verdict:?}");
    }
    assert_eq!(UnverifiedRequest::new(URL, &headers, "A=1").verify(&keys("12345")), Err(SignatureError::Malformed));
}

/// `twilio-node` and `twilio-java` sort UTF-16 code units, `twilio-python` code points.
#[test]
fn parameters_are_accepted_in_the_order_of_each_library() {
    let body = "\u{1f44b}=1&\u{ffff}=2&A=\u{ffff}&A=\u{1f44b}".as_bytes();
    for text in ["A\u{ffff}A\u{1f44b}\u{ffff}2\u{1f44b}1", "A\u{1f44b}A\u{ffff}\u{1f44b}1\u{ffff}2"] {
        let signature = sign(&"12345".into(), &format!("{URL}{text}"), &Form::default());
        assert!(form_request(URL, body, &signature).verify(&keys("12345")).is_ok(), "{text}");
    }
    let signature = sign(&"12345".into(), &format!("{URL}\u{ffff}2\u{1f44b}1"), &Form::default());
    assert!(form_request(URL, body, &signature).verify(&keys("12345")).is_err());
}

fn sha256_hex(body: &str) -> String {
    let hash = Sha256::digest(body.as_bytes());
    hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// `twilio-node`, `validateIncomingRequest`: the query decides how a body is signed, not its content type.
#[test]
fn a_form_may_be_signed_by_its_hash() {
    let url = format!("{URL}&bodySHA256={}", sha256_hex("A=1"));
    let signature = sign(&"12345".into(), &url, &Form::default());
    let verified = form_request(&url, b"A=1", &signature).verify(&keys("12345"));
    assert!(matches!(verified, Ok(Verified::Form(form)) if form.form().get("A") == Some("1")));
    assert_eq!(form_request(&url, b"A=2", &signature).verify(&keys("12345")), Err(SignatureError::Mismatch));
}

#[test]
fn a_hash_in_the_fragment_signs_no_body() {
    let signature = sign(&"12345".into(), URL, &Form::default());
    let url = format!("{URL}#&bodySHA256={}", sha256_hex("{}"));
    assert_eq!(json_request(&url, "{}", &signature).verify(&keys("12345")), Err(SignatureError::UnsignedBody));
}

#[test]
fn what_nothing_can_sign_is_known_without_a_key() {
    let signature = sign(&"12345".into(), URL, &Form::default());
    let with_hash = format!("{URL}&bodySHA256=00");
    for (request, expected) in [
        (form_request(URL, b"A=1", &signature), Ok(())),
        (json_request(&with_hash, "{}", &signature), Ok(())),
        (json_request(URL, "{}", &signature), Err(SignatureError::UnsignedBody)),
        (form_request(URL, b"A=1", "x"), Err(SignatureError::Malformed)),
        (form_request(URL, b"A=1", ""), Err(SignatureError::Missing)),
    ] {
        assert_eq!(hmacs(|| assert_eq!(request.check_signable(), expected)), 0);
    }
}

#[test]
fn a_parameter_is_read_before_its_signature_is_verified() {
    let request = form_request(URL, b"a=1&Account%53id=AC1&AccountSid=AC2", "x");
    assert_eq!(request.unverified_parameter("AccountSid").as_deref(), Some("AC1"));
    assert_eq!(request.unverified_parameter("Body"), None);
    assert_eq!(json_request(URL, "AccountSid=AC1", "x").unverified_parameter("AccountSid"), None);
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

    /// A changed byte either leaves what is signed as it was, or breaks the signature. What is signed stays as it was if the decoded
    /// form does (`%3A` and `%3a`), and if a name and its value become two names, as in `From&whatsapp`: Twilio signs names and
    /// values without anything between them.
    #[test]
    fn one_changed_byte_fails_verification(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let body = b"AccountSid=AC00000000000000000000000000000001&Body=Where%20is+my+order%3F&From=whatsapp%3A%2B14155550123";
        let form = Form::parse(body);
        let signature = sign(&"12345".into(), URL, &form);
        let mut changed = body.to_vec();
        changed[place.index(body.len())] = byte;
        let signed = |form: &Form| {
            let pairs: std::collections::BTreeSet<_> = form.pairs().iter().collect();
            pairs.into_iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect::<String>()
        };
        let same = signed(&Form::parse(&changed)) == signed(&form);
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
