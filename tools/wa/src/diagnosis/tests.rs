use proptest::prelude::*;
use secrecy::SecretString;
use twilio_webhook::signature::{sign, sign_with_shared_key};

use super::*;
use domain::digest::sha256_hex;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const OTHER_ACCOUNT: &str = "AC00000000000000000000000000000002";
const URL: &str = "https://wa.example.com/twilio/status?notification=order%201";
const SIGNED: &[(&str, &str)] = &[
    ("MessageSid", "SM00000000000000000000000000000001"),
    ("AccountSid", ACCOUNT),
    ("From", "whatsapp:+14155550123"),
    ("WaId", "14155550123"),
    ("Body", "two words"),
    ("NumMedia", "0"),
    ("ToCity", ""),
    ("ProfileName", "Ava"),
];

fn key(account: &str, role: KeyRole, secret: &str) -> SigningKey {
    SigningKey { account_sid: Some(account.parse().unwrap()), role, secret: SecretString::from(secret) }
}

fn context() -> VerificationContext {
    let shared = KeyRole::Shared("key_1".to_owned());
    VerificationContext {
        keys: vec![
            key(ACCOUNT, KeyRole::Primary, "one"),
            key(ACCOUNT, KeyRole::Further(2), "two"),
            key(ACCOUNT, shared, "three"),
            key(OTHER_ACCOUNT, KeyRole::Primary, "four"),
        ],
        base_urls: vec!["https://public.example.com".parse().unwrap()],
    }
}

fn form(pairs: &[(&str, &str)]) -> Form {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn request(signed_url: &str, signed: &[(&str, &str)], url: &str, came: &[(&str, &str)]) -> WebhookRequest {
    let signature = sign(&"one".into(), signed_url, &form(signed));
    WebhookRequest { url: url.to_owned(), content: RequestContent::Form(form(came)), signature, settings: None }
}

fn finding(request: &WebhookRequest) -> SignatureFinding {
    match request.examine(&context()) {
        SignatureVerdict::Differs(finding) => finding,
        SignatureVerdict::Signed(role) => panic!("it matches {role}"),
    }
}

#[test]
fn a_matching_signature_names_its_key() {
    for (secret, role) in [("one", KeyRole::Primary), ("two", KeyRole::Further(2))] {
        let mut request = request(URL, SIGNED, URL, SIGNED);
        request.signature = sign(&secret.into(), URL, &form(SIGNED));
        assert_eq!(request.examine(&context()), SignatureVerdict::Signed(role));
    }
    let mut request = request(URL, SIGNED, URL, SIGNED);
    request.signature = sign_with_shared_key(&"three".into(), URL, &form(SIGNED));
    request.settings = Some("key=key_1,algorithm=HMAC_SHA256".to_owned());
    assert_eq!(request.examine(&context()), SignatureVerdict::Signed(KeyRole::Shared("key_1".to_owned())));
}

#[test]
fn a_request_signed_for_another_url_is_explained() {
    for (signed, given, expected) in [
        ("http://wa.example.com/a", "https://wa.example.com/a", "http, not https"),
        ("https://wa.example.com/a", "http://wa.example.com/a", "https, not http"),
        ("https://wa.example.com/a/", "https://wa.example.com/a", "with a slash at the end"),
        ("https://wa.example.com/a", "https://wa.example.com/a/", "without the slash at the end"),
        ("https://wa.example.com/a/?b=c", "https://wa.example.com/a?b=c", "with a slash at the end"),
        ("https://wa.example.com:8443/a", "https://wa.example.com/a", "with the port 8443"),
        ("https://wa.example.com/a", "https://WA.example.com/a", "the host in small letters"),
        ("https://www.example.com/a", "https://example.com/a", "the host with www. before it"),
        ("https://wa.example.com/a", "https://wa.example.com/a?b=c", "without the query"),
        ("https://wa.example.com/a?b=c", "https://wa.example.com/a?b=c&d=e", "without d in the query"),
        ("https://wa.example.com/a?b=(c%20d%29", "https://wa.example.com/a?b=(c+d%29", "a space in the query as %20"),
        ("https://wa.example.com/a?b=c+d", "https://wa.example.com/a?b=c%20d", "a space in the query as +"),
        ("https://wa.example.com/a?b=(%2B%29", "https://wa.example.com/a?b=(%2b%29", "the query's escapes in capitals"),
        ("https://wa.example.com/a?d=e&b=c", "https://wa.example.com/a?b=c&d=e", "the query in another order"),
        (
            "https://public.example.com/twilio/inbound",
            "https://abc.execute-api.us-east-1.amazonaws.com/twilio/inbound",
            "the stack's own URL",
        ),
        ("https://wa.example.com/prod/a", "https://wa.example.com/a", "with /prod before the path"),
        ("https://wa.example.com/a", "https://wa.example.com/prod/a", "without /prod before the path"),
        ("https://wa.example.com/a", "https://wa.example.com//a", "one slash where there are two"),
    ] {
        let found = finding(&request(signed, SIGNED, given, SIGNED));
        assert_eq!(found.part, RequestPart::Url, "{signed}: {}", found.finding);
        assert!(found.finding.contains(expected) && found.finding.contains(signed), "{signed}: {}", found.finding);
    }
}

/// The functions accept these URLs as well.
#[test]
fn a_url_in_a_spelling_that_twilio_signs_is_verified() {
    for (signed, given) in [
        ("https://wa.example.com/a?b=c%20d", "https://wa.example.com/a?b=c+d"),
        ("https://wa.example.com/a?b=%2B1", "https://wa.example.com/a?b=%2b1"),
        ("https://wa.example.com/a?b=c&d=e", "https://wa.example.com/a?d=e&b=c"),
        ("https://wa.example.com:443/a?b=it%27s", "https://wa.example.com/a?b=it's"),
    ] {
        let verdict = request(signed, SIGNED, given, SIGNED).examine(&context());
        assert_eq!(verdict, SignatureVerdict::Signed(KeyRole::Primary), "{signed} given as {given}");
    }
}

#[test]
fn a_request_signed_with_other_parameters_is_explained() {
    let changed = |name: &str, value: &'static str| -> Vec<(&str, &str)> {
        SIGNED.iter().map(|(known, old)| (*known, if *known == name { value } else { *old })).collect()
    };
    let without = |name: &str| SIGNED.iter().copied().filter(|(known, _)| *known != name).collect::<Vec<_>>();
    let with =
        |more: &[(&'static str, &'static str)]| SIGNED.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    for (came, expected) in [
        (changed("From", "whatsapp: 14155550123"), "signed with From with + where it now has a space"),
        (changed("Body", "two+words"), "signed with Body with a space where it now has a +"),
        (changed("From", "whatsapp%3A%2B14155550123"), "signed with From decoded"),
        (without("ToCity"), "signed with ToCity, which is missing: parameters that are empty were dropped"),
        (without("WaId"), "signed with WaId=14155550123, which is missing"),
        (without("NumMedia"), "signed with NumMedia=0, which is missing"),
        (with(&[("utm", "1")]), "signed without utm, which was added on the way"),
        (with(&[("Body", "again")]), "signed without Body, which was added on the way"),
        (changed("ToCity", "null"), "signed with ToCity empty"),
    ] {
        let found = finding(&request(URL, SIGNED, URL, &came));
        assert_eq!(found.part, RequestPart::Parameters, "{}", found.finding);
        assert!(found.finding.starts_with(expected), "{expected}: {}", found.finding);
    }
    for (signed, came, expected) in [
        ("text ", "text", "with a space at its end, which was trimmed"),
        ("a\r\nb", "a\nb", "with line ends of two characters"),
        ("a & b", "a &amp; b", "it was escaped for HTML"),
        ("a%2Bb", "a+b", "encoded: it was decoded twice"),
    ] {
        let found = finding(&request(URL, &[("Body", signed)], URL, &[("Body", came)]));
        assert!(found.finding.contains(expected), "{}", found.finding);
    }
    let twice = request(URL, &[("A", "1"), ("A", "2")], URL, &[("A", "1,2")]);
    assert!(finding(&twice).finding.contains("A repeatedly, whose values were joined"));
    assert!(finding(&request(URL, &[], URL, SIGNED)).finding.contains("without any parameter"));
}

