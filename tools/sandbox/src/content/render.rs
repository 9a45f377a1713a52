//! Text, buttons, files and location of a content as a person sees them.

use serde_json::Value;

use super::placeholders::TextPieces;
use crate::{
    messages::{ButtonKind, MessageButton, MessageLocation},
    rich::{CarouselCard, CatalogProduct, ListRow, RichContent},
};

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RenderedContent {
    pub(crate) body: String,
    pub(crate) buttons: Vec<MessageButton>,
    /// The URLs of the files.
    pub(crate) media: Vec<String>,
    pub(crate) location: Option<MessageLocation>,
    /// The list, the cards, the catalog or the flow.
    pub(crate) rich: Option<RichContent>,
}

/// The values of a message for the variables of a content.
struct Values<'v, 'a>(&'v dyn Fn(&str) -> &'a str);

/// Renders a content of a type. `value` gives the value of a variable, in which no variables are replaced.
pub(super) fn render<'a>(kind: &str, content: &Value, value: &dyn Fn(&str) -> &'a str) -> RenderedContent {
    let values = Values(value);
    let lines =
        ["header_text", "title", "body", "subtitle", "footer"].iter().filter_map(|field| values.text(&content[*field]));
    let body = match kind {
        "twilio/location" => String::new(),
        "whatsapp/authentication" => values.authentication(content),
        // The title of a catalog belongs to its products.
        "twilio/catalog" => values.text(&content["body"]).unwrap_or_default(),
        _ => lines.collect::<Vec<_>>().join("\n"),
    };
    RenderedContent {
        body,
        buttons: values.buttons(kind, content),
        media: list(content, "media").iter().filter_map(|url| values.text(url)).collect(),
        location: (kind == "twilio/location").then(|| values.location(content)),
        rich: values.rich(kind, content),
    }
}

