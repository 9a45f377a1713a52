//! The rules of Twilio and WhatsApp for a template, which need no request.

use serde_json::{Map, Value};

use super::{
    LocalizedTemplate, TemplateFile, TemplateFileProblem,
    content_types::{CARD_BUTTONS, TypeRules, rules_of},
    parts::part_problems,
    texts,
};

/// Everything that is wrong in a file.
pub fn problems(file: &TemplateFile) -> Vec<TemplateFileProblem> {
    let mut found = Problems::default();
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    // Source: Twilio, "Content API resources"; Meta, "Templates", has the length.
    if file.name.is_empty() || file.name.len() > 512 || !file.name.bytes().all(is_name) {
        found.add("", "the file's name must be lower-case letters, digits and underscores, as in order_update.json");
    }
    if file.definition.locales.is_empty() {
        found.add("locales", "there is none");
    }
    let types = file.definition.locales.values().flat_map(|localized| localized.types.keys());
    let is_approved = types.clone().any(|key| rules_of(key).is_none_or(|rules| rules.can_be_approved));
    match file.definition.category.as_deref() {
        None if is_approved => found.add("category", "missing: utility, marketing or authentication"),
        Some(category) if !is_category(category) => {
            found.add("category", "expected utility, marketing or authentication");
        }
        _ => {}
    }
    for (locale, localized) in &file.definition.locales {
        let path = format!("locales.{locale}");
        if !is_locale(locale) {
            found.add(&path, "expected a language as WhatsApp writes it, as in en, pt_BR or zh_CN");
        }
        check_locale(&path, localized, &mut found);
    }
    found.0
}

fn is_category(text: &str) -> bool {
    ["utility", "marketing", "authentication"].iter().any(|category| text.eq_ignore_ascii_case(category))
}

/// Source: Meta, "Template language codes".
fn is_locale(text: &str) -> bool {
    let (language, region) = text.split_once('_').map_or((text, None), |(language, region)| (language, Some(region)));
    let is_language = (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    is_language && region.is_none_or(|region| region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_uppercase()))
}

#[derive(Default)]
struct Problems(Vec<TemplateFileProblem>);

impl Problems {
    fn add(&mut self, field: &str, problem: impl Into<String>) {
        self.0.push(TemplateFileProblem { field: field.to_owned(), problem: problem.into() });
    }
}

fn check_locale(path: &str, localized: &LocalizedTemplate, found: &mut Problems) {
    let types = format!("{path}.types");
    if localized.types.is_empty() {
        found.add(&types, "there is none");
    }
    let names = texts::variables(&Value::Object(localized.types.clone()));
    let mut is_approved = false;
    for (key, content) in &localized.types {
        let field = format!("{types}.{key}");
        match rules_of(key) {
            None => found.add(&field, "there is no such content type"),
            Some(rules) => {
                is_approved |= rules.can_be_approved;
                check_type(&field, rules, content, found);
            }
        }
    }
    // The text of a one-time password is WhatsApp's own, with one variable.
    let has_code = localized.types.contains_key("whatsapp/authentication");
    let names = if has_code && names.is_empty() { vec!["1".to_owned()] } else { names };
    if is_approved && let Some(problem) = texts::names_problem(&names) {
        found.add(&types, problem);
    }
    check_samples(&format!("{path}.variables"), &names, &localized.variables, found);
}

fn check_samples(path: &str, names: &[String], samples: &Map<String, Value>, found: &mut Problems) {
    for name in names {
        match samples.get(name) {
            None => found.add(&format!("{path}.{name}"), "missing: WhatsApp's reviewers need a sample"),
            Some(sample) => {
                if let Some(problem) = texts::sample_problem(sample) {
                    found.add(&format!("{path}.{name}"), problem);
                }
            }
        }
    }
    for name in samples.keys().filter(|name| !names.contains(name)) {
        found.add(&format!("{path}.{name}"), "no text has this variable");
    }
}

