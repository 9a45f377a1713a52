//! What happened since the time to which the tables were restored, brought back from the archive and from Twilio's list; or only
//! looked for.
//!
//! 1. **Notifications.** One with an archived status of its message counts as sent, and one with an archived end has ended. This
//!    comes first: a status that is recorded later then finds its attempt.
//! 2. **Messages, statuses, opt-outs, opt-ins and consents** are recorded as they were.
//! 3. **Consents and withdrawals** whose records are still in the table count again, if their events were not archived.
//! 4. **Unknown outcomes.** If Twilio lists a message that no archived status names, the notifications to its recipient that wait are held.

use std::collections::HashSet;

use domain::{contact_key::ContactKey, progress::Change};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use stores::{
    contacts::Contacts,
    notifications::{NotificationFilter, NotificationState, Notifications, StoredNotification},
    restores::Restore,
};
use twilio_types::sid::AccountSid;

use super::{consents, evidence::Evidence, unnamed::UnnamedMessages};
use crate::{
    archive_bucket::{ArchiveBucket, PublishedWithin},
    archived_event::ArchivedEvent,
    error::CommandError,
    session::Session,
    table_recorder::{Mode, Recorded, TableRecorder},
};

/// A batch is named after the time of its first change, and while a stream is behind, a batch may span everything that the stream
/// keeps. Source: Amazon DynamoDB, "Change data capture for DynamoDB Streams": 24 hours.
const BATCH_SPAN: SignedDuration = SignedDuration::from_hours(24);

/// How many events are recorded at the same time.
const CONCURRENT_WRITES: usize = 16;

const UNKNOWN_OUTCOME: &str = "the tables were restored, and Twilio has a message to this recipient that no status names: it may be this \
                     notification's";

/// What a recovery found. The fields are those of the JSON output.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RecoveryReport {
    /// Events of the archive that were looked at.
    pub(super) events: u64,
    /// Messages, statuses, preferences and consents that the tables did not have.
    pub(super) facts: u64,
    /// Consents and withdrawals whose records were in the table, and that did not count.
    pub(super) consents: u64,
    /// Notifications that did not have a message or an end that the archive proves.
    pub(super) notifications: u64,
    /// Messages at Twilio that no archived status names.
    pub(super) unnamed_messages: usize,
    /// Notifications that were held because of them.
    pub(super) held: u64,
    /// Events, and messages of Twilio's list, that cannot be read.
    pub(super) unreadable: u64,
}

impl RecoveryReport {
    /// Whether the tables had everything.
    pub(super) const fn is_complete(&self) -> bool {
        self.facts == 0 && self.consents == 0 && self.notifications == 0 && self.held == 0
    }
}

pub(super) struct Recovery<'a> {
    session: &'a Session,
    bucket: ArchiveBucket,
    recorder: TableRecorder<'a>,
    notifications: Notifications,
    contacts: Contacts,
    /// Only this account's, or those of all accounts.
    account_sid: Option<&'a AccountSid>,
    restore: Restore,
    mode: Mode,
}

impl<'a> Recovery<'a> {
    pub(super) async fn new(session: &'a Session, restore: Restore, mode: Mode) -> Result<Self, CommandError> {
        Ok(Self {
            session,
            bucket: ArchiveBucket::of(session).await?,
            recorder: TableRecorder::new(session).await?,
            notifications: session.notifications().await?,
            contacts: session.contacts().await?,
            account_sid: session.named_account(),
            restore,
            mode,
        })
    }

    pub(super) async fn run(&self) -> Result<RecoveryReport, CommandError> {
        let first = self.restore.to.saturating_sub(BATCH_SPAN).unwrap_or(Timestamp::MIN);
        let keys = self.bucket.published(PublishedWithin { first, last: Timestamp::MAX }).await?;
        let mut report = RecoveryReport::default();
        let evidence = self.collect(&keys, &mut report).await?;
        self.recover_notifications(&evidence, &mut report).await?;
        self.record_facts(&keys, &mut report).await?;
        for account_sid in self.accounts().await? {
            let since = self.restore.to;
            report.consents += consents::recover(&self.contacts, &account_sid, since, self.mode).await?;
            self.hold_unknown_outcomes(&account_sid, &evidence, &mut report).await?;
        }
        Ok(report)
    }

    async fn accounts(&self) -> Result<Vec<AccountSid>, CommandError> {
        match self.account_sid {
            Some(account_sid) => Ok(vec![account_sid.clone()]),
            None => Ok(self.session.accounts().await?.sids().cloned().collect()),
        }
    }

    fn covers(&self, event: &ArchivedEvent) -> bool {
        self.account_sid.is_none_or(|account_sid| *account_sid == event.account_sid)
    }

