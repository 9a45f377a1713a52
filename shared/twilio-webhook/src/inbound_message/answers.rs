//! Answers that come as JSON inside a parameter: a filled flow, an order, a reaction.
//!
//! Twilio documents `FlowData` ("Twilio's Request to your Incoming Message Webhook URL"). It documents no parameter for an order
//! or a reaction: they are read where a message brings Meta's own object under its own name, in `InteractiveData` or in
//! `ChannelMetadata`, and a reaction also from `MessageType`. What arrives in another form is in the raw form only.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{fields::Fields, redacted::redacted_debug};

/// What a person entered into a flow: the fields by their names.
pub type FlowAnswer = Map<String, Value>;

/// What a person orders from a catalog. Source: Meta, "Order messages webhook reference".
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Order {
    /// `catalog_id`: Meta's id of the catalog.
    pub catalog_id: Option<String>,
    /// `text`: what the person wrote with the order.
    pub text: Option<String>,
    /// `product_items`: the products.
    pub items: Vec<OrderedItem>,
}

/// A product of an order.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OrderedItem {
    /// `product_retailer_id`: the id that the business gave the product.
    pub product_id: String,
    /// `quantity`.
    pub quantity: Option<u64>,
    /// `item_price`: the price of one, in the currency's main unit.
    pub price: Option<f64>,
    /// `currency`: its code, as in `EUR`.
    pub currency: Option<String>,
}

/// A person reacts to a message with an emoji. Source: Meta, "Reaction messages webhook reference".
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reaction {
    /// The emoji; none where the person removed the reaction.
    pub emoji: Option<String>,
    /// The message, as the sender of the form names it: a SID of Twilio, or WhatsApp's own id.
    pub message: Option<String>,
}

redacted_debug! {
    Order {}
    OrderedItem {}
    Reaction {}
}

/// The parameters that hold JSON, read once.
pub(super) struct JsonAnswers {
    interactive: Option<Map<String, Value>>,
    metadata: Option<Map<String, Value>>,
}

impl JsonAnswers {
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let object = |name| fields.text(name).and_then(|text| serde_json::from_str(&text).ok());
        Self { interactive: object("InteractiveData"), metadata: object("ChannelMetadata") }
    }

    /// `FlowData`, or the flow's answer in `InteractiveData`, which is JSON or a text with JSON.
    pub(super) fn flow(&self, fields: &mut Fields<'_>) -> Option<FlowAnswer> {
        let flow = fields.read("FlowData", |text| serde_json::from_str(text).ok());
        flow.or_else(|| as_object(self.interactive.as_ref()?.get("flowResponse")?))
    }

    pub(super) fn order(&self) -> Option<Order> {
        let order = self.find("order")?;
        let items = order.get("product_items")?.as_array()?;
        let text = |name| order.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Order {
            catalog_id: text("catalog_id"),
            text: text("text"),
            items: items.iter().filter_map(OrderedItem::read).collect(),
        })
    }

    /// The reaction of a message of this type and body.
    pub(super) fn reaction(&self, fields: &Fields<'_>) -> Option<Reaction> {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        if let Some(reaction) = self.find("reaction") {
            let text = |name| reaction.get(name).and_then(Value::as_str).and_then(filled);
            let message = text("message_id").or_else(|| fields.text("OriginalRepliedMessageSid"));
            return Some(Reaction { emoji: text("emoji"), message });
        }
        let is_reaction = fields.text("MessageType").is_some_and(|kind| kind.eq_ignore_ascii_case("reaction"));
        is_reaction.then(|| Reaction {
            emoji: fields.text("Body").as_deref().and_then(filled),
            message: fields.text("OriginalRepliedMessageSid"),
        })
    }

    /// Meta's object of this name, at one of the levels at which Twilio's parameters have objects.
    fn find(&self, name: &str) -> Option<Map<String, Value>> {
        let roots = [&self.interactive, &self.metadata].into_iter().flatten();
        roots.flat_map(levels).find_map(|level| as_object(level.get(name)?))
    }
}

/// The object, its `data`, and the `context` of that.
fn levels(root: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let data = root.get("data").and_then(Value::as_object);
    let context = data.and_then(|data| data.get("context")).and_then(Value::as_object);
    [Some(root), data, context].into_iter().flatten()
}