fn check_type(path: &str, rules: &TypeRules, content: &Value, found: &mut Problems) {
    let Some(fields) = content.as_object() else { return found.add(path, "expected an object") };
    for field in rules.required.iter().filter(|field| is_missing(fields.get(**field))) {
        found.add(&format!("{path}.{field}"), "missing");
    }
    if let Some(body) = content["body"].as_str() {
        let field = format!("{path}.body");
        if body.chars().count() > rules.body {
            found.add(&field, format!("is longer than {} characters", rules.body));
        }
        if rules.can_be_approved
            && let Some(problem) = texts::body_problem(body)
        {
            found.add(&field, problem);
        }
    }
    for (index, url) in content["media"].as_array().into_iter().flatten().enumerate() {
        if let Some(problem) = url.as_str().and_then(texts::url_problem) {
            found.add(&format!("{path}.media[{index}]"), problem);
        }
    }
    for (field, problem) in part_problems(rules.key, fields) {
        let separator = if field.is_empty() { "" } else { "." };
        found.add(&format!("{path}{separator}{field}"), problem);
    }
    check_list(path, rules, content, found);
    check_buttons(path, rules, content, found);
}

fn is_missing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(Value::Array(values)) => values.is_empty(),
        Some(_) => false,
    }
}

fn check_list(path: &str, rules: &TypeRules, content: &Value, found: &mut Problems) {
    let Some((list, most)) = rules.list else { return };
    let Some(items) = content[list].as_array() else { return };
    if items.len() > most {
        found.add(&format!("{path}.{list}"), format!("has {} entries: expected at most {most}", items.len()));
    }
    for (index, item) in items.iter().enumerate() {
        let item_path = format!("{path}.{list}[{index}]");
        for field in rules.item_required.iter().filter(|field| is_missing(item.get(**field))) {
            found.add(&format!("{item_path}.{field}"), "missing");
        }
        for (field, most) in rules.item_limits {
            if item[*field].as_str().is_some_and(|text| text.chars().count() > *most) {
                found.add(&format!("{item_path}.{field}"), format!("is longer than {most} characters"));
            }
        }
        if let Some(problem) = item["url"].as_str().and_then(texts::url_problem) {
            found.add(&format!("{item_path}.url"), problem);
        }
        if list == "cards" {
            check_list(&item_path, &CARD_BUTTONS, item, found);
        }
    }
}

