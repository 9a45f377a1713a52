//! What is stored of a batch's notifications and their recipients, in one read.

use std::collections::HashMap;

use domain::contact_key::ContactKey;
use stores::{
    contacts::{Contacts, StoredPerson},
    dynamodb::{Item, StoreError, batch_get},
    notifications::{Notifications, StoredNotification},
};

use crate::{
    job::Job,
    next::{SendError, Step},
};

/// Reads what decisions depend on.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) notifications: Notifications,
    pub(crate) contacts: Contacts,
}

/// A notification with what is stored of it and of its recipient.
pub(crate) struct Known<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) stored: Option<StoredNotification>,
    pub(crate) person: StoredPerson,
}

/// The items of a batch.
struct Found {
    /// By the key of their item.
    notifications: HashMap<String, Item>,
    persons: HashMap<ContactKey, StoredPerson>,
}

impl Lookup {
    /// Reads everything that the decisions about a batch need, together and consistently.
    pub(crate) async fn read<'a>(&self, jobs: Vec<Job<'a>>) -> Vec<Step<'a, Known<'a>>> {
        if jobs.is_empty() {
            return Vec::new();
        }
        match self.find(&jobs).await {
            Ok(found) => jobs.into_iter().map(|job| found.known(job)).collect(),
            Err(error) => {
                let error = SendError::from(error);
                jobs.into_iter().map(|job| Err(job.message.failed(&error))).collect()
            }
        }
    }

    async fn find(&self, jobs: &[Job<'_>]) -> Result<Found, StoreError> {
        let contacts: Vec<_> = jobs.iter().map(|job| job.contact.clone()).collect();
        let ids = jobs.iter().map(|job| (&job.account_sid, &job.notification.id));
        let (contacts_table, contact_keys) = self.contacts.batch_keys(contacts.iter())?;
        let (notifications_table, notification_keys) = self.notifications.batch_keys(ids)?;
        let wanted = [(contacts_table.clone(), contact_keys), (notifications_table.clone(), notification_keys)].into();
        let mut items = batch_get(&self.dynamodb, "reading a batch's notifications and recipients", wanted).await?;
        let persons = items.remove(&contacts_table).unwrap_or_default();
        Ok(Found {
            notifications: by_key(items.remove(&notifications_table).unwrap_or_default()),
            persons: self.contacts.persons_in(&contacts, persons).await?,
        })
    }
}

fn by_key(items: Vec<Item>) -> HashMap<String, Item> {
    let key = |item: &Item| Some(item.get("notification")?.as_s().ok()?.to_owned());
    items.into_iter().filter_map(|item| Some((key(&item)?, item))).collect()
}

impl Found {
    /// An item that cannot be read stops its own notification only.
    fn known<'a>(&self, job: Job<'a>) -> Step<'a, Known<'a>> {
        let person = self.persons.get(&job.contact).cloned();
        let person = person.unwrap_or_else(|| StoredPerson::new(job.contact.clone()));
        let key = format!("{}#{}", job.account_sid, job.notification.id);
        match self.notifications.get(&key).cloned().map(StoredNotification::read).transpose() {
            Ok(stored) => Ok(Known { job, stored, person }),
            Err(error) => Err(job.message.failed(&error.into())),
        }
    }
}