    /// Reads the archive for the first time.
    async fn collect(&self, keys: &[String], report: &mut RecoveryReport) -> Result<Evidence, CommandError> {
        let bar = self.session.terminal.progress(keys.len(), "Batches read");
        let mut evidence = Evidence::default();
        for key in keys {
            let batch = self.bucket.events(key).await?;
            report.unreadable += batch.unreadable as u64;
            for event in batch.events {
                let read = ArchivedEvent::read(event)
                    .and_then(|event| if self.covers(&event) { evidence.add(&event).map(|()| 1) } else { Ok(0) });
                match read {
                    Ok(events) => report.events += events,
                    Err(_) => report.unreadable += 1,
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(evidence)
    }

    async fn recover_notifications(
        &self,
        evidence: &Evidence,
        report: &mut RecoveryReport,
    ) -> Result<(), CommandError> {
        let known = evidence.notifications();
        let bar = self.session.terminal.progress(known.len(), "Notifications compared");
        let now = Timestamp::now();
        let compared = stream::iter(known)
            .map(async |evidence| match self.mode {
                Mode::Write => Ok(self.notifications.recover(evidence, now).await? == Change::Recorded),
                Mode::OnlyLook => self.notifications.lacks(evidence, now).await,
            })
            .buffer_unordered(CONCURRENT_WRITES);
        let missing = compared.try_fold(0, async |missing, lacked| {
            bar.inc(1);
            Ok(missing + u64::from(lacked))
        });
        report.notifications = missing.await?;
        bar.finish_and_clear();
        Ok(())
    }

    /// Reads the archive for the second time, so that its events need not all be in memory. Opt-outs, opt-ins and consents come
    /// last: most of the first are recorded with their messages, and are then known.
    async fn record_facts(&self, keys: &[String], report: &mut RecoveryReport) -> Result<(), CommandError> {
        let bar = self.session.terminal.progress(keys.len(), "Batches recorded");
        let mut seen = HashSet::new();
        let mut of_contacts = Vec::new();
        for key in keys {
            let events = self.bucket.events(key).await?.events.into_iter();
            let events = events.filter_map(|event| ArchivedEvent::read(event).ok());
            let events = events.filter(|event| self.covers(event) && seen.insert(event.event_id.clone()));
            let (of_batch, others): (Vec<_>, Vec<_>) = events.partition(ArchivedEvent::is_of_contact);
            of_contacts.extend(of_batch);
            self.record(&others, report).await?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        self.record(&of_contacts, report).await
    }

    async fn record(&self, events: &[ArchivedEvent], report: &mut RecoveryReport) -> Result<(), CommandError> {
        let record = stream::iter(events).map(|event| self.recorder.record(event, self.mode));
        let recorded: Vec<_> = record.buffer_unordered(CONCURRENT_WRITES).try_collect().await?;
        let count = |wanted| recorded.iter().filter(|recorded| **recorded == wanted).count() as u64;
        report.facts += count(Recorded::Missing);
        report.unreadable += count(Recorded::Unreadable);
        Ok(())
    }

    async fn hold_unknown_outcomes(
        &self,
        account_sid: &AccountSid,
        evidence: &Evidence,
        report: &mut RecoveryReport,
    ) -> Result<(), CommandError> {
        let twilio = self.session.twilio_of(account_sid).await?;
        let unnamed = UnnamedMessages::list(&twilio, account_sid, self.restore.to, &evidence.named).await?;
        report.unnamed_messages += unnamed.messages;
        report.unreadable += unnamed.unreadable as u64;
        if unnamed.recipients.is_empty() {
            return Ok(());
        }
        let states = vec![NotificationState::Waiting, NotificationState::AwaitingReply, NotificationState::Accepted];
        let filter = NotificationFilter { states, ..NotificationFilter::default() };
        let mut pages = std::pin::pin!(self.notifications.list(account_sid, &filter));
        while let Some(page) = pages.try_next().await? {
            report.unreadable += page.unreadable;
            for stored in page.listed {
                if self.may_have_a_message(&stored, &unnamed).await? {
                    report.held += u64::from(self.hold(stored).await?);
                }
            }
        }
        Ok(())
    }

    /// Whether one of the messages may be this notification's: it may still be sent, and one of its recipient's
    /// identities got a message.
    async fn may_have_a_message(
        &self,
        stored: &StoredNotification,
        unnamed: &UnnamedMessages,
    ) -> Result<bool, CommandError> {
        let Some(recipient) = stored.subject.recipient.as_ref().filter(|_| stored.progress.may_be_sent()) else {
            return Ok(false);
        };
        // What was queued after sending had stopped has no message.
        if stored.enqueued_at >= self.restore.begun_at {
            return Ok(false);
        }
        let contact = ContactKey::of(&stored.subject.account_sid, recipient);
        let person = self.contacts.person(&contact).await?;
        let identities = person.identities().into_iter().chain([contact]);
        Ok(identities.into_iter().any(|identity| unnamed.recipients.contains(&identity)))
    }

    async fn hold(&self, stored: StoredNotification) -> Result<bool, CommandError> {
        if self.mode == Mode::OnlyLook {
            return Ok(true);
        }
        Ok(self.notifications.recover_unknown_outcome(stored, UNKNOWN_OUTCOME, Timestamp::now()).await?
            == Change::Recorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_complete_if_the_tables_had_everything() {
        let complete = RecoveryReport { events: 9, unnamed_messages: 2, unreadable: 1, ..RecoveryReport::default() };
        assert!(complete.is_complete());
        for missing in [
            RecoveryReport { facts: 1, ..complete.clone() },
            RecoveryReport { consents: 1, ..complete.clone() },
            RecoveryReport { notifications: 1, ..complete.clone() },
            RecoveryReport { held: 1, ..complete },
        ] {
            assert!(!missing.is_complete(), "{missing:?}");
        }
    }
}
