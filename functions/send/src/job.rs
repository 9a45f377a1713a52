//! A notification on its way through the stages.

use domain::{
    contact_key::ContactKey,
    notification::{Category, Notification},
    policy::{Case, RecipientRules},
};
use jiff::Timestamp;
use stores::{
    contacts::StoredPerson,
    notifications::{StoredNotification, Subject},
};
use twilio_types::sid::{AccountSid, MessagingServiceSid};

use crate::queue_message::QueueMessage;

/// A notification that was read from a queue message.
pub(crate) struct Job<'a> {
    pub(crate) message: &'a QueueMessage<'a>,
    pub(crate) notification: Notification,
    /// The account that the notification names, or the configured one.
    pub(crate) account_sid: AccountSid,
    /// The recipient, as the notification names it.
    pub(crate) contact: ContactKey,
    pub(crate) digest: String,
    /// The rules for the recipient's country.
    pub(crate) rules: RecipientRules,
}

impl Job<'_> {
    pub(crate) fn is_marketing(&self) -> bool {
        self.notification.category == Category::Marketing
    }

    /// What is stored of the notification, whatever becomes of it.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            account_sid: self.account_sid.clone(),
            id: self.notification.id.clone(),
            digest: self.digest.clone(),
            recipient: Some(self.notification.to.clone()),
            category: Some(self.notification.category),
            metadata: self.notification.metadata.clone(),
            request: Some(self.message.body.to_owned()),
        }
    }
}

/// A notification that no other function is working on, with everything that decides about it, as it was read.
pub(crate) struct Candidate<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) stored: StoredNotification,
    /// The version of the stored notification; none if nothing is stored.
    pub(crate) seen: Option<i64>,
    /// The person who has the recipient among the identities.
    pub(crate) person: StoredPerson,
}

impl Candidate<'_> {
    /// When the notification expires; none if it does not.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        self.stored.ends_at(&self.job.notification)
    }

    pub(crate) fn case<'b>(&'b self, configured_service: Option<&'b MessagingServiceSid>) -> Case<'b> {
        Case {
            notification: &self.job.notification,
            rules: &self.job.rules,
            person: &self.person.person,
            progress: &self.stored.progress,
            configured_service,
            expires_at: self.ends_at(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::{policy::Policy, region::region_of_recipient};
    use serde_json::{Value, json};

    use super::*;

    /// The body of a queue message: a text to a number from a sender, with these fields changed.
    pub(crate) fn body(change: &Value) -> String {
        let mut notification = json!({
            "id": "order-1", "to": "+14155550123", "category": "service", "from": "whatsapp:+14155238886",
            "content": {"type": "template", "content_sid": "HX00000000000000000000000000000001"},
        });
        for (name, value) in change.as_object().unwrap() {
            notification[name] = value.clone();
        }
        notification.to_string()
    }

    pub(crate) fn job<'a>(message: &'a QueueMessage<'a>, policy: &str) -> Job<'a> {
        let notification = Notification::parse(message.body).unwrap();
        let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let policy: Policy = policy.parse().unwrap();
        Job {
            message,
            contact: ContactKey::of(&account_sid, &notification.to),
            digest: notification.digest(),
            rules: policy.rules(region_of_recipient(&notification.to).as_ref()),
            account_sid,
            notification,
        }
    }

    /// A notification of which nothing is stored, to a person of whom nothing is stored.
    pub(crate) fn candidate<'a>(message: &'a QueueMessage<'a>, policy: &str) -> Candidate<'a> {
        let job = job(message, policy);
        let person = StoredPerson::new(job.contact.clone());
        Candidate { stored: StoredNotification::new(job.subject(), message.enqueued_at), seen: None, person, job }
    }
}
