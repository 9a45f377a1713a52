//! The parameters of a person's answers: a pressed button, a chosen row, a filled flow, an order, a reaction, an advertisement.
//!
//! Twilio documents buttons, `FlowData`, `InteractiveData` and `Referral...` ("Twilio's request to your incoming message Webhook
//! URL"). What it leaves open is a choice.

use serde_json::{Map, Value, json};

use super::person_message::{AdReferral, ChosenRow, PersonMessage, PressedButton};
use crate::{
    choices::{Choices, ListAnswer, OrderAnswer, ReactionWebhook},
    rich::PersonOrder,
};

pub(super) fn parameters(sent: &PersonMessage, choices: Choices) -> Vec<(&'static str, String)> {
    let mut parameters = Vec::new();
    if let Some(PressedButton { title, id }) = &sent.button {
        parameters.push(("ButtonText", title.clone()));
        parameters.extend(id.clone().map(|id| ("ButtonPayload", id)));
    }
    if let Some(ChosenRow { id, title }) = &sent.list_item {
        let names = match choices.list_answer {
            ListAnswer::ListParameters => Some(("ListId", "ListTitle")),
            ListAnswer::ButtonParameters => Some(("ButtonPayload", "ButtonText")),
            ListAnswer::TextAlone => None,
        };
        parameters.extend(names.into_iter().flat_map(|names| [(names.0, id.clone()), (names.1, title.clone())]));
    }
    if let Some(fields) = &sent.flow {
        let fields = Value::Object(fields.clone());
        parameters.push(("FlowData", fields.to_string()));
        parameters.push(("InteractiveData", json!({"flowResponse": fields}).to_string()));
    }
    if let Some(order) = sent.order.as_ref().filter(|_| choices.order_answer == OrderAnswer::InteractiveData) {
        parameters.push(("InteractiveData", json!({"order": metas_order(order)}).to_string()));
    }
    parameters.extend(sent.referral.iter().flat_map(referral));
    parameters
}

/// What `ChannelMetadata` has of an answer, beside the context.
pub(super) fn metadata(sent: &PersonMessage, choices: Choices) -> Map<String, Value> {
    let mut data = Map::new();
    if let Some(order) = sent.order.as_ref().filter(|_| choices.order_answer == OrderAnswer::ChannelMetadata) {
        data.insert("order".to_owned(), metas_order(order));
    }
    if let Some(emoji) = sent.reaction.as_ref().filter(|_| choices.reaction == ReactionWebhook::ChannelMetadata) {
        data.insert("reaction".to_owned(), json!({"emoji": emoji, "message_id": sent.replied_to}));
    }
    data
}

/// Source: Meta, "Order messages webhook reference".
fn metas_order(order: &PersonOrder) -> Value {
    let items = order.items.iter().map(|item| {
        json!({
            "product_retailer_id": item.product_id, "quantity": item.quantity, "item_price": item.price,
            "currency": item.currency,
        })
    });
    json!({"catalog_id": order.catalog_id, "text": order.text, "product_items": items.collect::<Vec<_>>()})
}

fn referral(referral: &AdReferral) -> Vec<(&'static str, String)> {
    let media = i32::from(referral.media_url.is_some());
    let optional = [
        ("ReferralSourceUrl", &referral.source_url),
        ("ReferralHeadline", &referral.headline),
        ("ReferralBody", &referral.body),
        ("ReferralCtwaClid", &referral.ctwa_clid),
        ("ReferralMediaUrl", &referral.media_url),
        ("ReferralMediaContentType", &referral.media_content_type),
    ];
    let given = optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let fixed = [
        ("ReferralSourceId", referral.source_id.clone()),
        ("ReferralSourceType", "post".to_owned()),
        ("ReferralNumMedia", media.to_string()),
    ];
    fixed.into_iter().chain(given).collect()
}
