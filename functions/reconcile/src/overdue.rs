//! Notifications whose messages should have their final status: looked up one by one, the longest overdue first. One to which
//! an option followed without a delivery has several.
//!
//! A message that cannot be looked up is postponed, later and later, and does not hold up the others.

use domain::trace_id::TraceId;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use shared::{log::traced, report::Chain, twilio::AccountCallError};
use stores::{
    dynamodb::{Item, StoreError},
    fault::AwsFault,
    notifications::{OPEN_SHARDS, OverdueNotification, StoredNotification},
};
use tracing::Instrument as _;
use twilio_client::{MessageResource, TwilioError};
use twilio_types::sid::MessageSid;

use crate::{
    AccountReport, Budget, ReconcileFunction,
    account::{Account, Stop},
    found::is_final,
    postponed::{later, retry_delay},
    report::Outcome,
    restore::{Restored, origin_of},
};

/// Twilio limits the concurrent requests of an account, and `send` needs most of them.
pub(crate) const CONCURRENT_LOOKUPS: usize = 16;

/// After this many failures without a success Twilio itself is at fault.
pub(crate) const MAX_FAILURES: usize = 32;

const NOT_FOUND: u16 = 404;

/// What became of looking up a message.
#[derive(Debug)]
enum LookUp {
    Found(Box<MessageResource>),
    /// It was deleted at Twilio: its final status will never be known.
    Deleted,
    /// Twilio did not answer for this message, or its answer is not understood.
    Failed(AccountCallError),
}

impl LookUp {
    /// Without credentials that Twilio accepts nothing else of the account can be done either, and what Twilio has asked to
    /// wait for is no fault of this message.
    fn of(answer: Result<MessageResource, AccountCallError>) -> Result<Self, Stop> {
        match answer {
            Ok(message) => Ok(Self::Found(Box::new(message))),
            Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) if refusal.status == NOT_FOUND => {
                Ok(Self::Deleted)
            }
            Err(error @ AccountCallError::Twilio(TwilioError::Rejected(_) | TwilioError::Unknown { .. })) => {
                Ok(Self::Failed(error))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// How an overdue notification was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handled {
    Recovered,
    /// It is closed without a new status, or open until a later look.
    Settled,
    Failed,
}

/// What became of looking at one message of an overdue notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageState {
    /// Its final status was missing, and is recorded.
    Recovered,
    /// Its final status was recorded before, or will never be known.
    Settled,
    /// It has no final status.
    Unfinished,
    /// Its status could not be recorded.
    Postponed,
    /// It could not be fetched.
    Failed,
}

/// The messages of a notification whose final status is not known.
fn open_messages(stored: &StoredNotification) -> Vec<MessageSid> {
    stored.progress.open_messages().filter_map(|(_, attempt)| attempt.message_sid.clone()).collect()
}

/// How far a shard of the index is read.
enum ShardPosition {
    At(Option<Item>),
    End,
}

impl ReconcileFunction {
    /// Looks up the overdue notifications of an account, as many as the budget allows.
    pub(crate) async fn look_at_overdue(
        &self,
        account: &Account,
        budget: &Budget,
        report: &mut AccountReport,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let mut shards: Vec<_> = (0..OPEN_SHARDS).map(|_| ShardPosition::At(None)).collect();
        let mut failures = 0;
        loop {
            let overdue = self.overdue_page(account, &mut shards, now).await?;
            if overdue.is_empty() {
                return Ok(());
            }
            let handle = stream::iter(&overdue).map(|overdue| {
                let span = traced(&TraceId::of_notification(&account.sid, &overdue.id));
                self.handle_overdue(account, overdue, budget, now).instrument(span)
            });
            let mut handled = handle.buffer_unordered(CONCURRENT_LOOKUPS);
            while let Some(handled) = handled.try_next().await? {
                report.overdue += 1;
                report.statuses_recovered += usize::from(handled == Handled::Recovered);
                failures = if handled == Handled::Failed { failures + 1 } else { 0 };
                if failures == MAX_FAILURES {
                    return Err(Stop::Paused(Outcome::TwilioUnavailable));
                }
            }
        }
    }

    /// The next page of every shard, the longest overdue first.
    async fn overdue_page(
        &self,
        account: &Account,
        shards: &mut [ShardPosition],
        now: Timestamp,
    ) -> Result<Vec<OverdueNotification>, Stop> {
        let read = (0_u8..).zip(shards.iter_mut()).map(async |(shard, position)| {
            let ShardPosition::At(from) = position else { return Ok(Vec::new()) };
            let page = self.notifications.overdue(&account.sid, shard, now, from.take()).await?;
            *position = page.next.map_or(ShardPosition::End, |next| ShardPosition::At(Some(next)));
            Ok::<_, StoreError>(page.overdue)
        });
        let pages = futures::future::try_join_all(read).await?;
        let mut overdue: Vec<_> = pages.into_iter().flatten().collect();
        overdue.sort_by_key(|overdue| overdue.open_until);
        Ok(overdue)
    }