fn as_object(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

impl OrderedItem {
    fn read(item: &Value) -> Option<Self> {
        // Meta's reference has numbers; a number in quotes is read too.
        let number = |name: &str| {
            let value = item.get(name)?;
            value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|number| number.is_finite())
        };
        let whole = |name: &str| item.get(name)?.as_u64().or_else(|| item.get(name)?.as_str()?.parse().ok());
        Some(Self {
            product_id: item.get("product_retailer_id")?.as_str()?.to_owned(),
            quantity: whole("quantity"),
            price: number("item_price"),
            currency: item.get("currency").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::form::Form;

    fn answers(pairs: &[(&str, &str)]) -> (Option<FlowAnswer>, Option<Order>, Option<Reaction>, Vec<String>) {
        let form: Form = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut fields = Fields::of(&form);
        let json = JsonAnswers::read(&fields);
        let (flow, order, reaction) = (json.flow(&mut fields), json.order(), json.reaction(&fields));
        (flow, order, reaction, fields.into_unreadable())
    }

    #[test]
    fn the_fields_of_a_flow_are_read() {
        let given = r#"{"size": "L", "gift": true}"#;
        let expected = json!({"size": "L", "gift": true});
        for pairs in [
            vec![("FlowData", given)],
            vec![("InteractiveData", r#"{"flowResponse": {"size": "L", "gift": true}}"#)],
            vec![("InteractiveData", r#"{"flowResponse": "{\"size\": \"L\", \"gift\": true}"}"#)],
        ] {
            let (flow, _, _, unreadable) = answers(&pairs);
            assert_eq!((flow.map(Value::Object), unreadable), (Some(expected.clone()), vec![]), "{pairs:?}");
        }
    }

    #[test]
    fn flow_data_that_is_no_object_is_unreadable() {
        for text in ["size=L", "[1]", "\"text\"", "{"] {
            let (flow, _, _, unreadable) = answers(&[("FlowData", text)]);
            assert_eq!((flow, unreadable), (None, vec!["FlowData".to_owned()]), "{text}");
        }
    }

    #[test]
    fn an_order_is_read_wherever_metas_object_is() {
        let order = r#"{"catalog_id": "7", "text": "please", "product_items":
            [{"product_retailer_id": "mug", "quantity": 2, "item_price": 9.5, "currency": "EUR"},
             {"product_retailer_id": "cup", "quantity": "1", "item_price": "3"}, {"quantity": 1}]}"#;
        for pairs in [
            ("InteractiveData", format!(r#"{{"order": {order}}}"#)),
            ("ChannelMetadata", format!(r#"{{"type": "whatsapp", "data": {{"order": {order}}}}}"#)),
            ("ChannelMetadata", format!(r#"{{"type": "whatsapp", "data": {{"context": {{"order": {order}}}}}}}"#)),
        ] {
            let (_, order, _, _) = answers(&[(pairs.0, &pairs.1)]);
            let order = serde_json::to_value(order.unwrap()).unwrap();
            assert_eq!((&order["catalog_id"], &order["text"]), (&json!("7"), &json!("please")));
            assert_eq!(
                order["items"],
                json!([
                    {"product_id": "mug", "quantity": 2, "price": 9.5, "currency": "EUR"},
                    {"product_id": "cup", "quantity": 1, "price": 3.0, "currency": null}
                ])
            );
        }
        assert!(answers(&[("InteractiveData", r#"{"order": {"catalog_id": "7"}}"#)]).1.is_none(), "without products");
        assert!(answers(&[("InteractiveData", "order"), ("ChannelMetadata", "[]")]).1.is_none());
    }

    #[test]
    fn a_reaction_is_read_from_the_type_or_from_metas_object() {
        let reaction = |pairs: &[(&str, &str)]| {
            answers(pairs).2.map(|reaction| (reaction.emoji.unwrap_or_default(), reaction.message.unwrap_or_default()))
        };
        let is = |emoji: &str, message: &str| Some((emoji.to_owned(), message.to_owned()));
        let of_type = [("MessageType", "reaction"), ("Body", "👍"), ("OriginalRepliedMessageSid", "SM1")];
        assert_eq!(reaction(&of_type), is("👍", "SM1"));
        let of_meta = [("ChannelMetadata", r#"{"data": {"reaction": {"message_id": "wamid.1", "emoji": ""}}}"#)];
        assert_eq!(reaction(&of_meta), is("", "wamid.1"));
        assert_eq!(reaction(&[("MessageType", "text"), ("Body", "👍")]), None);
    }
}
