//! What is stored of a batch's notifications and their recipients, in one read. A message that only names its notification
//! needs a second read: its recipient is known then.

use std::{collections::HashMap, sync::Arc};

use domain::{
    contact_key::ContactKey,
    notification::NotificationId,
    pause::Pauses,
    progress::{Phase, Reopening},
    templates::TemplateRegistry,
    trace_id::TraceId,
};
use futures::future::join_all;
use jiff::Timestamp;
use shared::{log::traced, queues::NotificationReference, templates::TemplateRegistries};
use stores::{
    contacts::{Contacts, StoredPerson},
    dynamodb::{Item, StoreError, batch_get},
    notifications::{Notifications, StoredNotification},
    pauses::PauseStore,
};
use tracing::{Instrument as _, Span};
use twilio_types::sid::AccountSid;

use crate::{
    intake::Incoming,
    job::{Job, JobFactory},
    next::{Ended, Next, SendError, Step, Stop},
    queue_message::QueueMessage,
    record_decision::DecisionRecorder,
};

/// Reads what decisions depend on.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) notifications: Notifications,
    pub(crate) contacts: Contacts,
    pub(crate) pauses: PauseStore,
    pub(crate) registries: Arc<TemplateRegistries>,
    pub(crate) decisions: DecisionRecorder,
}

/// A notification with what is stored of it and of its recipient.
pub(crate) struct Known<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) stored: Option<StoredNotification>,
    pub(crate) person: StoredPerson,
    pub(crate) pauses: Arc<Pauses>,
    pub(crate) templates: TemplateRegistry,
}

/// The items of a batch.
struct Found {
    /// By the key of their item.
    notifications: HashMap<String, Item>,
    persons: HashMap<ContactKey, StoredPerson>,
    pauses: Arc<Pauses>,
}

/// A notification with what is stored of it.
type Stored<'a> = (Job<'a>, Option<StoredNotification>);

