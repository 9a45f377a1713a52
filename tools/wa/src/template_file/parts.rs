//! The rules for the parts of a content type together, and for those that only one type has.
//!
//! Source: Twilio, the page of each type: "twilio/card", "whatsapp/card", "twilio/carousel", "twilio/media",
//! "whatsapp/authentication"; Meta, "Template components", for the length of headers and footers.

use serde_json::{Map, Value};

/// A problem of a field, by its name; empty for the whole content.
type Problem = (&'static str, String);

/// WhatsApp's own limits for texts that only one type has.
const TEXT_LIMITS: [(&str, &str, usize); 4] = [
    ("whatsapp/card", "header_text", 60),
    ("whatsapp/card", "footer", 60),
    ("twilio/card", "subtitle", 60),
    ("twilio/list-picker", "button", 20),
];

/// A message of WhatsApp has one file (Twilio, "Sending WhatsApp media messages").
const ONE_FILE: [&str; 3] = ["twilio/media", "twilio/card", "whatsapp/card"];

/// What is wrong with the parts of a content type.
pub(super) fn part_problems(key: &str, content: &Map<String, Value>) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    let has = |field: &str| content.get(field).is_some_and(is_filled);
    for (_, field, most) in TEXT_LIMITS.iter().filter(|(of, ..)| *of == key) {
        let chars = content.get(*field).and_then(Value::as_str).map_or(0, |text| text.chars().count());
        if chars > *most {
            found.push((field, format!("is longer than {most} characters")));
        }
    }
    if ONE_FILE.contains(&key) && content.get("media").and_then(Value::as_array).is_some_and(|media| media.len() > 1) {
        found.push(("media", "WhatsApp sends one file in a message".to_owned()));
    }
    let parts = |fields: &[&str]| fields.iter().filter(|field| has(field)).count();
    match key {
        "twilio/card" if !has("title") && !has("body") => {
            found.push(("title", "missing: a title or a body".to_owned()));
        }
        "twilio/card" if parts(&["title", "body", "subtitle", "media", "actions"]) < 2 => {
            found.push(("", "has a title or a body alone: expected another field with it".to_owned()));
        }
        "whatsapp/card" if parts(&["header_text", "footer", "media", "actions"]) == 0 => {
            found.push(("", "has a body alone: expected another field with it".to_owned()));
        }
        "whatsapp/card" if has("header_text") && has("media") => {
            found.push(("header_text", "a card has a text or a file above its body, not both".to_owned()));
        }
        "whatsapp/authentication" => found.extend(expiration_problem(content)),
        _ => {}
    }
    found
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(values) => !values.is_empty(),
        _ => true,
    }
}

/// Source: Meta, "Authentication templates": a code is valid for 1 to 90 minutes.
fn expiration_problem(content: &Map<String, Value>) -> Option<Problem> {
    let minutes = content.get("code_expiration_minutes").filter(|minutes| !minutes.is_null())?;
    let is_valid = minutes.as_f64().is_some_and(|minutes| (1.0..=90.0).contains(&minutes));
    (!is_valid).then(|| ("code_expiration_minutes", "expected 1 to 90 minutes".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(key: &str, content: &Value) -> Vec<String> {
        let found = part_problems(key, content.as_object().unwrap());
        found.into_iter().map(|(field, problem)| format!("{field}: {problem}")).collect()
    }

    #[test]
    fn card_has_a_text_and_another_part() {
        let long = "a".repeat(61);
        for (key, content, expected) in [
            ("twilio/card", json!({"subtitle": "a", "media": ["b"]}), "title: missing"),
            ("twilio/card", json!({"body": "a", "actions": []}), ": has a title or a body alone"),
            ("twilio/card", json!({"title": "a", "subtitle": long}), "subtitle: is longer than 60"),
            ("twilio/media", json!({"media": ["a", "b"]}), "media: WhatsApp sends one file"),
            ("whatsapp/card", json!({"body": "a"}), ": has a body alone"),
            ("whatsapp/card", json!({"body": "a", "header_text": "b", "media": ["c"]}), "header_text: a card has"),
            ("whatsapp/card", json!({"body": "a", "header_text": long}), "header_text: is longer than 60"),
            ("whatsapp/card", json!({"body": "a", "footer": long}), "footer: is longer than 60"),
            ("twilio/list-picker", json!({"button": "a".repeat(21)}), "button: is longer than 20"),
            ("whatsapp/authentication", json!({"code_expiration_minutes": 91}), "code_expiration_minutes: expected"),
        ] {
            let found = found(key, &content);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
        for (key, content) in [
            ("twilio/card", json!({"title": "a", "subtitle": "b", "media": null})),
            ("twilio/card", json!({"title": "a", "body": "b"})),
            ("whatsapp/card", json!({"body": "a", "footer": "b", "header_text": ""})),
            ("whatsapp/authentication", json!({"code_expiration_minutes": null})),
            ("whatsapp/authentication", json!({"code_expiration_minutes": 10})),
        ] {
            assert_eq!(found(key, &content), [""; 0], "{content}");
        }
    }
}
