//! The update expression of a notification's item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::limits::{NOTIFICATION_RETENTION, expiry};
use jiff::Timestamp;

use super::{NotificationState, Subject};
use crate::{
    attribute::{number, text},
    dynamodb::Item,
};

/// `state` and `open` are reserved words of DynamoDB ("Reserved words"), so expressions use these names.
pub(super) const STATE: &str = "#state";
pub(super) const OPEN: &str = "#open";

/// The attribute names of [`STATE`] and [`OPEN`]. Every expression uses both.
pub(super) fn names() -> HashMap<String, String> {
    [(STATE, "state"), (OPEN, "open")].map(|(name, attribute)| (name.to_owned(), attribute.to_owned())).into()
}

/// The assignments and removals of an update expression, with the assigned values.
#[derive(Default)]
pub(super) struct UpdateExpression {
    pub(super) set: Vec<String>,
    pub(super) remove: Vec<&'static str>,
    pub(super) values: Item,
}

impl UpdateExpression {
    /// Moves a notification to a state. That renews its retention.
    pub(super) fn of_state(state: NotificationState, now: Timestamp) -> Self {
        let mut update = Self::default();
        update.set(STATE, text(state.as_str()));
        update.set("expires_at", number(expiry(now, NOTIFICATION_RETENTION)));
        update.set("updated_at", text(now));
        update
    }

    /// As [`UpdateExpression::of_state`], and writes what the notification is.
    pub(super) fn of_subject(subject: &Subject, state: NotificationState, now: Timestamp) -> Self {
        let null = AttributeValue::Null(true);
        let metadata = subject.metadata.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let mut update = Self::of_state(state, now);
        update.set("account_sid", text(&subject.account_sid));
        update.set("id", text(&subject.id));
        update.set("recipient", subject.recipient.as_ref().map_or_else(|| null.clone(), |to| text(to.as_str())));
        update.set("category", subject.category.map_or(null, |category| text(category.as_str())));
        update.set("metadata", AttributeValue::M(metadata));
        update.set("digest", text(&subject.digest));
        update.set_or_remove("notification_json", subject.request.as_deref().map(text));
        update
    }

    pub(super) fn set(&mut self, name: &'static str, value: AttributeValue) {
        let attribute = name.trim_start_matches('#');
        self.set.push(format!("{name} = :{attribute}"));
        self.values.insert(format!(":{attribute}"), value);
    }

    /// Sets the attribute if there is a value, and removes it otherwise.
    pub(super) fn set_or_remove(&mut self, name: &'static str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove.push(name),
        }
    }

    pub(super) fn append_attempt(&mut self, attempt: Item) {
        self.set.push("attempts = list_append(if_not_exists(attempts, :none), :attempts)".to_owned());
        self.values.insert(":none".to_owned(), AttributeValue::L(Vec::new()));
        self.values.insert(":attempts".to_owned(), AttributeValue::L(vec![AttributeValue::M(attempt)]));
    }

    /// Adds the assignments and removals of another expression.
    pub(super) fn absorb(&mut self, other: Self) {
        self.set.extend(other.set);
        self.remove.extend(other.remove);
        self.values.extend(other.values);
    }

    pub(super) fn expression(&self) -> String {
        let set = self.set.join(", ");
        if self.remove.is_empty() {
            format!("SET {set}")
        } else {
            format!("SET {set} REMOVE {}", self.remove.join(", "))
        }
    }
}
