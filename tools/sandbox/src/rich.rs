//! What a message shows beyond text, files and buttons: the lists, cards, catalogs and flows of the business, and a person's
//! answers to them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::messages::MessageButton;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum RichContent {
    /// A button opens the rows, of which the person selects one.
    List { button: String, rows: Vec<ListRow> },
    /// Cards beside each other.
    Carousel { cards: Vec<CarouselCard> },
    /// A button opens a form. Its fields are known for `twilio/flows` only.
    Flow { button: String, fields: Vec<String> },
    /// Products that the person can order.
    Catalog { catalog_id: Option<String>, title: Option<String>, products: Vec<CatalogProduct> },
    /// What the person entered into a flow.
    FlowAnswer { fields: Map<String, Value> },
    /// What the person ordered.
    Order(PersonOrder),
    /// The person reacts to the message that it replies to. An empty text removes the reaction.
    Reaction { emoji: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListRow {
    pub(crate) id: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct CarouselCard {
    pub(crate) title: Option<String>,
    pub(crate) body: String,
    /// The URL of its picture.
    pub(crate) media: Option<String>,
    pub(crate) buttons: Vec<MessageButton>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct CatalogProduct {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) price: Option<f64>,
}

/// Products that a person orders, as `POST /sandbox/inbound` gives them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonOrder {
    #[serde(default)]
    pub(crate) catalog_id: Option<String>,
    #[serde(default)]
    pub(crate) text: Option<String>,
    pub(crate) items: Vec<OrderedProduct>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderedProduct {
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
    #[serde(default)]
    pub(crate) price: Option<f64>,
    #[serde(default)]
    pub(crate) currency: Option<String>,
}
