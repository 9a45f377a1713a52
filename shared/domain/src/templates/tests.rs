use serde_json::{Value, json};

use super::*;
use crate::{notification::Template, template_settings::TemplateSettings};

pub(crate) const SID: &str = "HX00000000000000000000000000000001";

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

/// A template of Twilio's list: an approved text with two variables, with these fields changed.
pub(crate) fn listed(change: &Value) -> ListedTemplate {
    let text = |name: &str| change[name].as_str().map(str::to_owned);
    let types = match &change["types"] {
        Value::Object(types) => types.clone(),
        _ => json!({"twilio/text": {"body": "Hello {{1}}, your order {{2}} is on its way."}})
            .as_object()
            .unwrap()
            .clone(),
    };
    let samples = change["variables"].as_object().cloned().unwrap_or_default();
    ListedTemplate {
        sid: text("sid").unwrap_or_else(|| SID.to_owned()).parse().unwrap(),
        name: Some(text("friendly_name").unwrap_or_else(|| "order_update".to_owned())),
        locale: Some(Locale::of(change["language"].as_str().unwrap_or("en"))),
        created_at: change["created"].as_i64().map(at),
        shape: TemplateShape::of(&types, None, samples.keys().map(String::as_str)),
        status: TemplateStatus::of(change["status"].as_str().unwrap_or("approved")),
        category: Some(text("category").unwrap_or_else(|| "utility".to_owned())),
        rejection_reason: None,
    }
}

pub(crate) fn template(change: &Value) -> RegisteredTemplate {
    listed(change).registered(at(0))
}

/// A registry with a template of each of these changes. Each has its own SID.
pub(crate) fn registry(changes: &[Value]) -> TemplateRegistry {
    let templates = changes.iter().enumerate().map(|(index, change)| {
        let mut change = change.clone();
        change["sid"] = json!(format!("HX{:032}", index + 1));
        template(&change)
    });
    TemplateRegistry::new(templates, Some(at(0)))
}

fn usage(window_is_open: bool) -> TemplateUse {
    TemplateUse { channel: FallbackChannel::WhatsApp, window_is_open }
}

/// The last digit of the SID of the template that is chosen for the name `order_update`.
fn chosen(registry: &TemplateRegistry, locale: Option<&str>, open: bool) -> Result<String, String> {
    let settings = TemplateSettings::default();
    let found = registry.choose("order_update", locale.map(Locale::of).as_ref(), &settings, usage(open));
    found.map(|template| template.sid.as_str()[33..].to_owned()).map_err(|problem| problem.to_string())
}

#[test]
fn template_is_chosen_in_the_first_locale_that_exists() {
    let all = registry(&["pt_BR", "pt", "en_US", "en"].map(|language| json!({"language": language})));
    for (wanted, sid) in [("pt-BR", "1"), ("PT_br", "1"), ("pt", "2"), ("pt-PT", "2"), ("de", "3"), ("en", "4")] {
        assert_eq!(chosen(&all, Some(wanted), false), Ok(sid.to_owned()), "{wanted}");
    }
    assert_eq!(chosen(&all, None, false), Ok("4".to_owned()), "the default locale");
    let german = registry(&[json!({"language": "de"})]);
    assert_eq!(
        chosen(&german, Some("pt-BR"), false).unwrap_err(),
        "content.locale: the template order_update exists in none of the locales pt_BR, pt, en_US, en"
    );
    assert!(
        chosen(&TemplateRegistry::default(), None, false).unwrap_err().starts_with("content.name: the account has")
    );
}

#[test]
fn locale_that_is_not_approved_yet_falls_back() {
    for status in ["unsubmitted", "received", "pending", "rejected"] {
        let carousel = json!({"twilio/carousel": {"body": "Hi", "cards": []}});
        let new = json!({"language": "pt_BR", "status": status, "types": carousel});
        let both = registry(&[new.clone(), json!({"language": "pt"})]);
        assert_eq!(chosen(&both, Some("pt_BR"), true), Ok("2".to_owned()), "{status}");
        let problem = chosen(&registry(&[new]), Some("pt_BR"), true).unwrap_err();
        assert_eq!(problem, format!("content: the template is {status} at WhatsApp, expected an approved one"));
    }
}

