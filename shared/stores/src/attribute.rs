//! Attribute values in the forms that the tables use.

use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::dynamodb::Item;

pub(crate) fn text(value: impl Display) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(crate) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time for range keys and comparisons: always with three decimals, so that the order of the texts is the order of
/// the times. A time that is only compared for equality is stored with all its decimals, as [`text`].
pub(crate) fn time(at: Timestamp) -> AttributeValue {
    text(format_args!("{at:.3}"))
}

/// The text attribute of this name.
pub(crate) fn text_in<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}
