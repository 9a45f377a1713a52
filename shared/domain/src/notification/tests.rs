use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const FULL: &str = include_str!("full.json");

fn minimal() -> Value {
    json!({"id": "order-1", "to": "+14155550123", "category": "utility", "content": {"type": "text", "body": "Hi"}})
}

fn with(field: &str, value: Value) -> String {
    let mut notification = minimal();
    notification[field] = value;
    notification.to_string()
}

#[test]
fn the_full_form_is_read() {
    let notification = Notification::parse(FULL).unwrap();
    assert_eq!(notification.id.as_str(), "order-18473-shipped");
    assert_eq!(notification.validity_period, Some(14400));
    assert_eq!(notification.fallback.len(), 1);
    assert_eq!(notification.metadata["order"], "18473");
    let Content::Template { template: Template::Sid(_), variables } = &notification.content else { panic!() };
    assert_eq!(variables["1"], "Ava");
}

#[test]
fn a_field_given_twice_is_refused_under_the_notifications_id() {
    for (twice, field, id) in [
        (r#""to": "+14155550199""#, "to", Some("order-1")),
        (r#""id": "order-2""#, "id", None),
        (r#""content": {"type": "text", "body": "a", "body": "b"}"#, "content.body", Some("order-1")),
    ] {
        let body = minimal().to_string().replacen('{', &format!("{{{twice}, "), 1);
        let error = Notification::parse(&body).unwrap_err();
        assert_eq!((error.field.as_str(), error.id.as_ref().map(NotificationId::as_str)), (field, id), "{body}");
        assert!(error.problem.starts_with("given twice"), "{error}");
    }
    assert!(Notification::parse(&format!("\u{feff}{}", minimal())).is_ok());
}

#[test]
fn an_account_inside_the_content_is_refused_by_its_path() {
    let account = json!("AC00000000000000000000000000000002");
    let content = json!({"type": "text", "body": "Hi", "account_sid": account});
    assert_eq!(Notification::parse(&with("content", content)).unwrap_err().field, "content.account_sid");
}

#[test]
fn the_minimal_form_is_read() {
    let notification = Notification::parse(&minimal().to_string()).unwrap();
    assert_eq!(notification.content, Content::Text { body: "Hi".into() });
    assert!(notification.fallback.is_empty() && notification.metadata.is_empty() && notification.from.is_none());
}

#[test]
fn media_have_a_key_or_a_url_and_templates_a_sid_or_a_name() {
    for content in [
        json!({"type": "media", "media": [{"key": "uploads/a.jpg"}, {"url": "https://example.com/b.pdf"}], "body": "Look",
               "one_message_per_file": true}),
        json!({"type": "template", "name": "order_update", "locale": "en"}),
    ] {
        Notification::parse(&with("content", content)).unwrap();
    }
}

#[test]
fn a_name_of_metadata_fits_into_a_map_of_dynamodb() {
    for (bytes, is_valid) in [(0, false), (1, true), (65_535, true), (65_536, false)] {
        let parsed = Notification::parse(&with("metadata", json!({"x".repeat(bytes): "1"})));
        assert_eq!(parsed.map_err(|error| error.field).err().as_deref(), (!is_valid).then_some("metadata"), "{bytes}");
    }
}

#[test]
fn an_invalid_field_is_named_by_its_path() {
    let text = |body: Value| json!({"type": "text", "body": body});
    let media = |media: Value| json!({"type": "media", "media": media});
    let cases = [
        ("id", json!(""), "id"),
        ("id", json!("a\nb"), "id"),
        ("id", json!("x".repeat(129)), "id"),
        ("to", json!("whatsapp:+14155550123"), "to"),
        ("to", json!(14_155_550_123_u64), "to"),
        ("category", json!("promo"), "category"),
        ("content", json!("Hi"), "content"),
        ("content", json!({"body": "Hi"}), "content.type"),
        ("content", json!({"type": "poll"}), "content.type"),
        ("content", text(json!("")), "content.body"),
        ("content", text(json!("x".repeat(1_601))), "content.body"),
        ("content", json!({"type": "text", "body": "Hi", "bold": true}), "content.bold"),
        ("content", media(json!([])), "content.media"),
        ("content", media(json!([{"key": "../secret"}])), "content.media[0].key"),
        ("content", media(json!([{"key": "a"}, {"url": "ftp://x/y"}])), "content.media[1].url"),
        ("content", media(json!([{"key": "a", "url": "https://x/y"}])), "content.media[0]"),
        ("content", json!({"type": "template", "content_sid": "HX1"}), "content.content_sid"),
        ("content", json!({"type": "template", "locale": "en"}), "content.content_sid"),
        (
            "content",
            json!({"type": "template", "name": "a", "locale": "en", "variables": {"1": 7}}),
            "content.variables",
        ),
        ("fallback", json!([{"channel": "fax", "content": text(json!("Hi"))}]), "fallback[0].channel"),
        ("fallback", json!([{"channel": "sms", "content": text(json!(null))}]), "fallback[0].content.body"),
        ("send_at", json!("tomorrow"), "send_at"),
        ("expires_at", json!(1), "expires_at"),
        ("from", json!("+14155238886"), "from"),
        ("messaging_service_sid", json!("AC00000000000000000000000000000001"), "messaging_service_sid"),
        ("account_sid", json!("AC1"), "account_sid"),
        ("validity_period", json!(36_001), "validity_period"),
        ("metadata", json!({"order": 18473}), "metadata"),
        ("metadata", json!({"": "18473"}), "metadata"),
        ("metdata", json!({}), "metdata"),
    ];
    for (field, value, named) in cases {
        let error = Notification::parse(&with(field, value.clone())).unwrap_err();
        assert_eq!(error.field, named, "{field} = {value}");
    }
}

fn to_user_id(fields: &Value) -> Result<Notification, InvalidNotification> {
    let mut notification = minimal();
    notification["to"] = json!("us.ENT.1349");
    for (name, value) in fields.as_object().unwrap() {
        notification[name] = value.clone();
    }
    Notification::parse(&notification.to_string())
}

#[test]
fn a_notification_may_be_sent_to_a_user_id() {
    let notification = to_user_id(&json!({})).unwrap();
    assert_eq!(notification.to.user_id().unwrap().as_str(), "US.ENT.1349");
    assert_eq!(serde_json::to_value(&notification).unwrap()["to"], "US.ENT.1349");
    let as_twilio_writes_it = Notification::parse(&with("to", json!("whatsapp:US.ENT.1349"))).unwrap();
    let without_prefix = Notification::parse(&with("to", json!("US.ENT.1349"))).unwrap();
    assert_eq!(as_twilio_writes_it.digest(), without_prefix.digest(), "the same request");
    let error = Notification::parse(&with("to", json!("whatsapp:US1349"))).unwrap_err().to_string();
    let expected = "an E.164 phone number, as in +14155550123, or a WhatsApp user id, as in US.13491208655302741918";
    assert_eq!(error, format!("to: expected {expected}"));
}

#[test]
fn what_needs_a_number_is_refused_for_a_user_id() {
    let text = json!({"type": "text", "body": "Hi"});
    let template = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
    let over = |channel: &str, content: &Value| json!({"channel": channel, "content": content});
    for (fields, field) in [
        (json!({"category": "authentication", "content": template}), "to"),
        (json!({"category": "authentication", "fallback": [over("whatsapp", &template)]}), "to"),
        (json!({"fallback": [over("whatsapp", &template), over("sms", &text)]}), "fallback[1].channel"),
    ] {
        assert_eq!(to_user_id(&fields).unwrap_err().field, field, "{fields}");
        let mut to_number = fields.clone();
        to_number["to"] = json!("+14155550123");
        assert!(to_user_id(&to_number).is_ok(), "{fields}");
    }
    for fields in [
        json!({"category": "authentication"}),
        json!({"category": "utility", "content": template}),
        json!({"fallback": [over("whatsapp", &template)]}),
    ] {
        assert!(to_user_id(&fields).is_ok(), "{fields}");
    }
}

#[test]
fn a_missing_field_is_named_and_the_id_is_kept() {
    for field in ["id", "to", "category", "content"] {
        let mut notification = minimal();
        notification.as_object_mut().unwrap().remove(field);
        let error = Notification::parse(&notification.to_string()).unwrap_err();
        assert_eq!((error.field.as_str(), error.id.is_some()), (field, field != "id"));
    }
}

#[test]
fn an_error_never_repeats_a_long_name() {
    let mut notification = minimal();
    notification["ä".repeat(90_000)] = json!("red");
    let error = Notification::parse(&notification.to_string()).unwrap_err();
    assert_eq!(error.field, format!("{}…", "ä".repeat(200)));
    assert!(error.to_string().len() < 1_000, "it is stored in an item and in a message's attribute");
}

#[test]
fn an_error_in_json_says_where_and_shows_nothing() {
    let error = Notification::parse("{\"content\": \"private").unwrap_err().to_string();
    assert_eq!(error, "body: expected JSON, it breaks off at line 1, column 20");
    assert!(Notification::parse("[]").unwrap_err().to_string().starts_with("body: expected a JSON object"));
}

#[test]
fn the_digest_depends_on_values_and_not_on_spaces() {
    let one = Notification::parse(&minimal().to_string()).unwrap().digest();
    let spaced = Notification::parse(&serde_json::to_string_pretty(&minimal()).unwrap()).unwrap().digest();
    let other = Notification::parse(&with("to", json!("+14155550124"))).unwrap().digest();
    assert_eq!(one, spaced);
    assert_ne!(one, other);
}

#[test]
fn a_send_at_that_cannot_be_met_is_refused() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let meant_for = |send_at: &str| Notification::parse(&with("send_at", json!(send_at))).unwrap();
    let now = at("2026-11-20T09:00:00Z");
    let refused = |send_at, enqueued_at| {
        meant_for(send_at).check_times(at(enqueued_at), now).map_err(|invalid| invalid.to_string())
    };
    for (send_at, enqueued_at) in [
        ("2026-11-20T09:00:00Z", "2026-11-20T09:00:00Z"),
        ("2026-11-20T08:56:00Z", "2026-11-20T09:00:00Z"),
        ("2026-11-20T08:00:00Z", "2026-11-19T09:00:00Z"),
        ("2026-12-25T08:00:00Z", "2026-11-20T09:00:00Z"),
        // It was on the queue for 13 of the 14 days that a queue keeps it.
        ("2026-11-08T09:00:00Z", "2026-11-07T09:00:00Z"),
    ] {
        assert_eq!(refused(send_at, enqueued_at), Ok(()), "{send_at}, put on the queue at {enqueued_at}");
    }
    let past = refused("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z").unwrap_err();
    assert!(past.starts_with("send_at: expected a future time"), "{past}");
    let old = refused("2026-11-20T08:00:00Z", "2018-04-09T09:00:00Z").unwrap_err();
    assert!(old.starts_with("send_at: expected a future time"), "no queue keeps a message for years: {old}");
    let far = refused("2026-12-25T10:00:00Z", "2026-11-20T09:00:00Z").unwrap_err();
    assert!(far.starts_with("send_at: expected a time within"), "{far}");
    let mut both = minimal();
    both["send_at"] = json!("2026-11-20T09:00:00Z");
    both["expires_at"] = json!("2026-11-20T09:00:00Z");
    assert_eq!(Notification::parse(&both.to_string()).unwrap_err().field, "expires_at");
}

#[test]
fn an_expires_at_beyond_40_days_is_refused() {
    let now: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
    let checked = |expires_at: &str| {
        let notification = Notification::parse(&with("expires_at", json!(expires_at))).unwrap();
        notification.check_times(now, now).map_err(|invalid| invalid.to_string())
    };
    assert_eq!(checked("2026-12-30T09:00:00Z"), Ok(()));
    assert_eq!(checked("2026-11-01T09:00:00Z"), Ok(()), "the policy ends what has expired");
    let far = checked("2026-12-30T09:00:01Z").unwrap_err();
    assert_eq!(far, "expires_at: expected a time within the next 40 days");
}

#[test]
fn options_are_the_content_and_then_the_fallbacks() {
    let notification = Notification::parse(FULL).unwrap();
    assert_eq!(notification.channel_option(0).map(|(channel, _)| channel), Some(FallbackChannel::WhatsApp));
    assert_eq!(notification.channel_option(1).map(|(_, content)| content), Some(&notification.fallback[0].content));
    assert_eq!(notification.channel_option(2), None);
}

#[test]
fn wait_for_reply_needs_a_template_and_free_form_content() {
    let waiting = |content: serde_json::Value, fallback: serde_json::Value| {
        let mut notification = minimal();
        notification["content"] = content;
        notification["fallback"] = fallback;
        notification["wait_for_reply"] = json!(true);
        Notification::parse(&notification.to_string())
    };
    let text = json!({"type": "text", "body": "Hello"});
    let template = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
    let over = |channel: &str, content: &serde_json::Value| json!([{"channel": channel, "content": content}]);
    assert!(waiting(text.clone(), over("whatsapp", &template)).unwrap().wait_for_reply);
    for (content, fallback) in [
        (text.clone(), json!([])),
        (text.clone(), over("whatsapp", &text)),
        (text.clone(), over("sms", &template)),
        (template.clone(), over("whatsapp", &template)),
    ] {
        assert_eq!(waiting(content, fallback).unwrap_err().field, "wait_for_reply");
    }
}

#[test]
fn debug_shows_no_body() {
    let notification = Notification::parse(&with("content", json!({"type": "text", "body": "private"}))).unwrap();
    assert!(!format!("{notification:?}").contains("private"));
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in any::<String>()) {
        let _ = Notification::parse(&body);
    }
}
