//! Text, buttons, files and location of a content as a person sees them.

use serde_json::Value;

use super::placeholders::TextPieces;
use crate::messages::{ButtonKind, MessageButton, MessageLocation};

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RenderedContent {
    pub(crate) body: String,
    pub(crate) buttons: Vec<MessageButton>,
    /// The URLs of the files.
    pub(crate) media: Vec<String>,
    pub(crate) location: Option<MessageLocation>,
}

/// Renders a content of a type. `value` gives the value of a variable, in which no variables are replaced.
pub(super) fn render<'a>(kind: &str, content: &Value, value: &dyn Fn(&str) -> &'a str) -> RenderedContent {
    let fill = |text: &str| fill(text, value);
    let text = |value: &Value| value.as_str().map(fill);
    let lines =
        ["header_text", "title", "body", "subtitle", "footer"].iter().filter_map(|field| text(&content[*field]));
    let body = match kind {
        "twilio/location" => String::new(),
        "whatsapp/authentication" => fill("{{1}} is your verification code."),
        _ => lines.collect::<Vec<_>>().join("\n"),
    };
    let all = |field: &str| content[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let actions = all("actions").iter().filter_map(|action| button(action, "title", text));
    let items = all("items").iter().filter_map(|item| button(item, "item", text));
    let cards = all("cards").iter().flat_map(|card| card["actions"].as_array().into_iter().flatten());
    let cards = cards.filter_map(|action| button(action, "title", text));
    RenderedContent {
        body,
        buttons: actions.chain(items).chain(cards).collect(),
        media: all("media").iter().filter_map(text).collect(),
        location: (kind == "twilio/location").then(|| location(content, text)),
    }
}

fn fill<'a>(text: &str, value: &dyn Fn(&str) -> &'a str) -> String {
    let mut filled = String::new();
    for (before, name) in TextPieces::of(text) {
        filled.push_str(before);
        filled.push_str(name.map(value).unwrap_or_default());
    }
    filled
}

/// The button for an action; none for one that phones show no button for, as copying a code.
fn button(action: &Value, title: &str, text: impl Fn(&Value) -> Option<String>) -> Option<MessageButton> {
    let kind = match action["type"].as_str() {
        None | Some("QUICK_REPLY") => ButtonKind::QuickReply,
        Some("URL") => ButtonKind::Url,
        Some("PHONE_NUMBER" | "VOICE_CALL" | "VOICE_CALL_REQUEST") => ButtonKind::PhoneNumber,
        Some(_) => return None,
    };
    let title = text(&action[title])?;
    let id = text(&action["id"]).or_else(|| (kind == ButtonKind::QuickReply).then(|| title.clone()));
    Some(MessageButton { kind, title, id, url: text(&action["url"]), phone: text(&action["phone"]) })
}

fn location(content: &Value, text: impl Fn(&Value) -> Option<String>) -> MessageLocation {
    let degrees = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default();
    MessageLocation {
        latitude: degrees(&content["latitude"]),
        longitude: degrees(&content["longitude"]),
        label: text(&content["label"]),
        address: text(&content["address"]),
    }
}