fn list<'c>(content: &'c Value, field: &str) -> &'c [Value] {
    content[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

impl Values<'_, '_> {
    fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        for (before, name) in TextPieces::of(text) {
            filled.push_str(before);
            filled.push_str(name.map(self.0).unwrap_or_default());
        }
        filled
    }

    fn text(&self, value: &Value) -> Option<String> {
        value.as_str().map(|text| self.fill(text))
    }

    /// The fixed text of WhatsApp. Source: Twilio, "whatsapp/authentication".
    fn authentication(&self, content: &Value) -> String {
        let mut text = self.fill("{{1}} is your verification code.");
        if content["add_security_recommendation"] == true {
            text.push_str(" For your security, do not share this code.");
        }
        if let Some(minutes) = content["code_expiration_minutes"].as_f64() {
            text = format!("{text}\nThis code expires in {minutes} minutes.");
        }
        text
    }

    fn buttons(&self, kind: &str, content: &Value) -> Vec<MessageButton> {
        list(content, "actions").iter().filter_map(|action| self.button(kind, action)).collect()
    }

    /// The button for an action; none for one of an unknown type.
    fn button(&self, kind: &str, action: &Value) -> Option<MessageButton> {
        let does = match action["type"].as_str() {
            None | Some("QUICK_REPLY") => ButtonKind::QuickReply,
            Some("URL") => ButtonKind::Url,
            Some("PHONE_NUMBER" | "VOICE_CALL" | "VOICE_CALL_REQUEST") => ButtonKind::PhoneNumber,
            Some("COPY_CODE") => ButtonKind::CopyCode,
            Some(_) => return None,
        };
        let title = self.text(&action["title"]).or_else(|| self.text(&action["copy_code_text"]))?;
        let id = self.text(&action["id"]).or_else(|| (does == ButtonKind::QuickReply).then(|| title.clone()));
        let code =
            if kind == "whatsapp/authentication" { Some(self.fill("{{1}}")) } else { self.text(&action["code"]) };
        Some(MessageButton {
            kind: does,
            title,
            id,
            url: self.text(&action["url"]),
            phone: self.text(&action["phone"]),
            code: code.filter(|_| does == ButtonKind::CopyCode),
        })
    }

    fn rich(&self, kind: &str, content: &Value) -> Option<RichContent> {
        let button = |field: &str| self.text(&content[field]).unwrap_or_default();
        match kind {
            "twilio/list-picker" => {
                let rows = list(content, "items").iter().filter_map(|item| self.row(item)).collect();
                Some(RichContent::List { button: button("button"), rows })
            }
            "twilio/carousel" => {
                let cards = list(content, "cards").iter().map(|card| self.card(kind, card)).collect();
                Some(RichContent::Carousel { cards })
            }
            "twilio/catalog" => Some(RichContent::Catalog {
                catalog_id: self.text(&content["id"]),
                title: self.text(&content["title"]),
                products: self.products(content),
            }),
            "twilio/flows" | "whatsapp/flows" => {
                let components = list(content, "pages").iter().flat_map(|page| list(page, "layout"));
                let fields = components.filter_map(|component| self.text(&component["label"])).collect();
                Some(RichContent::Flow { button: button("button_text"), fields })
            }
            _ => None,
        }
    }

    fn row(&self, item: &Value) -> Option<ListRow> {
        let description = self.text(&item["description"]).filter(|text| !text.is_empty());
        Some(ListRow { id: self.text(&item["id"])?, title: self.text(&item["item"])?, description })
    }

    fn card(&self, kind: &str, card: &Value) -> CarouselCard {
        CarouselCard {
            title: self.text(&card["title"]),
            body: self.text(&card["body"]).unwrap_or_default(),
            media: self.text(&card["media"]),
            buttons: self.buttons(kind, card),
        }
    }

    /// The products of the content, or those that a message gives as JSON in place of `dynamic_items`.
    fn products(&self, content: &Value) -> Vec<CatalogProduct> {
        let dynamic =
            self.text(&content["dynamic_items"]).and_then(|json| serde_json::from_str::<Vec<Value>>(&json).ok());
        let items = dynamic.as_deref().unwrap_or_else(|| list(content, "items"));
        let product = |item: &Value| {
            Some(CatalogProduct {
                id: self.text(&item["id"])?,
                name: self.text(&item["name"]),
                description: self.text(&item["description"]),
                price: item["price"].as_f64(),
            })
        };
        items.iter().filter_map(product).collect()
    }

    fn location(&self, content: &Value) -> MessageLocation {
        let degrees = |value: &Value| {
            let text = || self.text(value)?.parse().ok();
            value.as_f64().or_else(text).unwrap_or_default()
        };
        MessageLocation {
            latitude: degrees(&content["latitude"]),
            longitude: degrees(&content["longitude"]),
            label: self.text(&content["label"]),
            address: self.text(&content["address"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(kind: &str, content: &Value) -> RenderedContent {
        render(kind, content, &|name| if name == "1" { "482913" } else { "?" })
    }

    #[test]
    fn every_content_type_is_shown_with_what_can_be_pressed() {
        let action =
            |kind: &str| json!({"type": kind, "title": kind, "url": "https://e.example", "phone": "+1", "code": "X1"});
        let card =
            json!({"title": "Mug", "body": "b {{1}}", "media": "https://e.example/m.png", "actions": [action("URL")]});
        let cases = [
            (
                "twilio/call-to-action",
                json!({"body": "b", "actions": [action("URL"), action("COPY_CODE")]}),
                "b",
                vec!["url", "copy_code"],
                None,
            ),
            (
                "twilio/card",
                json!({"title": "t", "subtitle": "s", "actions": [action("QUICK_REPLY")]}),
                "t\ns",
                vec!["quick_reply"],
                None,
            ),
            (
                "twilio/list-picker",
                json!({"body": "b", "button": "Choose", "items": [{"id": "1", "item": "Red"}]}),
                "b",
                vec![],
                Some("list"),
            ),
            ("twilio/carousel", json!({"body": "b", "cards": [card]}), "b", vec![], Some("carousel")),
            (
                "twilio/catalog",
                json!({"body": "b", "title": "t", "items": [{"id": "mug", "price": 9.5}]}),
                "b",
                vec![],
                Some("catalog"),
            ),
            ("whatsapp/flows", json!({"body": "b", "button_text": "Go", "flow_id": "1"}), "b", vec![], Some("flow")),
            (
                "twilio/flows",
                json!({"body": "b", "button_text": "Go", "type": "OTHER", "pages": [{"id": "1", "title": "t", "layout": [{"type": "TEXT_INPUT", "label": "Size"}]}]}),
                "b",
                vec![],
                Some("flow"),
            ),
        ];
        for (kind, content, body, buttons, rich) in cases {
            let rendered = rendered(kind, &content);
            let shown: Vec<_> = rendered.buttons.iter().map(|button| json!(button.kind)).collect();
            assert_eq!(
                (rendered.body.as_str(), shown),
                (body, buttons.iter().map(|kind| json!(kind)).collect()),
                "{kind}"
            );
            assert_eq!(json!(rendered.rich)["kind"], json!(rich), "{kind}");
        }
    }

    #[test]
    fn one_time_password_can_be_copied() {
        let action = json!({"type": "COPY_CODE", "copy_code_text": "Copy code"});
        let content = json!({"add_security_recommendation": true, "code_expiration_minutes": 5, "actions": [action]});
        let rendered = rendered("whatsapp/authentication", &content);
        assert_eq!(rendered.buttons[0].code.as_deref(), Some("482913"));
        assert!(rendered.body.starts_with("482913 is your verification code. For your security"), "{}", rendered.body);
        assert!(rendered.body.ends_with("expires in 5 minutes."), "{}", rendered.body);
    }

    #[test]
    fn products_of_a_message_replace_those_of_the_content() {
        let content = json!({"body": "b", "items": [{"id": "mug"}], "dynamic_items": "{{items}}"});
        let of = |items: &'static str| {
            let products = render("twilio/catalog", &content, &|_| items).rich;
            json!(products)["products"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(of(r#"[{"id": "cup", "name": "Cup"}, {"id": "pot"}]"#), ["cup", "pot"]);
        assert_eq!(of("none"), ["mug"]);
    }
}
