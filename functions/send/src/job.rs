//! A notification on its way through the stages.

use std::{borrow::Cow, sync::Arc};

use domain::{
    account_settings::AccountSettings,
    contact_key::ContactKey,
    lane::Lane,
    notification::{Category, Content, FallbackChannel, Notification},
    pause::Pauses,
    policy::{Case, RecipientRules},
    region::region_of_recipient,
    route::{NoSender, Route},
    templates::TemplateRegistry,
    tenants::Tenants,
    trace_id::TraceId,
};
use jiff::Timestamp;
use shared::log::traced;
use stores::{
    contacts::StoredPerson,
    notifications::{StoredNotification, Subject},
};
use tracing::Span;
use twilio_types::sid::AccountSid;

use crate::{
    next::{Ended, SendError},
    queue_message::QueueMessage,
};

/// A notification that was read from a queue message, or from the table by a message that names it.
pub(crate) struct Job<'a> {
    pub(crate) message: &'a QueueMessage<'a>,
    pub(crate) notification: Notification,
    /// The notification as it was queued.
    pub(crate) request: Cow<'a, str>,
    /// The account that the notification names, or the configured one.
    pub(crate) account_sid: AccountSid,
    /// The recipient, as the notification names it.
    pub(crate) contact: ContactKey,
    pub(crate) digest: String,
    /// The rules for the recipient's country.
    pub(crate) rules: RecipientRules,
    /// The settings of all accounts, as they were when its batch was received.
    pub(crate) tenants: Arc<Tenants>,
    /// When the notification was first put on a queue.
    pub(crate) enqueued_at: Timestamp,
}

/// Makes the jobs of a batch.
#[derive(Debug)]
pub(crate) struct JobFactory {
    pub(crate) tenants: Arc<Tenants>,
    /// The account of the notifications that name none.
    pub(crate) account_sid: AccountSid,
}

impl JobFactory {
    /// The job of a notification that is the body of a message.
    pub(crate) fn received<'a>(&self, message: &'a QueueMessage<'a>, notification: Notification) -> Job<'a> {
        let account_sid = notification.account_sid.clone().unwrap_or_else(|| self.account_sid.clone());
        Job {
            message,
            contact: ContactKey::of(&account_sid, &notification.to),
            rules: self.rules(&account_sid, &notification),
            tenants: Arc::clone(&self.tenants),
            digest: notification.digest(),
            request: Cow::Borrowed(message.body),
            enqueued_at: message.enqueued_at,
            account_sid,
            notification,
        }
    }

    /// The job of a stored notification; none if its request cannot be read, or is not stored any more.
    pub(crate) fn stored<'a>(&self, message: &'a QueueMessage<'a>, stored: &StoredNotification) -> Option<Job<'a>> {
        let request = stored.subject.request.clone()?;
        let notification = Notification::parse(&request).ok()?;
        let account_sid = stored.subject.account_sid.clone();
        Some(Job {
            message,
            contact: ContactKey::of(&account_sid, &notification.to),
            rules: self.rules(&account_sid, &notification),
            tenants: Arc::clone(&self.tenants),
            digest: stored.subject.digest.clone(),
            request: Cow::Owned(request),
            enqueued_at: stored.enqueued_at,
            account_sid,
            notification,
        })
    }

    fn rules(&self, account_sid: &AccountSid, notification: &Notification) -> RecipientRules {
        self.tenants.of(account_sid).policy.rules(region_of_recipient(&notification.to).as_ref())
    }
}

impl<'a> Job<'a> {
    /// The end of this invocation's work on it: its message comes again.
    pub(crate) fn failed(&self, error: &SendError) -> Ended<'a> {
        self.span().in_scope(|| self.message.failed(error))
    }
}

impl Job<'_> {
    /// The span of the work on it, whose lines have its trace id.
    pub(crate) fn span(&self) -> Span {
        traced(&TraceId::of_notification(&self.account_sid, &self.notification.id))
    }

    /// The settings of its account.
    pub(crate) fn settings(&self) -> &AccountSettings {
        self.tenants.of(&self.account_sid)
    }

    /// The route of an option on this channel.
    pub(crate) fn route(&self, channel: FallbackChannel) -> Result<Route, NoSender> {
        Route::of(&self.notification, channel, &self.settings().senders)
    }

    pub(crate) fn is_marketing(&self) -> bool {
        self.notification.category == Category::Marketing
    }

    /// Whether an option of the notification is a template.
    pub(crate) fn has_template(&self) -> bool {
        let mut options =
            (0..=self.notification.fallback.len()).filter_map(|option| self.notification.channel_option(option));
        options.any(|(_, content)| matches!(content, Content::Template { .. }))
    }

    pub(crate) fn lane(&self) -> Lane {
        Lane::of(self.notification.category)
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
            request: Some(self.request.clone().into_owned()),
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
    /// What is paused.
    pub(crate) pauses: Arc<Pauses>,
    /// The account's templates; none if the notification has no template.
    pub(crate) templates: TemplateRegistry,
}

impl Candidate<'_> {
    /// When the notification expires; none if it does not.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        self.stored.ends_at(&self.job.notification)
    }

    pub(crate) fn case(&self) -> Case<'_> {
        Case {
            notification: &self.job.notification,
            rules: &self.job.rules,
            person: &self.person.person,
            progress: &self.stored.progress,
            senders: &self.job.settings().senders,
            expires_at: self.ends_at(),
            account_sid: &self.job.account_sid,
            pauses: &self.pauses,
            templates: &self.templates,
            template_settings: &self.job.settings().templates,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};
    use twilio_types::sid::MessagingServiceSid;

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

    pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";

    fn factory(policy: &str) -> JobFactory {
        let settings = AccountSettings { policy: policy.parse().unwrap(), ..AccountSettings::default() };
        factory_with(settings)
    }

    fn factory_with(settings: AccountSettings) -> JobFactory {
        let account_sid: AccountSid = ACCOUNT.parse().unwrap();
        let tenants = Tenants::of_parameters(Arc::new(settings), Some(account_sid.clone()));
        JobFactory { tenants: Arc::new(tenants), account_sid }
    }

    /// The settings with which notifications without a sender go out by this service.
    pub(crate) fn with_service(service: Option<&str>) -> Arc<Tenants> {
        let service = service.map(|service| service.parse::<MessagingServiceSid>().unwrap());
        factory_with(AccountSettings { senders: service.into(), ..AccountSettings::default() }).tenants
    }

    pub(crate) fn job<'a>(message: &'a QueueMessage<'a>, policy: &str) -> Job<'a> {
        factory(policy).received(message, Notification::parse(message.body).unwrap())
    }

    /// A notification of which nothing is stored, to a person of whom nothing is stored.
    pub(crate) fn candidate<'a>(message: &'a QueueMessage<'a>, policy: &str) -> Candidate<'a> {
        let job = job(message, policy);
        let person = StoredPerson::new(job.contact.clone());
        let stored = StoredNotification::new(job.subject(), message.enqueued_at);
        Candidate { stored, seen: None, person, pauses: Arc::default(), templates: TemplateRegistry::default(), job }
    }

    #[test]
    fn job_of_a_stored_notification_is_the_job_of_its_message() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let body = body(&json!({}));
        let message = crate::queue_message::tests::message(&body, now);
        let received = job(&message, "{}");
        let stored = StoredNotification::new(received.subject(), received.enqueued_at);
        let from_table = factory("{}").stored(&message, &stored).unwrap();
        assert_eq!(from_table.subject(), received.subject());
        assert_eq!((from_table.notification, from_table.enqueued_at), (received.notification, received.enqueued_at));
    }
}