impl Lookup {
    /// Reads everything that the decisions about a batch need, together and consistently.
    pub(crate) async fn read<'a>(
        &self,
        incoming: Vec<Incoming<'a>>,
        factory: &JobFactory,
        now: Timestamp,
    ) -> Vec<Step<'a, Known<'a>>> {
        if incoming.is_empty() {
            return Vec::new();
        }
        let mut found = match self.find(&incoming).await {
            Ok(found) => found,
            Err(error) => {
                let error = SendError::from(error);
                return incoming.iter().map(|incoming| Err(incoming.failed(&error))).collect();
            }
        };
        let mut steps = Vec::with_capacity(incoming.len());
        let mut jobs: Vec<Stored<'a>> = Vec::with_capacity(incoming.len());
        for incoming in incoming {
            let (message, span) = (incoming.message(), incoming.span());
            let job = async { self.job(incoming, factory, &found, now).await.map_err(|stop| message.stopped(stop)) };
            match job.instrument(span).await {
                Ok(job) => jobs.push(job),
                Err(ended) => steps.push(Err(ended)),
            }
        }
        if let Err(error) = self.find_missing_persons(&jobs, &mut found).await {
            let error = SendError::from(error);
            steps.extend(jobs.into_iter().map(|(job, _)| Err(job.failed(&error))));
            return steps;
        }
        let known = jobs.into_iter().map(async |(job, stored)| match self.templates_of(&job).await {
            Ok(templates) => Ok(found.known(job, stored, templates)),
            Err(error) => Err(job.failed(&error)),
        });
        steps.extend(join_all(known).await);
        steps
    }

    /// The templates of the notification's account, if it has a template. They are cached, so this is seldom a request.
    async fn templates_of(&self, job: &Job<'_>) -> Result<TemplateRegistry, SendError> {
        if !job.has_template() {
            return Ok(TemplateRegistry::default());
        }
        Ok(self.registries.current(&job.account_sid).await?)
    }

    async fn find(&self, incoming: &[Incoming<'_>]) -> Result<Found, StoreError> {
        let contacts: Vec<_> = incoming.iter().filter_map(Incoming::contact).cloned().collect();
        let (contacts_table, contact_keys) = self.contacts.batch_keys(contacts.iter())?;
        let (notifications_table, notification_keys) =
            self.notifications.batch_keys(incoming.iter().map(Incoming::name))?;
        let (pauses_table, pauses_key) = self.pauses.batch_key()?;
        let wanted = [
            (contacts_table.clone(), contact_keys),
            (notifications_table.clone(), notification_keys),
            (pauses_table.clone(), pauses_key),
        ];
        let mut items =
            batch_get(&self.dynamodb, "reading a batch's notifications and recipients", wanted.into()).await?;
        let mut items_of = |table: &str| items.remove(table).unwrap_or_default();
        let persons = items_of(&contacts_table);
        Ok(Found {
            notifications: by_key(items_of(&notifications_table)),
            pauses: Arc::new(PauseStore::read_item(items_of(&pauses_table).pop())?),
            persons: self.contacts.persons_in(&contacts, persons).await?,
        })
    }

    /// Reads the recipients of the notifications that their messages only name.
    async fn find_missing_persons(&self, jobs: &[Stored<'_>], found: &mut Found) -> Result<(), StoreError> {
        let named = jobs.iter().filter(|(job, _)| job.message.is_reference());
        let contacts: Vec<_> = named.map(|(job, _)| job.contact.clone()).collect();
        if !contacts.is_empty() {
            found.persons.extend(self.contacts.persons(&contacts).await?);
        }
        Ok(())
    }

    /// An item that cannot be read stops its own notification only.
    async fn job<'a>(
        &self,
        incoming: Incoming<'a>,
        factory: &JobFactory,
        found: &Found,
        now: Timestamp,
    ) -> Result<Stored<'a>, Stop> {
        let (account_sid, id) = incoming.name();
        let item = found.notifications.get(&format!("{account_sid}#{id}"));
        let stored = item.cloned().map(StoredNotification::read).transpose()?;
        match incoming {
            Incoming::Notification(job) => Ok((*job, stored)),
            Incoming::Reference(message, reference) => self.referenced(message, reference, factory, stored, now).await,
        }
    }

    async fn referenced<'a>(
        &self,
        message: &'a QueueMessage<'a>,
        reference: &NotificationReference,
        factory: &JobFactory,
        stored: Option<StoredNotification>,
        now: Timestamp,
    ) -> Result<Stored<'a>, Stop> {
        let notification_id = &reference.id;
        let Some(mut stored) = stored else {
            tracing::warn!(%notification_id, "a message names a notification that is not stored any more");
            return Err(Next::Done.into());
        };
        if let Some(job) = factory.stored(message, &stored) {
            return Ok((job, Some(stored)));
        }
        // A one-time password is not stored after its end, so its retry is rejected again, and is recorded.
        let is_reopened = message.retry_of.is_some() && stored.reopen(now) == Reopening::Reopened;
        if !is_reopened && matches!(stored.progress.phase, Phase::Accepted | Phase::Ended) {
            let state = stored.state().as_str();
            tracing::info!(%notification_id, state, "a notification came again after its end");
            return Err(Next::Done.into());
        }
        Err(self.decisions.reject_unreadable(message, stored, now).await?.into())
    }
}

impl<'a> Incoming<'a> {
    fn message(&self) -> &'a QueueMessage<'a> {
        match self {
            Self::Notification(job) => job.message,
            Self::Reference(message, _) => message,
        }
    }

    fn failed(&self, error: &SendError) -> Ended<'a> {
        self.span().in_scope(|| self.message().failed(error))
    }

    fn span(&self) -> Span {
        let (account_sid, id) = self.name();
        traced(&TraceId::of_notification(account_sid, id))
    }

    fn name(&self) -> (&AccountSid, &NotificationId) {
        match self {
            Self::Notification(job) => (&job.account_sid, &job.notification.id),
            Self::Reference(_, reference) => (&reference.account_sid, &reference.id),
        }
    }

    /// The recipient, if the message says it.
    fn contact(&self) -> Option<&ContactKey> {
        match self {
            Self::Notification(job) => Some(&job.contact),
            Self::Reference(..) => None,
        }
    }
}

fn by_key(items: Vec<Item>) -> HashMap<String, Item> {
    let key = |item: &Item| Some(item.get("notification")?.as_s().ok()?.to_owned());
    items.into_iter().filter_map(|item| Some((key(&item)?, item))).collect()
}

impl Found {
    fn known<'a>(&self, job: Job<'a>, stored: Option<StoredNotification>, templates: TemplateRegistry) -> Known<'a> {
        let person = self.persons.get(&job.contact).cloned();
        let person = person.unwrap_or_else(|| StoredPerson::new(job.contact.clone()));
        Known { job, stored, person, pauses: Arc::clone(&self.pauses), templates }
    }
}
