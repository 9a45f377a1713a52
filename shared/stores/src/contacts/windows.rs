//! The most frequent change of a person: a message that moves the service windows, written without a read.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::{contact_key::ContactKey, person::WindowKey};
use jiff::{SignedDuration, Timestamp};

use super::{Contacts, PersonWrite, person_item::window_attribute, person_key};
use crate::{
    attribute::{number, text, time},
    dynamodb::StoreError,
};

/// A person who expires sooner is read and written as a whole, which renews the expiry.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(48);

impl Contacts {
    /// The action of a transaction that opens these windows of a known person. It is refused if the first identity is not
    /// the home of a stored person who has all the others as aliases, if a window was opened later than `at`, or if the
    /// person expires soon.
    pub(crate) fn move_windows_action(
        &self,
        identities: &[ContactKey],
        windows: &[WindowKey],
        at: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let operation = "opening a service window in the Contacts table";
        let Some((home, aliases)) = identities.split_first() else { return Err(StoreError::contended(operation)) };
        let soon = at.saturating_add(EXPIRES_SOON).unwrap_or(Timestamp::MAX).as_second();
        let mut set = vec!["version = version + :one".to_owned(), "last_change = :message".to_owned()];
        let mut conditions = vec![
            "attribute_exists(version) AND attribute_not_exists(home)".to_owned(),
            "(attribute_not_exists(expires_at) OR expires_at > :soon)".to_owned(),
        ];
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(person_key(home)))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":message", text(PersonWrite::Message.name()))
            .expression_attribute_values(":soon", number(soon));
        for (index, alias) in aliases.iter().enumerate() {
            conditions.push(format!("contains(aliases, :alias{index})"));
            update = update.expression_attribute_values(format!(":alias{index}"), text(alias.address()));
        }
        for (index, window) in windows.iter().enumerate() {
            set.push(format!("#window{index} = :at"));
            conditions.push(format!("(attribute_not_exists(#window{index}) OR #window{index} <= :at)"));
            update = update.expression_attribute_names(format!("#window{index}"), window_attribute(window));
        }
        if !windows.is_empty() {
            update = update.expression_attribute_values(":at", time(at));
        }
        let update = update
            .update_expression(format!("SET {} REMOVE preference_change", set.join(", ")))
            .condition_expression(conditions.join(" AND "))
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
