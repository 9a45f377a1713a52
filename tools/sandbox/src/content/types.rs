//! The content types: the channels that support them, their required fields and their limits.
//!
//! Source: Twilio, "Content types overview" and the pages of the types; twilio-oai, content v1, `types`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use twilio_types::address::Channel;

use super::placeholders;

#[derive(Debug)]
pub(crate) struct ContentType {
    pub(crate) key: &'static str,
    required: &'static [&'static str],
    /// The longest body, in characters.
    body: usize,
    /// The field with the list of buttons, items or cards, and the longest list.
    list: Option<(&'static str, usize)>,
    unapproved: UnapprovedUse,
    /// Whether WhatsApp approves content of this type at all.
    pub(crate) can_be_approved: bool,
}

/// Whether content can be sent without approval while the service window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnapprovedUse {
    InSession,
    /// With links and quick replies, but not with a phone number.
    WithoutCalls,
    Never,
}

const fn kind(
    key: &'static str,
    required: &'static [&'static str],
    body: usize,
    unapproved: UnapprovedUse,
) -> ContentType {
    ContentType { key, required, body, list: None, unapproved, can_be_approved: true }
}

/// All types, the richest first. A message is sent with the richest type that its channel supports.
static KINDS: [ContentType; 14] = [
    ContentType {
        list: Some(("actions", 1)),
        ..kind("whatsapp/authentication", &["actions"], 1_024, UnapprovedUse::Never)
    },
    kind("whatsapp/flows", &["body", "button_text", "flow_id"], 1_024, UnapprovedUse::Never),
    ContentType { list: Some(("actions", 10)), ..kind("whatsapp/card", &["body"], 1_024, UnapprovedUse::WithoutCalls) },
    kind("twilio/flows", &["body", "button_text", "pages", "type"], 1_024, UnapprovedUse::Never),
    kind("twilio/schedule", &["id", "title", "timeSlots"], 1_024, UnapprovedUse::Never),
    ContentType {
        list: Some(("cards", 10)),
        ..kind("twilio/carousel", &["body", "cards"], 1_024, UnapprovedUse::Never)
    },
    kind("twilio/catalog", &["body"], 1_024, UnapprovedUse::InSession),
    ContentType { list: Some(("actions", 10)), ..kind("twilio/card", &[], 1_024, UnapprovedUse::WithoutCalls) },
    ContentType {
        list: Some(("items", 10)),
        can_be_approved: false,
        ..kind("twilio/list-picker", &["body", "button", "items"], 1_024, UnapprovedUse::InSession)
    },
    ContentType {
        list: Some(("actions", 10)),
        ..kind("twilio/quick-reply", &["body", "actions"], 1_024, UnapprovedUse::InSession)
    },
    ContentType {
        list: Some(("actions", 4)),
        ..kind("twilio/call-to-action", &["body", "actions"], 640, UnapprovedUse::WithoutCalls)
    },
    ContentType {
        can_be_approved: false,
        ..kind("twilio/location", &["latitude", "longitude"], 1_024, UnapprovedUse::InSession)
    },
    kind("twilio/media", &["media"], 1_600, UnapprovedUse::InSession),
    kind("twilio/text", &["body"], 1_600, UnapprovedUse::InSession),
];

/// Source: Twilio, "twilio/quick-reply".
const MAX_UNAPPROVED_REPLIES: usize = 3;

