//! What is known of a batch's notifications and their recipients, in one read.

use std::collections::HashMap;

use jiff::Timestamp;
use shared::{
    address::Channel,
    contacts::{ContactFacts, Wanted},
    dynamodb::{Item, StoreError, batch_get},
    notification::{Category, Content, FallbackChannel},
    notifications::StoredNotification,
    policy::{Facts, Progress},
    rate_limits::{BucketKey, tat_in},
    region::time_zones_of,
    sid::MessagingServiceSid,
    suppression::Scope,
};

use crate::{Send, SendError, intake::Job};

/// The answer of the read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    contacts: ContactFacts,
    notifications: HashMap<String, Item>,
    buckets: HashMap<String, Item>,
}

/// A STOP on any channel holds for every channel: a person who said it on WhatsApp does not want an SMS instead.
pub(crate) const CHANNELS: [Channel; 2] = [Channel::WhatsApp, Channel::Sms];

impl Job<'_> {
    /// The scopes of an opt-out that cover this notification.
    pub(crate) fn scopes(&self, configured_service: Option<&str>) -> Vec<Scope> {
        let marketing = (self.notification.category == Category::Marketing).then_some(Scope::Marketing);
        let from = self.notification.from.as_ref().map(|from| Scope::Sender(from.to_string()));
        let service = self.service(configured_service).map(|service| Scope::Sender(service.to_owned()));
        [Some(Scope::All), marketing, from, service].into_iter().flatten().collect()
    }

    /// The Messaging Service that it goes out through.
    pub(crate) fn service<'a>(&'a self, configured: Option<&'a str>) -> Option<&'a str> {
        let named = self.notification.messaging_service_sid.as_ref().map(MessagingServiceSid::as_str);
        // A sender that is named goes out by itself.
        named.or(configured.filter(|_| self.notification.from.is_none()))
    }

    /// The sender whose pace it takes, and whose window it needs: one address, or a service for all of its own.
    pub(crate) fn sender(&self, configured_service: Option<&str>) -> String {
        let from = self.notification.from.as_ref().map(ToString::to_string);
        from.or_else(|| self.service(configured_service).map(str::to_owned)).unwrap_or_default()
    }

    fn window(&self) -> Wanted {
        Wanted::Window(self.notification.from.as_ref().map(ToString::to_string))
    }

    fn needs_window(&self) -> bool {
        let ways = (0..=self.notification.fallback.len()).filter_map(|route| self.notification.way(route));
        ways.into_iter().any(|(channel, content)| {
            channel == FallbackChannel::WhatsApp && !matches!(content, Content::Template { .. })
        })
    }

    fn wanted(&self, configured_service: Option<&str>) -> Vec<Wanted> {
        let category = self.notification.category;
        let scopes = self.scopes(configured_service);
        let suppressions = CHANNELS
            .into_iter()
            .flat_map(|channel| scopes.iter().map(move |scope| Wanted::Suppression(channel.clone(), scope.clone())));
        suppressions
            .chain(self.needs_window().then(|| self.window()))
            .chain(self.rules.consent(category).map(|_| Wanted::Consent(category)))
            .chain(self.is_capped().then_some(Wanted::Marketing))
            .collect()
    }

    /// Whether it counts against a frequency cap.
    pub(crate) fn is_capped(&self) -> bool {
        self.notification.category == Category::Marketing && self.rules.marketing_cap.is_some()
    }
}

impl Send {
    pub(crate) fn configured_service(&self) -> Option<&str> {
        self.composer.messaging_service_sid.as_ref().map(MessagingServiceSid::as_str)
    }

    pub(crate) fn pair(&self, job: &Job<'_>) -> BucketKey {
        BucketKey::of_pair(&job.sender(self.configured_service()), &job.contact)
    }

    /// Reads all at once: at most ten keys for each of at most ten notifications, of the hundred that one read takes.
    pub(crate) async fn known(&self, jobs: &[(usize, Job<'_>)]) -> Result<Known, SendError> {
        if jobs.is_empty() {
            return Ok(Known::default());
        }
        let service = self.configured_service();
        let jobs = || jobs.iter().map(|(_, job)| job);
        let contacts = self
            .contacts
            .wanted(jobs().flat_map(|job| job.wanted(service).into_iter().map(|wanted| (&job.contact, wanted))))?;
        let notifications = self.notifications.wanted(jobs().map(|job| (&job.subject.account_sid, &job.subject.id)))?;
        let buckets = self.rate_limits.wanted(jobs().map(|job| self.pair(job)))?;
        let (contacts_table, notifications_table) = (contacts.0.clone(), notifications.0.clone());
        let buckets_table = buckets.0.clone();
        let wanted = vec![contacts, notifications, buckets];
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
    pub(crate) fn marketing_sent(&self, job: &Job<'_>) -> Result<Option<shared::contacts::MarketingSent>, StoreError> {
        self.contacts.marketing_sent(&job.contact)
    }

    /// What the decision needs.
    pub(crate) fn facts(
        &self,
        job: &Job<'_>,
        progress: Progress,
        configured_service: Option<&str>,
        now: Timestamp,
    ) -> Result<Facts, StoreError> {
        let category = job.notification.category;
        let mut suppressed = None;
        for scope in job.scopes(configured_service) {
            for channel in &CHANNELS {
                if suppressed.is_none() && self.contacts.is_suppressed(&job.contact, channel, &scope)? {
                    suppressed = Some(scope.clone());
                }
            }
        }
        let sender = job.notification.from.as_ref().map(ToString::to_string);
        // This notification, claimed before, is no other one.
        let others = self.marketing_sent(job)?.unwrap_or_default();
        let others = others.into_iter().filter(|(id, _)| id != job.subject.id.as_str());
        let quiet_hours = job.rules.quiet_hours_of(category);
        Ok(Facts {
            suppressed,
            last_inbound_at: self.contacts.last_inbound_at(&job.contact, sender.as_deref())?,
            consent_given_at: self.contacts.consent_given_at(&job.contact, category)?,
            marketing_sent_at: others.map(|(_, at)| at).collect(),
            quiet_until: quiet_hours.map(|hours| hours.allowed_from(now, &time_zones_of(&job.notification.to))),
            progress,
        })
    }
}