#[test]
fn withdrawn_locale_is_not_replaced_by_another_language() {
    for status in ["paused", "disabled"] {
        let both = registry(&[json!({"language": "pt_BR", "status": status}), json!({"language": "pt"})]);
        let problem = chosen(&both, Some("pt_BR"), true).unwrap_err();
        assert_eq!(problem, format!("content: the template is {status} at WhatsApp, expected an approved one"));
        assert_eq!(chosen(&both, Some("pt"), false), Ok("2".to_owned()));
    }
    let unknown = registry(&[json!({"language": "en", "status": "archived"})]);
    assert!(chosen(&unknown, None, true).unwrap_err().contains("is archived at WhatsApp"));
}

#[test]
fn content_without_approval_needs_the_open_window() {
    let text = registry(&[json!({"status": "unsubmitted"})]);
    assert_eq!(chosen(&text, None, true), Ok("1".to_owned()));
    assert!(chosen(&text, None, false).unwrap_err().contains("is unsubmitted at WhatsApp"));
    let types = json!({"twilio/list-picker": {"body": "Hi", "button": "Choose", "items": []}});
    let list = registry(&[json!({"status": "unsubmitted", "types": types})]);
    assert_eq!(chosen(&list, None, true), Ok("1".to_owned()));
    let problem = chosen(&list, None, false).unwrap_err();
    assert!(problem.contains("twilio/list-picker can be sent only in the 24 hours after"), "{problem}");
}

#[test]
fn sendable_template_is_chosen_among_equal_names() {
    let same = registry(&[
        json!({"created": 1}),
        json!({"created": 3}),
        json!({"created": 2}),
        json!({"created": 9, "status": "rejected"}),
    ]);
    assert_eq!(chosen(&same, None, false), Ok("2".to_owned()), "the newest that is approved");
}

#[test]
fn sid_that_is_known_is_checked_and_another_goes() {
    let registry = registry(&[json!({"status": "paused"})]);
    let settings = TemplateSettings::default();
    let find = |sid: &str| registry.find(&Template::Sid(sid.parse().unwrap()), &settings, usage(true));
    assert_eq!(find(SID).unwrap_err(), TemplateProblem::Status(TemplateStatus::Paused));
    assert_eq!(find("HX00000000000000000000000000000009"), Ok(None));
}

#[test]
fn list_has_what_was_created_a_minute_before_it() {
    let registry = registry(&[]);
    assert!(registry.has_all_created_before(at(-60)));
    assert!(!registry.has_all_created_before(at(-59)), "Twilio's list may be late");
    assert!(!TemplateRegistry::default().has_all_created_before(at(-1_000_000)), "no list was read yet");
}

#[test]
fn approval_does_not_matter_to_sms() {
    let sms = TemplateUse { channel: FallbackChannel::Sms, window_is_open: false };
    let by_sms = |change: Value| {
        let registry = registry(&[change]);
        let found = registry.choose("order_update", None, &TemplateSettings::default(), sms);
        found.map(|template| template.sid.clone()).map_err(|problem| problem.to_string())
    };
    assert!(by_sms(json!({"status": "paused"})).is_ok());
    let location = json!({"twilio/location": {"latitude": 1, "longitude": 2}});
    assert_eq!(by_sms(json!({"types": location})).unwrap_err(), "content: the template has no type for sms");
}

#[test]
fn problem_names_the_option_and_no_long_text() {
    let problem = TemplateProblem::UnknownName("n\u{7}ä".repeat(1_000));
    let passed_over = PassedOver::of(2, &problem);
    assert!(passed_over.reason.starts_with("fallback[1].content.name: the account has no template of the name nänä"));
    assert!(passed_over.reason.len() < 200, "{}", passed_over.reason);
    let tried = vec![Locale::of(&"x".repeat(5_000))];
    assert!(TemplateProblem::NoLocale { name: "a".to_owned(), tried }.to_string().len() < 300);
}

#[test]
fn entry_is_read_back_from_json() {
    let mut entry = template(&json!({"variables": {"1": "Ava", "9": "x"}, "created": 5}));
    entry.last_used_on = Some(jiff::civil::date(2026, 11, 26));
    let json = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<RegisteredTemplate>(&json).unwrap(), entry);
}