impl ContentType {
    pub(super) fn unapproved(&self, content: &Value) -> UnapprovedUse {
        let actions = content["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let calls = actions.iter().any(|action| !matches!(action["type"].as_str(), None | Some("URL" | "QUICK_REPLY")));
        match self.unapproved {
            UnapprovedUse::WithoutCalls if calls => UnapprovedUse::Never,
            UnapprovedUse::InSession if self.key == "twilio/quick-reply" && actions.len() > MAX_UNAPPROVED_REPLIES => {
                UnapprovedUse::Never
            }
            UnapprovedUse::WithoutCalls => UnapprovedUse::InSession,
            otherwise => otherwise,
        }
    }

    /// What is invalid in content of this type; none where it is valid.
    fn error(&self, content: &Value) -> Option<String> {
        if let Some(missing) = self.required.iter().find(|field| content[**field].is_null()) {
            return Some(format!("{missing} is required"));
        }
        let body = content["body"].as_str().unwrap_or_default();
        if body.chars().count() > self.body {
            return Some(format!("body is longer than {} characters", self.body));
        }
        if let Some((field, most)) = self.list {
            match content[field].as_array().map(Vec::len) {
                None if !self.required.contains(&field) && content[field].is_null() => {}
                Some(1..) if content[field].as_array().is_some_and(|list| list.len() <= most) => {}
                _ => return Some(format!("{field} must be a list of 1 to {most}")),
            }
        }
        let mut items = self.list.and_then(|(field, _)| content[field].as_array()).into_iter().flatten();
        items.find_map(|item| error_of_item(self.key, item)).or_else(|| self.error_of_whole(content))
    }

    fn error_of_whole(&self, content: &Value) -> Option<String> {
        let actions = content["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let count = |kinds: &[&str]| actions.iter().filter(|a| kinds.iter().any(|kind| a["type"] == *kind)).count();
        let beyond = |field: &str, limit: f64| {
            content[field].as_f64().or_else(|| content[field].as_str()?.parse().ok()).is_none_or(|it| it.abs() > limit)
        };
        match self.key {
            "twilio/location" if beyond("latitude", 90.0) => Some("latitude must be -90 to 90".to_owned()),
            "twilio/location" if beyond("longitude", 180.0) => Some("longitude must be -180 to 180".to_owned()),
            "twilio/media" if content["media"].as_array().is_none_or(Vec::is_empty) => {
                Some("media must be a list of URLs".to_owned())
            }
            "twilio/call-to-action" if count(&["URL"]) > 2 => Some("at most two buttons open a URL".to_owned()),
            "twilio/call-to-action" if count(&["PHONE_NUMBER", "VOICE_CALL", "VOICE_CALL_REQUEST"]) > 1 => {
                Some("at most one button calls".to_owned())
            }
            _ => None,
        }
    }
}

/// What is invalid in a button, an item of a list or a card.
fn error_of_item(kind: &str, item: &Value) -> Option<String> {
    let text = |field: &str| item[field].as_str().unwrap_or_default();
    let long = |field: &str, most: usize| text(field).chars().count() > most;
    let lacks = |field: &str| text(field).is_empty();
    let says = |what: &str| Some(what.to_owned());
    match (kind, item["type"].as_str()) {
        ("twilio/list-picker", _) if lacks("id") || lacks("item") => says("an item needs an id and an item"),
        ("twilio/list-picker", _) if long("item", 24) => says("an item is longer than 24 characters"),
        ("twilio/list-picker", _) if long("description", 72) => says("a description is longer than 72 characters"),
        ("twilio/carousel", _) if lacks("body") || item["actions"].is_null() => says("a card needs a body and actions"),
        ("twilio/list-picker" | "twilio/carousel", _) => {
            long("id", 200).then(|| "an id is longer than 200 characters".into())
        }
        ("whatsapp/authentication", Some("COPY_CODE")) if lacks("copy_code_text") => says("copy_code_text is required"),
        ("whatsapp/authentication", Some("COPY_CODE")) => None,
        ("whatsapp/authentication", _) => says("an action's type must be COPY_CODE"),
        ("twilio/call-to-action", None | Some("QUICK_REPLY")) => says("an action needs a type, as in URL"),
        _ if lacks("title") => says("an action needs a title"),
        _ if long("title", 20) => says("a title is longer than 20 characters"),
        _ if long("id", 200) => says("an id is longer than 200 characters"),
        (_, Some("URL")) if lacks("url") => says("an action of type URL needs a url"),
        (_, Some("PHONE_NUMBER")) if lacks("phone") => says("an action of type PHONE_NUMBER needs a phone"),
        (
            _,
            None | Some("QUICK_REPLY" | "URL" | "PHONE_NUMBER" | "COPY_CODE" | "VOICE_CALL" | "VOICE_CALL_REQUEST"),
        ) => None,
        _ => says("an action's type is unknown"),
    }
}

/// The types that a channel has, the richest first.
pub(super) fn on(channel: &Channel) -> impl Iterator<Item = &'static ContentType> {
    let whatsapp = *channel == Channel::WhatsApp;
    KINDS.iter().filter(move |kind| whatsapp || matches!(kind.key, "twilio/text" | "twilio/media"))
}

/// What is invalid in the types and the variables of a content; none where all is valid.
pub(super) fn error(types: &Map<String, Value>, variables: Option<&BTreeMap<String, String>>) -> Option<String> {
    if types.is_empty() {
        return Some("types must hold at least one type".to_owned());
    }
    for (key, content) in types {
        let Some(kind) = KINDS.iter().find(|kind| kind.key == key) else {
            return Some(format!("types.{key} is not a content type"));
        };
        if let Some(error) = kind.error(content) {
            return Some(format!("types.{key}: {error}"));
        }
    }
    let names = placeholders::names(&Value::Object(types.clone()));
    let well_formed = |name: &String| {
        !name.is_empty() && name.len() <= 16 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if let Some(name) =
        names.iter().chain(variables.into_iter().flatten().map(|(name, _)| name)).find(|name| !well_formed(name))
    {
        return Some(format!("variable {name}: expected a name of 1 to 16 letters, digits and underscores"));
    }
    if names.len() > 100 {
        return Some("there are more than 100 variables".to_owned());
    }
    let long = variables.into_iter().flatten().any(|(_, sample)| sample.chars().count() > 1_600);
    long.then(|| "a variable is longer than 1600 characters".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error_of(types: &Value) -> Option<String> {
        error(types.as_object().unwrap(), None)
    }

    #[test]
    fn content_is_checked_against_twilios_limits() {
        let reply = |title: &str| json!({"type": "QUICK_REPLY", "title": title, "id": "1"});
        let link = json!({"type": "URL", "title": "Open", "url": "https://example.com"});
        let good = [
            json!({"twilio/text": {"body": "Hello {{1}}"}}),
            json!({"twilio/media": {"body": "a", "media": ["https://example.com/a.png"]}}),
            json!({"twilio/location": {"latitude": 39.7, "longitude": 104.9}}),
            json!({"twilio/quick-reply": {"body": "a", "actions": vec![reply("Yes"); 10]}}),
            json!({"twilio/call-to-action": {"body": "a", "actions": [link, link]}}),
            json!({"twilio/list-picker": {"body": "a", "button": "b", "items": [{"id": "1", "item": "c"}]}}),
            json!({"twilio/card": {"title": "a"}, "twilio/text": {"body": "a"}}),
            json!({"twilio/carousel": {"body": "a", "cards": [{"body": "a", "media": "b", "actions": []}]}}),
            json!({"whatsapp/authentication": {"actions": [{"type": "COPY_CODE", "copy_code_text": "Copy"}]}}),
        ];
        for types in good {
            assert_eq!(error_of(&types), None, "{types}");
        }
        let bad = [
            json!({}),
            json!({"twilio/poem": {"body": "a"}}),
            json!({"twilio/text": {}}),
            json!({"twilio/text": {"body": "a".repeat(1_601)}}),
            json!({"twilio/text": {"body": "{{a name that is long}}"}}),
            json!({"twilio/media": {"body": "a", "media": []}}),
            json!({"twilio/location": {"latitude": 91, "longitude": 0}}),
            json!({"twilio/quick-reply": {"body": "a", "actions": []}}),
            json!({"twilio/quick-reply": {"body": "a", "actions": vec![reply("Yes"); 11]}}),
            json!({"twilio/quick-reply": {"body": "a", "actions": [reply(&"a".repeat(21))]}}),
            json!({"twilio/quick-reply": {"body": "a".repeat(1_025), "actions": [reply("Yes")]}}),
            json!({"twilio/call-to-action": {"body": "a", "actions": [link, link, link]}}),
            json!({"twilio/call-to-action": {"body": "a", "actions": [{"type": "URL", "title": "Open"}]}}),
            json!({"twilio/list-picker": {"body": "a", "button": "b", "items": [{"id": "1"}]}}),
            json!({"whatsapp/authentication": {"actions": [reply("Yes")]}}),
            json!({"twilio/flows": {"body": "a", "button_text": "b"}}),
            json!({"whatsapp/flows": {"body": "a", "button_text": "b"}}),
        ];
        for types in bad {
            assert!(error_of(&types).is_some(), "{types}");
        }
    }

    #[test]
    fn use_without_approval_depends_on_the_buttons() {
        let of = |key: &str, content: Value| KINDS.iter().find(|kind| kind.key == key).unwrap().unapproved(&content);
        let reply = json!({"type": "QUICK_REPLY", "title": "Yes"});
        assert_eq!(of("twilio/text", json!({})), UnapprovedUse::InSession);
        assert_eq!(of("twilio/quick-reply", json!({"actions": vec![&reply; 3]})), UnapprovedUse::InSession);
        assert_eq!(of("twilio/quick-reply", json!({"actions": vec![&reply; 4]})), UnapprovedUse::Never);
        assert_eq!(of("twilio/call-to-action", json!({"actions": [{"type": "URL"}]})), UnapprovedUse::InSession);
        assert_eq!(of("twilio/call-to-action", json!({"actions": [{"type": "PHONE_NUMBER"}]})), UnapprovedUse::Never);
        assert_eq!(of("twilio/carousel", json!({})), UnapprovedUse::Never);
    }
}
