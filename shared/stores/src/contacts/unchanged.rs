//! The condition that a person has not changed, for a transaction that does not write the person.

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};

use super::{Contacts, StoredPerson, person_key};
use crate::{attribute::number, dynamodb::StoreError};

impl Contacts {
    /// The actions of a transaction that are refused unless a person is as they were read. Every STOP changes the version.
    pub(crate) fn unchanged_actions(&self, person: &StoredPerson) -> Result<Vec<TransactWriteItem>, StoreError> {
        let check = ConditionCheck::builder().table_name(&self.table).set_key(Some(person_key(&person.home)));
        let check = match person.version {
            None => check.condition_expression("attribute_not_exists(contact)"),
            Some(version) => {
                check.condition_expression("version = :seen").expression_attribute_values(":seen", number(version))
            }
        };
        let check = check.build().map_err(|error| StoreError::new("checking a person in the Contacts table", error))?;
        let mut actions = vec![TransactWriteItem::builder().condition_check(check).build()];
        if person.version.is_none() {
            actions.push(self.not_erased_action(&person.home)?);
        }
        Ok(actions)
    }
}