#[test]
fn a_request_signed_with_another_key_is_explained() {
    let mut request = request(URL, SIGNED, URL, SIGNED);
    request.signature = sign(&"four".into(), URL, &form(SIGNED));
    let found = finding(&request);
    assert_eq!(found.part, RequestPart::Key);
    assert!(found.finding.contains(OTHER_ACCOUNT), "{}", found.finding);
    request.signature = sign(&"five".into(), URL, &form(SIGNED));
    assert_eq!(finding(&request).part, RequestPart::Unknown);
    request.signature = sign_with_shared_key(&"three".into(), URL, &form(SIGNED));
    let found = finding(&request);
    assert!(found.part == RequestPart::Settings && found.finding.contains("HMAC-SHA256"), "{}", found.finding);
    request.settings = Some("key=key_2,algorithm=HMAC_SHA256".to_owned());
    assert!(finding(&request).finding.contains("known: key_1"));
}

#[test]
fn an_unusable_signature_is_explained() {
    let mut request = request(URL, SIGNED, URL, SIGNED);
    for (signature, expected) in [
        ("", "there is no signature"),
        ("0/KCTR6DLpKmkAf8muzZqo1nDg 1234=", "where a + was decoded"),
        ("RSOYDt4T1cUTdK1PDd93%2FVVr8B8%3D", "percent-encoded"),
        ("RSOYDt4T1cUTdK1PDd93/VVr8B8", "27 characters"),
    ] {
        signature.clone_into(&mut request.signature);
        let found = finding(&request);
        assert!(found.part == RequestPart::Signature && found.finding.contains(expected), "{}", found.finding);
    }
}

