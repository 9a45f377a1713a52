//! What a content says to a person, with the values of a message for its variables.

use std::collections::BTreeMap;

use serde_json::Value;
use twilio_types::address::Channel;

use super::Content;
use crate::messages::{Button, ButtonKind, Location};

/// A content as a person sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rendered {
    pub(crate) body: String,
    pub(crate) buttons: Vec<Button>,
    /// URLs.
    pub(crate) media: Vec<String>,
    pub(crate) location: Option<Location>,
}

impl Content {
    /// What it says on a channel. A value is never read for variables itself.
    pub(crate) fn render(&self, channel: &Channel, given: &BTreeMap<String, String>) -> Rendered {
        let Some((kind, content)) = self.kind_on(channel) else { return Rendered::default() };
        let fill = |text: &str| self.fill(text, given);
        let text = |value: &Value| value.as_str().map(fill);
        let lines =
            ["header_text", "title", "body", "subtitle", "footer"].iter().filter_map(|field| text(&content[*field]));
        let body = match kind.key {
            "twilio/location" => String::new(),
            "whatsapp/authentication" => fill("{{1}} is your verification code."),
            _ => lines.collect::<Vec<_>>().join("\n"),
        };
        let all = |field: &str| content[field].as_array().map(Vec::as_slice).unwrap_or_default();
        let actions = all("actions").iter().filter_map(|action| button(action, "title", text));
        let items = all("items").iter().filter_map(|item| button(item, "item", text));
        let cards = all("cards").iter().flat_map(|card| card["actions"].as_array().into_iter().flatten());
        let cards = cards.filter_map(|action| button(action, "title", text));
        Rendered {
            body,
            buttons: actions.chain(items).chain(cards).collect(),
            media: all("media").iter().filter_map(text).collect(),
            location: (kind.key == "twilio/location").then(|| location(content, text)),
        }
    }

    fn fill(&self, text: &str, given: &BTreeMap<String, String>) -> String {
        let mut filled = String::new();
        for (before, name) in Pieces::of(text) {
            filled.push_str(before);
            if let Some(name) = name {
                filled.push_str(given.get(name).map(String::as_str).or_else(|| self.default(name)).unwrap_or_default());
            }
        }
        filled
    }
}

/// A button, where a phone shows one for the action: a code is copied without.
fn button(action: &Value, title: &str, text: impl Fn(&Value) -> Option<String>) -> Option<Button> {
    let kind = match action["type"].as_str() {
        None | Some("QUICK_REPLY") => ButtonKind::QuickReply,
        Some("URL") => ButtonKind::Url,
        Some("PHONE_NUMBER" | "VOICE_CALL" | "VOICE_CALL_REQUEST") => ButtonKind::PhoneNumber,
        Some(_) => return None,
    };
    let title = text(&action[title])?;
    let id = text(&action["id"]).or_else(|| (kind == ButtonKind::QuickReply).then(|| title.clone()));
    Some(Button { kind, title, id, url: text(&action["url"]), phone: text(&action["phone"]) })
}

fn location(content: &Value, text: impl Fn(&Value) -> Option<String>) -> Location {
    let degrees = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default();
    Location {
        latitude: degrees(&content["latitude"]),
        longitude: degrees(&content["longitude"]),
        label: text(&content["label"]),
        address: text(&content["address"]),
    }
}

/// The pieces of a text: what comes before a variable, and the variable; the last one has none.
pub(super) struct Pieces<'a>(Option<&'a str>);

impl<'a> Pieces<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(Some(text))
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.take()?;
        match text.split_once("{{").and_then(|(before, from)| Some((before, from.split_once("}}")?))) {
            Some((before, (name, after))) => {
                self.0 = Some(after);
                Some((before, Some(name)))
            }
            None => Some((text, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::content::{APPOINTMENT_REMINDER_SID, Contents, ORDER_UPDATE_SID, VERIFICATION_CODE_SID};

    fn rendered(sid: &str, channel: &Channel, given: &str) -> Rendered {
        let content = Contents::new(Timestamp::UNIX_EPOCH).get(sid).unwrap();
        content.render(channel, &serde_json::from_str(given).unwrap())
    }

    #[test]
    fn a_template_says_what_it_is_given_and_its_defaults_otherwise() {
        let cases = [
            (ORDER_UPDATE_SID, "{}", "Hello Ava, your order 18473 is on its way."),
            (ORDER_UPDATE_SID, r#"{"1": "Ben"}"#, "Hello Ben, your order 18473 is on its way."),
            (ORDER_UPDATE_SID, r#"{"1": "{{2}}", "2": ""}"#, "Hello {{2}}, your order  is on its way."),
            (APPOINTMENT_REMINDER_SID, r#"{"1": "1 May", "2": "9:00"}"#, "Your appointment is on 1 May at 9:00."),
            (VERIFICATION_CODE_SID, r#"{"1": "000042"}"#, "000042 is your verification code."),
        ];
        for (sid, given, said) in cases {
            assert_eq!(rendered(sid, &Channel::WhatsApp, given).body, said);
            assert_eq!(rendered(sid, &Channel::Sms, given).body, said);
        }
    }

    #[test]
    fn buttons_are_whatsapps() {
        let titles = |channel| {
            let rendered = rendered(APPOINTMENT_REMINDER_SID, channel, "{}");
            rendered.buttons.into_iter().map(|button| (button.title, button.id)).collect::<Vec<_>>()
        };
        let button = |title: &str, id: &str| (title.to_owned(), Some(id.to_owned()));
        assert_eq!(titles(&Channel::WhatsApp), [button("Confirm", "confirm"), button("Reschedule", "reschedule")]);
        assert_eq!(titles(&Channel::Sms), []);
    }
}
