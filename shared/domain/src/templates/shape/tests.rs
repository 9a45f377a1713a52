use proptest::prelude::*;
use serde_json::json;

use super::*;

fn shape(types: &Value, samples: &[&str]) -> TemplateShape {
    TemplateShape::of(types.as_object().unwrap(), None, samples.iter().copied())
}

fn names(shape: &TemplateShape, channel: FallbackChannel) -> Vec<&str> {
    shape.variables(channel).unwrap().names.keys().map(String::as_str).collect()
}

#[test]
fn variables_are_those_of_the_channels_richest_type() {
    let shape = shape(
        &json!({
            "twilio/text": {"body": "Hello {{1}}, {{1}}: see {{link}}"},
            "twilio/quick-reply": {"body": "Hello {{1}}", "actions": [{"title": "Yes", "id": "yes-{{2}}"}]},
        }),
        &["1", "3"],
    );
    assert_eq!(shape.whatsapp_type.as_deref(), Some("twilio/quick-reply"));
    assert_eq!(names(&shape, FallbackChannel::WhatsApp), ["1", "2"]);
    assert_eq!(names(&shape, FallbackChannel::Sms), ["1", "link"]);
    assert_eq!(shape.whatsapp_variables.names["2"], 0, "it is not in the body");
    assert_eq!(shape.whatsapp_variables.body_chars, 6);
    assert_eq!(shape.sms_variables.as_ref().unwrap().names["1"], 2);
    for name in ["1", "2", "3", "link"] {
        assert!(shape.has_variable(name), "{name}");
    }
    assert!(!shape.has_variable("4"));
}

#[test]
fn one_time_password_has_its_code_as_a_variable() {
    let actions = json!([{"type": "COPY_CODE", "copy_code_text": "Copy"}]);
    let shape = shape(&json!({"whatsapp/authentication": {"actions": actions}}), &[]);
    assert_eq!(names(&shape, FallbackChannel::WhatsApp), ["1"]);
    assert_eq!((shape.unapproved, shape.variables(FallbackChannel::Sms)), (UnapprovedUse::Never, None));
}

#[test]
fn use_without_approval_depends_on_type_and_buttons() {
    let of = |kind: &str, content: Value| shape(&json!({kind: content}), &[]).unapproved;
    let button = |kind: &str| json!({"type": kind, "title": "Yes"});
    let buttons = |count: usize| json!({"body": "Hi", "actions": vec![button("QUICK_REPLY"); count]});
    assert_eq!(of("twilio/text", json!({"body": "Hi"})), UnapprovedUse::InWindow);
    assert_eq!(of("twilio/quick-reply", buttons(3)), UnapprovedUse::InWindow);
    assert_eq!(of("twilio/quick-reply", buttons(4)), UnapprovedUse::Never);
    assert_eq!(of("twilio/list-picker", json!({"body": "Hi"})), UnapprovedUse::OnlyInWindow);
    assert_eq!(of("twilio/location", json!({"latitude": 1, "longitude": 2})), UnapprovedUse::OnlyInWindow);
    assert_eq!(of("twilio/call-to-action", json!({"actions": [button("PHONE_NUMBER")]})), UnapprovedUse::Never);
    assert_eq!(of("twilio/call-to-action", json!({"actions": [button("URL")]})), UnapprovedUse::InWindow);
    for kind in ["twilio/carousel", "whatsapp/flows", "twilio/new"] {
        assert_eq!(of(kind, json!({"body": "Hi"})), UnapprovedUse::Never, "{kind}");
    }
}

#[test]
fn type_that_whatsapp_approved_is_the_one_that_is_sent() {
    let types = json!({"twilio/text": {"body": "{{1}}"}, "twilio/quick-reply": {"body": "{{2}}", "actions": []}});
    let of = |approved| TemplateShape::of(types.as_object().unwrap(), approved, []);
    assert_eq!(names(&of(Some("twilio/text")), FallbackChannel::WhatsApp), ["1"]);
    assert_eq!(names(&of(Some("twilio/other")), FallbackChannel::WhatsApp), ["2"], "the content has no such type");
    let new = shape(&json!({"twilio/new": {"body": "{{1}}"}}), &[]);
    assert_eq!(names(&new, FallbackChannel::WhatsApp), ["1"], "a type that is not known here");
}

#[test]
fn braces_without_a_name_are_text() {
    assert_eq!(placeholders("{{1}} {{ 2 }} {{}} {{{3}} {{a_b}}"), (vec!["1".to_owned(), "a_b".to_owned()], 21));
    assert_eq!(placeholders("{{"), (Vec::new(), 2));
    assert_eq!(placeholders("{{12345678901234567}}"), (Vec::new(), 21));
}

proptest! {
    /// The text without its variables, and a text of one character for each of them.
    #[test]
    fn characters_are_counted_without_the_variables(pieces in prop::collection::vec("[a-zä👋 ]{0,9}", 1..6)) {
        let text = pieces.join("{{1}}");
        let (names, chars) = placeholders(&text);
        prop_assert_eq!(names.len(), pieces.len() - 1);
        prop_assert_eq!(chars, pieces.iter().map(|piece| piece.chars().count()).sum::<usize>());
    }

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        let (names, chars) = placeholders(&text);
        prop_assert!(chars + names.iter().map(|name| name.len() + 4).sum::<usize>() == text.chars().count());
    }
}
