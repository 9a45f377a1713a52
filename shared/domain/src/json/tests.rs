use proptest::{prelude::*, sample::Index};
use serde_json::json;

use super::*;
use crate::{
    consent::ConsentRequest, notification::Notification, policy::Policy, suppression_request::SuppressionRequest,
};

fn problem(text: &str) -> String {
    value(text).unwrap_err().to_string()
}

#[test]
fn field_given_twice_is_named_by_its_path() {
    for (text, expected) in [
        (r#"{"id": 1, "id": 1}"#, "id: given twice, again at line 1, column "),
        (r#"{"content": {"body": "secret", "body": "x"}}"#, "content.body: given twice"),
        ("{\"a\": [{}, {\"b\": 1,\n \"b\": 2}]}", "a[1].b: given twice, again at line 2, column "),
        // The same name, written in another way.
        (r#"{"to": 1, "t\u006f": 2}"#, "to: given twice"),
    ] {
        let problem = problem(text);
        assert!(problem.starts_with(expected), "{problem}");
        assert!(!problem.contains("secret"), "{problem}");
    }
    assert!(value(r#"{"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}"#).is_ok());
}

#[test]
fn byte_order_mark_is_accepted_at_the_beginning_only() {
    assert_eq!(value("\u{feff}{\"a\": 1}"), Ok(json!({"a": 1})));
    assert_eq!(value_of_bytes(b"\xef\xbb\xbf{}"), Ok(json!({})));
    assert_eq!(values("\u{feff}{}\n{}"), Ok(vec![json!({}), json!({})]));
    for text in ["\u{feff}\u{feff}{}", "{\u{feff}}", "{}\u{feff}"] {
        assert!(value(text).is_err(), "{text:?}");
    }
}

#[test]
fn error_shows_nothing_of_invalid_json() {
    assert_eq!(problem("{\"name\": \"private"), "body: expected JSON, it breaks off at line 1, column 17");
    for text in ["secret", "{\"a\": 1} secret", "{\"a\": secret}", "{\"a\": \"secret\n\"}"] {
        assert!(!problem(text).contains("secret"), "{text}");
    }
    assert_eq!(value_of_bytes(b"\"\xff\"").unwrap_err().to_string(), "body: expected UTF-8");
    let too_deep = "[".repeat(200) + &"]".repeat(200);
    assert!(problem(&too_deep).starts_with("body: expected JSON"));
}

#[test]
fn values_are_read_one_after_the_other() {
    assert_eq!(values("{\"a\": 1}\n[2] 3 \n"), Ok(vec![json!({"a": 1}), json!([2]), json!(3)]));
    assert_eq!(values(" \n"), Ok(Vec::new()));
    assert_eq!(values("{}\n{\"id\": ").unwrap_err().problem, "expected JSON, it breaks off at line 2, column 7");
    assert_eq!(values("{} {\"id\": 1, \"id\": 2}").unwrap_err().field, "id");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What a person may have written by mistake, or on purpose, recognisable in an error.
const TEXT: &str = "my-secret-value";
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const NUMBER: i64 = 7_731_990_042_117;

fn odd_value() -> impl Strategy<Value = Value> {
    let marked = prop_oneof![
        Just(json!(TEXT)),
        Just(json!(NUMBER)),
        Just(json!(-NUMBER)),
        Just(json!(0.731_990_042_117)),
        Just(json!(format!("whatsapp:{TEXT}"))),
        Just(json!(format!("+{NUMBER}99999"))),
    ];
    marked.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![inner.clone().prop_map(|value| json!([value])), inner.prop_map(|value| json!({"a": value})),]
    })
}

/// The pointers of all values in a value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| {
                pointers(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            });
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| pointers(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

fn replaced(mut whole: Value, place: Index, value: Value) -> Value {
    let mut found = Vec::new();
    pointers(&whole, "", &mut found);
    let pointer: &String = place.get(&found);
    *whole.pointer_mut(pointer).unwrap() = value;
    whole
}

fn assert_not_repeated(problem: Option<String>) {
    let problem = problem.unwrap_or_default();
    for part in [TEXT, "731990042117", "7731990042117"] {
        assert!(!problem.contains(part), "{problem}");
    }
}

fn notification() -> Value {
    json!({
        "id": "order-1", "to": "+14155550123", "category": "utility",
        "content": {"type": "template", "content_sid": "HX00000000000000000000000000000001", "variables": {"1": "Ava"}},
        "fallback": [
            {"channel": "whatsapp", "content": {"type": "media", "media": [{"key": "a.jpg"}], "body": "Look"}},
            {"channel": "sms", "content": {"type": "text", "body": "Hello"}},
        ],
        "send_at": "2026-11-20T09:00:00Z", "expires_at": "2026-11-21T09:00:00Z", "from": "whatsapp:+14155238886",
        "messaging_service_sid": "MG00000000000000000000000000000001",
        "account_sid": "AC00000000000000000000000000000001", "validity_period": 60, "wait_for_reply": false,
        "metadata": {"order": "1"},
    })
}

fn consent() -> Value {
    json!({
        "category": "marketing", "state": "given", "source": "form", "text": "Yes", "text_version": "1", "locale": "en",
        "ip": "203.0.113.10", "user_agent": "x", "at": "2026-11-20T09:00:00Z",
        "account_sid": "AC00000000000000000000000000000001",
    })
}

fn policy() -> Value {
    json!({
        "default": {
            "consent": {"marketing": {"days": 30}},
            "quiet_hours": {"from": "21:00", "to": "08:00", "categories": ["marketing"]},
            "marketing_cap": {"messages": 2, "days": 7},
        },
        "countries": {"BR": {"quiet_hours": {"from": "20:00", "to": "09:00"}}},
        "on_unknown": {"utility": "resend"},
        "rates": {"default": {"per_second": 80, "burst": 1}},
        "daily_cap": {"account": 5, "countries": {"BR": 5}, "routes": {"default": 5}},
        "pause_on_failures": {"share_percent": 50, "at_least": 100},
    })
}

#[test]
fn the_examples_of_the_property_are_valid() {
    assert!(Notification::parse(&notification().to_string()).is_ok());
    assert!(ConsentRequest::parse(&consent().to_string(), jiff::Timestamp::now(), None).is_ok());
    assert!(policy().to_string().parse::<Policy>().is_ok());
}

proptest! {
    #[test]
    fn any_json_is_read_as_the_parser_reads_it(expected in any_json()) {
        prop_assert_eq!(value(&expected.to_string()), Ok(expected.clone()));
        prop_assert_eq!(read::<Value>(&expected.to_string()), Ok(expected));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let expected = serde_json::from_str::<Value>(&text).ok();
        let text = format!("\u{feff}{text}");
        prop_assert!(value(&text).is_ok() || expected.is_none() || text.contains("twice"));
        let _ = values(&text);
    }

    /// Any JSON in any field of everything that people write.
    #[test]
    fn no_error_repeats_a_value(odd in odd_value(), place in any::<Index>()) {
        let changed = |whole: Value| replaced(whole, place, odd.clone()).to_string();
        assert_not_repeated(Notification::parse(&changed(notification())).err().map(|error| error.to_string()));
        let now = "2026-11-25T09:00:00Z".parse().unwrap();
        assert_not_repeated(ConsentRequest::parse(&changed(consent()), now, None).err().map(|error| error.to_string()));
        assert_not_repeated(changed(policy()).parse::<Policy>().err().map(|error| error.to_string()));
        let suppression = json!({"scope": "all", "channel": "sms", "reason": "letter", "account_sid": ACCOUNT});
        let parsed = SuppressionRequest::parse(&changed(suppression), [("reason", "letter"); 0]);
        assert_not_repeated(parsed.err().map(|error| error.to_string()));
    }
}
