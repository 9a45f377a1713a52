//! What is known of a batch's notifications and their recipients, in one read.

use std::collections::HashMap;

use stores::{
    contacts::ContactFacts,
    dynamodb::{Item, StoreError, batch_get},
    eligibility::Eligibility,
    notifications::StoredNotification,
    rate_limits::{BucketKey, tat_in},
};

use crate::{SendError, SendFunction, job::Job};

/// The answer of the read.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) contacts: ContactFacts,
    notifications: HashMap<String, Item>,
    buckets: HashMap<String, Item>,
}

impl SendFunction {
    /// The notification as it is judged.
    pub(crate) fn case<'a>(&'a self, job: &'a Job<'_>) -> Eligibility<'a> {
        Eligibility {
            notification: &job.notification,
            contact: &job.contact,
            rules: &job.rules,
            configured_service: self.composer.messaging_service_sid.as_ref(),
        }
    }

    pub(crate) fn pair(&self, job: &Job<'_>) -> BucketKey {
        BucketKey::of_sender_recipient(&self.case(job).sender(), &job.contact)
    }

    /// Reads everything that the decisions about a batch need, together.
    pub(crate) async fn known(&self, jobs: &[(usize, Job<'_>)]) -> Result<Known, SendError> {
        if jobs.is_empty() {
            return Ok(Known::default());
        }
        let jobs = || jobs.iter().map(|(_, job)| job);
        let contacts = self.contacts.batch_keys(
            jobs().flat_map(|job| self.case(job).facet_keys().into_iter().map(|wanted| (&job.contact, wanted))),
        )?;
        let notifications =
            self.notifications.batch_keys(jobs().map(|job| (&job.subject.account_sid, &job.subject.id)))?;
        let buckets = self.rate_limits.batch_keys(jobs().map(|job| self.pair(job)))?;
        let (contacts_table, notifications_table) = (contacts.0.clone(), notifications.0.clone());
        let buckets_table = buckets.0.clone();
        let wanted = [contacts, notifications, buckets].into();
        let mut found = batch_get(&self.dynamodb, "reading what is known of a batch", wanted).await?;
        let mut of_table = |table: &str| found.remove(table).unwrap_or_default();
        Ok(Known {
            contacts: ContactFacts::new(of_table(&contacts_table)),
            notifications: keyed(of_table(&notifications_table), "notification"),
            buckets: keyed(of_table(&buckets_table), "sender"),
        })
    }
}

fn keyed(items: Vec<Item>, key: &str) -> HashMap<String, Item> {
    let text = |item: &Item| Some(item.get(key)?.as_s().ok()?.to_owned());
    items.into_iter().filter_map(|item| Some((text(&item)?, item))).collect()
}

impl Known {
    /// The notification as it stands.
    pub(crate) fn stored(&self, job: &Job<'_>) -> Result<Option<StoredNotification>, StoreError> {
        let key = format!("{}#{}", job.subject.account_sid, job.subject.id);
        self.notifications.get(&key).cloned().map(StoredNotification::read).transpose()
    }

    /// The theoretical arrival time of the pair's bucket.
    pub(crate) fn pair_tat(&self, key: &BucketKey) -> Option<i64> {
        self.buckets.get(key.as_str()).and_then(tat_in)
    }

    /// The marketing messages that the person was sent of late.
    pub(crate) fn marketing_sent(&self, job: &Job<'_>) -> Result<Option<stores::contacts::MarketingSent>, StoreError> {
        self.contacts.marketing_sent(&job.contact)
    }
}
