//! Publishes an item once more: a mark on the item brings it to its table's stream again.
//!
//! The function `publish` makes the same event of it, with the same id. Each table's item is as it is now: if it has changed
//! since, so has its event.

use aws_sdk_dynamodb::Client;
use jiff::Timestamp;

use crate::{
    attribute::text,
    contacts::is_consent,
    dynamodb::{ConditionalWrite, Item, StoreError, conditional},
};

/// The attribute of the mark. The template's stream filters name it.
pub const REPUBLISHED_AT: &str = "republished_at";

/// A table whose items become events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventTable {
    Messages,
    Contacts,
    Notifications,
}

/// What became of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Republication {
    /// The item comes to the stream again.
    Marked,
    /// The item is not stored any more, or it has no event any more.
    NoEvent,
}

impl EventTable {
    /// The attribute that each item with an event has.
    fn required_attribute(self, keys: &Item) -> &'static str {
        match self {
            Self::Messages => "subject",
            Self::Contacts if is_consent(keys) => "recorded_at",
            // A later write of the person removes it.
            Self::Contacts => "preference_change",
            Self::Notifications => "notification",
        }
    }
}

/// Marks an item. `name` is the table's name.
pub async fn republish(
    client: &Client,
    table: EventTable,
    name: &str,
    keys: Item,
    now: Timestamp,
) -> Result<Republication, StoreError> {
    let required = table.required_attribute(&keys);
    let update = client
        .update_item()
        .table_name(name)
        .set_key(Some(keys))
        .update_expression("SET #mark = :now")
        .condition_expression("attribute_exists(#required)")
        .expression_attribute_names("#mark", REPUBLISHED_AT)
        .expression_attribute_names("#required", required)
        .expression_attribute_values(":now", text(now));
    match conditional("marking an item to publish it again", update).await? {
        ConditionalWrite::Written(_) => Ok(Republication::Marked),
        ConditionalWrite::Refused(_) => Ok(Republication::NoEvent),
    }
}