    async fn handle_overdue(
        &self,
        account: &Account,
        overdue: &OverdueNotification,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Handled, Stop> {
        let stored = match self.notifications.get(&account.sid, &overdue.id).await {
            // An item that cannot be read.
            Err(error) if error.fault() == AwsFault::Invalid => {
                tracing::error!(notification_id = %overdue.id, error = %Chain(&error), "an overdue notification cannot be read");
                None
            }
            stored => Some(stored?),
        };
        let try_again = retry_delay(overdue.lookups.saturating_add(1));
        let Some(stored) = stored else {
            self.postpone(account, overdue, try_again, now).await?;
            return Ok(Handled::Settled);
        };
        let (mut handled, mut delay) = (Handled::Settled, None);
        let mut wait = |time: SignedDuration| delay = Some(delay.map_or(time, |known: SignedDuration| known.min(time)));
        for message_sid in stored.iter().flat_map(open_messages) {
            match self.look_at_message(account, overdue, &message_sid, stored.as_ref(), budget).await? {
                MessageState::Recovered => handled = Handled::Recovered,
                MessageState::Settled => {}
                MessageState::Unfinished => wait(unfinished_delay(overdue.lookups)),
                MessageState::Postponed => wait(try_again),
                MessageState::Failed => {
                    wait(try_again);
                    handled = Handled::Failed;
                }
            }
        }
        match delay {
            Some(delay) => self.postpone(account, overdue, delay, now).await?,
            None => self.notifications.close(&account.sid, &overdue.id).await?,
        }
        Ok(handled)
    }

    /// Looks up one message of a notification, and records its status if it is final.
    async fn look_at_message(
        &self,
        account: &Account,
        overdue: &OverdueNotification,
        message_sid: &MessageSid,
        stored: Option<&StoredNotification>,
        budget: &Budget,
    ) -> Result<MessageState, Stop> {
        budget.request()?;
        let notification_id = &overdue.id;
        let fetched =
            self.twilio.call(&account.sid, budget.deadline(), async |twilio| twilio.fetch(message_sid).await).await;
        let message = match LookUp::of(fetched)? {
            LookUp::Found(message) => message,
            LookUp::Deleted => {
                tracing::warn!(%notification_id, %message_sid, "the message of a notification was deleted at Twilio");
                return Ok(MessageState::Settled);
            }
            LookUp::Failed(error) => {
                tracing::error!(
                    %notification_id, %message_sid, lookups = overdue.lookups, error = %Chain(&error),
                    "the message of an overdue notification cannot be fetched from Twilio, and is tried again later"
                );
                return Ok(MessageState::Failed);
            }
        };
        // A word that is not known is recorded as well, so that it is seen.
        if !is_final(&message.status) && message.status.known().is_some() {
            return Ok(MessageState::Unfinished);
        }
        let restored = match stored.and_then(|stored| origin_of(stored, message_sid)) {
            Some(origin) => self.record_status(account, &message, &origin).await?,
            None => Restored::Duplicate,
        };
        Ok(match restored {
            Restored::Postponed => MessageState::Postponed,
            _ if !is_final(&message.status) => MessageState::Unfinished,
            Restored::Recorded => MessageState::Recovered,
            Restored::Duplicate => MessageState::Settled,
        })
    }

    async fn postpone(
        &self,
        account: &Account,
        overdue: &OverdueNotification,
        delay: SignedDuration,
        now: Timestamp,
    ) -> Result<(), Stop> {
        Ok(self.notifications.postpone(&account.sid, &overdue.id, later(now, delay)).await?)
    }
}

/// How long after this number of lookups a message without a final status is looked up again: after 1, 4, 16, 64 hours and so on.
/// A message stays `sent` without end if the recipient has blocked the sender. So it is looked up six times in the 45 days for
/// which its notification is stored: if that is one message in a hundred at 80 a second, these are five requests a second.
fn unfinished_delay(lookups: u32) -> SignedDuration {
    const FIRST: SignedDuration = SignedDuration::from_hours(1);
    const LONGEST: SignedDuration = SignedDuration::from_hours(45 * 24);
    let delay = 4_i32.checked_pow(lookups).and_then(|factor| FIRST.checked_mul(factor));
    delay.unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_that_never_ends_is_looked_up_ever_more_rarely() {
        let hours: Vec<i64> = (0..=6).map(|lookups| unfinished_delay(lookups).as_hours()).collect();
        assert_eq!(hours, [1, 4, 16, 64, 256, 1_024, 45 * 24]);
        assert_eq!(unfinished_delay(u32::MAX).as_hours(), 45 * 24);
    }
}