/// Source: Twilio, "twilio/call-to-action" and "twilio/card".
fn check_buttons(path: &str, rules: &TypeRules, content: &Value, found: &mut Problems) {
    let actions = content["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = |action: &Value| action["type"].as_str().unwrap_or("QUICK_REPLY").to_owned();
    for (index, action) in actions.iter().enumerate() {
        let field = |name: &str| format!("{path}.actions[{index}].{name}");
        let needs = match kind(action).as_str() {
            "URL" => Some("url"),
            "PHONE_NUMBER" => Some("phone"),
            "COPY_CODE" if rules.key != "whatsapp/authentication" => Some("code"),
            "QUICK_REPLY" if rules.key == "twilio/call-to-action" => {
                found.add(&field("type"), "expected URL, PHONE_NUMBER, COPY_CODE or VOICE_CALL");
                None
            }
            "QUICK_REPLY" | "COPY_CODE" | "VOICE_CALL" | "VOICE_CALL_REQUEST" => None,
            _ => {
                found.add(&field("type"), "is unknown");
                None
            }
        };
        if let Some(needed) = needs.filter(|needed| is_missing(action.get(*needed))) {
            found.add(&field(needed), "missing");
        }
    }
    let count = |kinds: &[&str]| actions.iter().filter(|action| kinds.contains(&kind(action).as_str())).count();
    if count(&["URL"]) > 2 {
        found.add(&format!("{path}.actions"), "at most two buttons open a URL");
    }
    if count(&["PHONE_NUMBER", "VOICE_CALL", "VOICE_CALL_REQUEST"]) > 1 {
        found.add(&format!("{path}.actions"), "at most one button calls");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(name: &str, definition: &Value) -> Vec<String> {
        let file = TemplateFile::parse(format!("templates/{name}.json").into(), &definition.to_string()).unwrap();
        problems(&file).iter().map(ToString::to_string).collect()
    }

    fn of_type(key: &str, content: &Value, variables: &Value) -> Vec<String> {
        let locale = json!({"variables": variables, "types": {key: content}});
        found("order", &json!({"category": "utility", "locales": {"en": locale}}))
    }

    #[test]
    fn correct_file_has_no_problem() {
        let text = json!({"body": "Hello {{1}}, your order is on its way."});
        let locales = json!({
            "en": {"variables": {"1": "Ava"}, "types": {"twilio/text": text}},
            "pt_BR": {"variables": {"1": "Ava"}, "types": {"twilio/text": text, "twilio/quick-reply": {
                "body": "Hello {{1}}, your order is on its way.", "actions": [{"title": "Thanks", "id": "thanks"}]}}}
        });
        assert_eq!(found("order_update", &json!({"category": "UTILITY", "locales": locales})), [""; 0]);
        let picker = json!({"body": "{{1}}", "button": "Choose", "items": [{"id": "1", "item": "Red"}]});
        let session = json!({"locales": {"en": {"variables": {"1": "a"}, "types": {"twilio/list-picker": picker}}}});
        assert_eq!(found("colour", &session), [""; 0]);
        let code = json!({"actions": [{"type": "COPY_CODE", "copy_code_text": "Copy"}]});
        assert_eq!(of_type("whatsapp/authentication", &code, &json!({"1": "482913"})), [""; 0]);
    }

    #[test]
    fn each_problem_names_its_field() {
        let text = |body: &str| json!({"body": body});
        for (found, expected) in [
            (found("Order", &json!({"category": "utility", "locales": {}})), "the file's name must be"),
            (found("a", &json!({"category": "sales", "locales": {}})), "category: expected utility"),
            (found("a", &json!({"locales": {"en": {"types": {"twilio/text": {"body": "b"}}}}})), "category: missing"),
            (
                found("a", &json!({"category": "utility", "locales": {"EN": {"types": {}}}})),
                "locales.EN: expected a language",
            ),
            (of_type("twilio/poem", &text("a"), &json!({})), "locales.en.types.twilio/poem: there is no such"),
            (of_type("twilio/text", &json!({}), &json!({})), "locales.en.types.twilio/text.body: missing"),
            (of_type("twilio/text", &text(&"a".repeat(1_025)), &json!({})), "twilio/text.body: is longer than 1024"),
            (of_type("twilio/text", &text("Hi {{1}}"), &json!({"1": "a"})), "twilio/text.body: ends with a variable"),
            (of_type("twilio/text", &text("a b c {{1}} d"), &json!({})), "locales.en.variables.1: missing"),
            (
                of_type("twilio/text", &text("a b c {{1}} d"), &json!({"1": "a\nb"})),
                "locales.en.variables.1: has a line break",
            ),
            (of_type("twilio/text", &text("a"), &json!({"1": "b"})), "locales.en.variables.1: no text has"),
            (
                of_type("twilio/text", &text("a b c {{2}} d"), &json!({"2": "b"})),
                "locales.en.types: the variables are 2",
            ),
        ] {
            assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn each_button_row_and_card_is_checked() {
        let long = "a".repeat(21);
        let link = json!({"type": "URL", "title": "a"});
        for (key, content, expected) in [
            ("twilio/media", json!({"media": ["https://e.example{{1}}"]}), "media.media[0]: a variable"),
            (
                "twilio/quick-reply",
                json!({"body": "a", "actions": [{"title": long}]}),
                "actions[0].title: is longer than 20",
            ),
            ("twilio/quick-reply", json!({"body": "a", "actions": []}), "quick-reply.actions: missing"),
            ("twilio/call-to-action", json!({"body": "a", "actions": [link]}), "actions[0].url: missing"),
            ("twilio/call-to-action", json!({"body": "a", "actions": [{"title": "a"}]}), "actions[0].type: expected"),
            (
                "twilio/list-picker",
                json!({"body": "a", "button": "b", "items": [{"id": "1"}]}),
                "items[0].item: missing",
            ),
            (
                "twilio/carousel",
                json!({"body": "a", "cards": [{"body": "b", "media": "c", "actions": [{"title": long}]}]}),
                "cards[0].actions[0].title: is longer",
            ),
            (
                "twilio/carousel",
                json!({"body": "a", "cards": [{"body": "b", "media": "c", "actions": [link, link, link]}]}),
                "cards[0].actions: has 3 entries: expected at most 2",
            ),
            (
                "twilio/call-to-action",
                json!({"body": "a", "actions": [{"type": "URL", "title": "a", "url": "https://wa.me/14155550123"}]}),
                "actions[0].url: leads to WhatsApp",
            ),
            ("whatsapp/card", json!({"body": "a"}), "whatsapp/card: has a body alone"),
        ] {
            let found = of_type(key, &content, &json!({"1": "b"}));
            assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn field_that_is_unknown_is_refused_with_its_line() {
        let text = "{\n  \"category\": \"utility\",\n  \"locale\": {}\n}";
        let error = TemplateFile::parse("a.json".into(), text).unwrap_err().to_string();
        assert!(error.contains("unknown field `locale`") && error.contains("line 3"), "{error}");
    }
}