#[test]
fn a_rewritten_body_is_explained() {
    let url = format!("{URL}&bodySHA256={}", sha256_hex(b"{\"a\":1}"));
    let signature = sign(&"one".into(), &url, &Form::default());
    let of = |url: &str, body: &[u8]| WebhookRequest {
        url: url.to_owned(),
        content: RequestContent::Body(body.to_vec()),
        signature: signature.clone(),
        settings: None,
    };
    assert_eq!(of(&url, b"{\"a\":1}").examine(&context()), SignatureVerdict::Signed(KeyRole::Primary));
    let found = finding(&of(&url, b"{\"a\": 1}"));
    assert!(found.part == RequestPart::Body && found.finding.starts_with("the URL is signed"), "{}", found.finding);
    assert_eq!(finding(&of(URL, b"{\"a\":1}")).part, RequestPart::Body);
    assert_eq!(finding(&of(&url.replace("https", "http"), b"{\"a\":1}")).part, RequestPart::Url);
}

#[test]
fn a_changed_url_and_parameter_are_both_explained() {
    let came: Vec<_> = SIGNED.iter().copied().filter(|(name, _)| *name != "ToCity").collect();
    let found = finding(&request("http://wa.example.com/a", SIGNED, "https://wa.example.com/a", &came));
    assert!(found.finding.contains("http, not https") && found.finding.contains("ToCity"), "{}", found.finding);
}

/// A change to one part of a request.
#[derive(Debug, Clone)]
enum Mutation {
    Scheme,
    Slash,
    Query,
    Added(String, String),
    Dropped(usize),
    Plus(usize),
    Trimmed(usize),
    EncodedTwice(usize),
}

fn mutations() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        Just(Mutation::Scheme),
        Just(Mutation::Slash),
        Just(Mutation::Query),
        ("[a-z]{3,9}", "\\PC{0,9}").prop_map(|(name, value)| Mutation::Added(name, value)),
        (0..3_usize).prop_map(Mutation::Dropped),
        (0..4_usize).prop_map(Mutation::Plus),
        (0..4_usize).prop_map(Mutation::Trimmed),
        (0..4_usize).prop_map(Mutation::EncodedTwice),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_single_mutation_is_explained(
        words in prop::collection::vec("[A-Za-zé🙂+]{1,8} [a-z+]{1,8}", 4),
        path in "/[a-z]{1,8}/[a-z]{1,8}",
        mutation in mutations(),
    ) {
        let droppable = [("ToCity", ""), ("NumMedia", "0"), ("ApiVersion", "2010-04-01")];
        let names = ["Body", "ProfileName", "ListTitle", "ButtonText"];
        let values: Vec<String> = match mutation {
            Mutation::Trimmed(_) => words.iter().map(|word| format!("{word} ")).collect(),
            _ => words,
        };
        let pairs = names.into_iter().zip(values).map(|(name, value)| (name.to_owned(), value));
        let signed: Vec<(String, String)> = pairs
            .chain(droppable.map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect();
        let signed_url = format!("https://wa.example.com{path}");
        let (mut url, mut came) = (signed_url.clone(), signed.clone());
        let (part, named) = match &mutation {
            Mutation::Scheme => { url = url.replace("https", "http"); (RequestPart::Url, "https, not http".to_owned()) }
            Mutation::Slash => { url.push('/'); (RequestPart::Url, "without the slash".to_owned()) }
            Mutation::Query => { url.push_str("?a=b"); (RequestPart::Url, "without the query".to_owned()) }
            Mutation::Added(name, value) => { came.push((name.clone(), value.clone())); (RequestPart::Parameters, format!("without {name}")) }
            Mutation::Dropped(index) => { came.retain(|(name, _)| name != droppable[*index].0); (RequestPart::Parameters, droppable[*index].0.to_owned()) }
            Mutation::Plus(index) => {
                prop_assume!(!came[*index].1.contains('+'));
                came[*index].1 = came[*index].1.replace(' ', "+");
                (RequestPart::Parameters, came[*index].0.clone())
            }
            Mutation::Trimmed(index) => { came[*index].1.pop(); (RequestPart::Parameters, came[*index].0.clone()) }
            Mutation::EncodedTwice(index) => {
                came[*index].1 = form_urlencoded::byte_serialize(came[*index].1.as_bytes()).collect();
                (RequestPart::Parameters, came[*index].0.clone())
            }
        };
        let signed: Form = signed.into_iter().collect();
        let signature = sign(&"one".into(), &signed_url, &signed);
        let request = WebhookRequest { url, content: RequestContent::Form(came.into_iter().collect()), signature, settings: None };
        let found = finding(&request);
        prop_assert_eq!(found.part, part, "{}", found.finding);
        prop_assert!(found.finding.contains(&named), "{}", found.finding);
    }
}
