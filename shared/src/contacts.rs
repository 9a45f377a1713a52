//! The Contacts table: a person's suppression and service windows.

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ConditionCheck, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update},
};
use jiff::Timestamp;

use crate::{
    address::{Address, Channel, ContactKey},
    dynamodb::{Item, StoreError},
    limits::{CONTACT_RETENTION, expiry},
    preference::{Preference, RecordedPreference},
};

/// The Contacts table.
#[derive(Debug, Clone)]
pub struct Contacts {
    client: Client,
    table: String,
}

impl Contacts {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// An action that sets a preference, on the condition that what is known is still what is there, or the same
    /// preference, expressed again meanwhile.
    ///
    /// A suppression does not expire; a lifted one is of use only while older wishes may still arrive.
    pub fn set_preference(
        &self,
        contact: &ContactKey,
        channel: &Channel,
        new: &RecordedPreference,
        known: Option<&RecordedPreference>,
    ) -> Result<TransactWriteItem, StoreError> {
        let operation = "setting a preference in the Contacts table";
        let (expiry_clause, expires_at) = match new.preference {
            Preference::OptedOut => ("REMOVE expires_at", None),
            Preference::OptedIn => ("", Some(expiry(new.changed_at, CONTACT_RETENTION))),
        };
        let mut values = vec![
            (":preference", value(operation, &new.preference)?),
            (":changed_at", sortable(new.changed_at)),
            (":message_sid", value(operation, &new.message_sid)?),
        ];
        let mut set = "SET preference = :preference, changed_at = :changed_at, message_sid = :message_sid".to_owned();
        if let Some(expires_at) = expires_at {
            set.push_str(", expires_at = :expires_at");
            values.push((":expires_at", value(operation, &expires_at)?));
        }
        let condition = match known {
            None => "attribute_not_exists(contact)",
            Some(known) => {
                values.push((":known_preference", value(operation, &known.preference)?));
                "preference = :known_preference AND changed_at <= :changed_at"
            }
        };
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(contact, &preference_facet(channel))))
            .update_expression(format!("{set} {expiry_clause}"))
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// An action that refuses its transaction where the person is suppressed on the channel.
    pub fn require_not_suppressed(
        &self,
        contact: &ContactKey,
        channel: &Channel,
    ) -> Result<TransactWriteItem, StoreError> {
        let operation = "checking suppression in the Contacts table";
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key(contact, &preference_facet(channel))))
            .condition_expression("attribute_not_exists(contact) OR preference <> :opted_out")
            .expression_attribute_values(":opted_out", value(operation, &Preference::OptedOut)?)
            .build()
            .map_err(|error| StoreError::new(operation, error))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// The preference in an item that refused [`Contacts::set_preference`].
    pub fn read_preference(item: Item) -> Result<RecordedPreference, StoreError> {
        serde_dynamo::from_item(item).map_err(|error| StoreError::new("reading a preference", error))
    }

    /// Notes that the person wrote to a sender: the time the service window is counted from. Never moves back.
    pub async fn open_window(&self, contact: &ContactKey, sender: &Address, at: Timestamp) -> Result<(), StoreError> {
        let operation = "opening a service window in the Contacts table";
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(contact, &format!("window#{sender}"))))
            .update_expression("SET last_inbound_at = :at, expires_at = :expires_at")
            .condition_expression("attribute_not_exists(contact) OR last_inbound_at < :at")
            .expression_attribute_values(":at", sortable(at))
            .expression_attribute_values(":expires_at", value(operation, &expiry(at, CONTACT_RETENTION))?)
            .send()
            .await;
        match result {
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::of_sdk(operation, error)),
            Ok(_) => Ok(()),
        }
    }
}

fn preference_facet(channel: &Channel) -> String {
    format!("opt#{}", channel.name())
}

fn key(contact: &ContactKey, facet: &str) -> Item {
    Item::from([
        ("contact".to_owned(), AttributeValue::S(contact.as_str().to_owned())),
        ("facet".to_owned(), AttributeValue::S(facet.to_owned())),
    ])
}

/// A time whose order as text is its order: always with milliseconds.
fn sortable(at: Timestamp) -> AttributeValue {
    AttributeValue::S(format!("{at:.3}"))
}

fn value(operation: &'static str, value: &impl serde::Serialize) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|error| StoreError::new(operation, error))
}
