//! Every Unicode scalar value, from a form, a preference or a notification to the event.

use domain::preference::Preference;
use serde_json::json;
use twilio_webhook::form::Form;

use super::{
    fuzz_tests::{event_of, messages, published},
    tests::{changed_preference, notification},
    *,
};

/// Texts that hold all 1,112,064 of them.
fn texts() -> Vec<String> {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    assert_eq!(all.len(), 1_112_064);
    all.chunks(4_096).map(String::from_iter).collect()
}

/// Everything escaped, or only what has to be.
fn bodies(params: &[(&str, &str)]) -> [String; 2] {
    let everything = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let least = |text: &str| {
        let escaped = text.replace('%', "%25").replace('&', "%26").replace('=', "%3D").replace('+', "%2B");
        escaped.replace(' ', "+")
    };
    let body = |escape: &dyn Fn(&str) -> String| {
        let pair = |(name, value): &(&str, &str)| format!("{}={}", escape(name), escape(value));
        params.iter().map(pair).collect::<Vec<_>>().join("&")
    };
    [body(&everything), body(&least)]
}

#[test]
fn every_character_reaches_the_event_in_names_and_values() {
    let messages = messages();
    for text in texts() {
        let params = [
            ("MessageSid", "SM00000000000000000000000000000001"),
            ("AccountSid", "AC00000000000000000000000000000001"),
            ("From", "whatsapp:+14155550123"),
            ("To", "whatsapp:+14155238886"),
            ("Body", &text),
            ("ProfileName", &text),
            (&text, &text),
            (&text, "again"),
        ];
        let [form, other] = bodies(&params).map(|body| Form::parse(body.as_bytes()));
        assert!(form == other);
        let event = published(&event_of(&form, &messages).unwrap());
        assert_eq!(event["event_type"], "twilio_inbound");
        assert_eq!(event["body"], json!(text));
        assert_eq!(event["profile_name"], json!(text));
        assert_eq!(event["raw"]["Body"], json!(text));
        assert_eq!(event["raw"][&text], json!([text, "again"]));
    }
}

#[test]
fn every_character_of_reasons_and_metadata_reaches_the_event() {
    for text in texts() {
        let mut stored = notification("rejected", &text);
        stored.subject.metadata = BTreeMap::from([(text.clone(), text.clone())]);
        let failed = published(&Event::notification(stored).unwrap());
        assert_eq!(failed["reason"], json!(text));
        assert_eq!(failed["metadata"][&text], json!(text));
        let opted_out = published(&Event::preference(changed_preference(Preference::OptedOut, &text)));
        for field in ["scope", "reason", "recorded_by"] {
            assert_eq!(opted_out[field], json!(text), "{field}");
        }
    }
}
