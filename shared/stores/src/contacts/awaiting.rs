//! The notifications whose content follows the person's answer. A claim adds one; here they are forgotten.

use domain::{contact_key::ContactKey, notification::NotificationId};
use jiff::Timestamp;

use super::{Contacts, MAX_ROUNDS, PersonWrite};
use crate::dynamodb::{StoreError, TransactionOutcome, transact};

const OPERATION: &str = "forgetting awaiting notifications in the Contacts table";

impl Contacts {
    /// Forgets notifications that await no answer any more.
    pub async fn stop_awaiting(
        &self,
        contact: &ContactKey,
        finished: &[NotificationId],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_ROUNDS {
            let stored = self.person(contact).await?;
            let mut person = stored.person.clone();
            person.awaiting.retain(|id| !finished.contains(id));
            if person == stored.person {
                return Ok(());
            }
            let write = self.write_person_actions(&stored, &person, &PersonWrite::Message, now)?;
            if let TransactionOutcome::Written = transact(&self.client, OPERATION, write).await? {
                return Ok(());
            }
        }
        Err(StoreError::contended(OPERATION))
    }
}
