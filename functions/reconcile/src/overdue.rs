//! Notifications whose message should have its final status: looked up one by one.

use jiff::{SignedDuration, Timestamp};
use shared::{deadline::Deadline, report::Chain, twilio::AccountCallError};
use stores::notifications::OverdueNotification;
use twilio_client::{MessageResource, TwilioError};

use crate::{
    AccountReport, Budget, ReconcileFunction,
    account::{Account, Stop},
    found::is_final,
    restore::origin_of,
};

/// A message stays `sent` without end if the recipient has blocked the sender. It is looked up once a day, as long as its
/// notification is stored.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// A message that cannot be fetched is tried again, behind the others.
const FETCH_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// After this many failures in one run Twilio itself is at fault, and the sweep needs the rest of the time.
const MAX_FAILURES: u32 = 3;

/// At most this part of the requests, so that the list is always read as well.
const SHARE: u32 = 4;

const NOT_FOUND: u16 = 404;

/// What became of looking up a message.
#[derive(Debug)]
enum LookUp {
    Found(Box<MessageResource>),
    /// It was deleted at Twilio: its final status will never be known.
    Deleted,
    /// Twilio did not answer, or its answer is not understood.
    Failed(AccountCallError),
}

impl LookUp {
    /// Without credentials that Twilio accepts nothing else of the account can be done either: that is an error.
    fn of(answer: Result<MessageResource, AccountCallError>) -> Result<Self, Stop> {
        match answer {
            Ok(message) => Ok(Self::Found(Box::new(message))),
            Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) if refusal.status == NOT_FOUND => {
                Ok(Self::Deleted)
            }
            Err(
                error @ (AccountCallError::NoCredentials(_) | AccountCallError::Twilio(TwilioError::Unauthorized(_))),
            ) => Err(error.into()),
            Err(error) => Ok(Self::Failed(error)),
        }
    }
}

impl ReconcileFunction {
    /// Looks up the longest overdue. One that cannot be fetched is postponed, and does not stop the sweep.
    pub(crate) async fn look_at_overdue(
        &self,
        account: &Account,
        budget: &mut Budget,
        report: &mut AccountReport,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let limit = i32::try_from(budget.left() / SHARE).unwrap_or(i32::MAX).max(1);
        let mut failures = 0;
        for overdue in self.notifications.overdue(&account.sid, now, limit).await? {
            budget.request()?;
            report.overdue += 1;
            match self.fetch(account, &overdue, budget.deadline()).await? {
                LookUp::Found(message) => self.record_found(account, &overdue, &message, report, now).await?,
                LookUp::Deleted => {
                    let (notification_id, message_sid) = (&overdue.id, &overdue.message_sid);
                    tracing::warn!(%notification_id, %message_sid, "the message of a notification was deleted at Twilio");
                    self.notifications.close(&account.sid, &overdue.id).await?;
                }
                LookUp::Failed(error) => {
                    self.postpone(account, &overdue, &error, now).await?;
                    failures += 1;
                    if failures == MAX_FAILURES {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    async fn fetch(
        &self,
        account: &Account,
        overdue: &OverdueNotification,
        deadline: Deadline,
    ) -> Result<LookUp, Stop> {
        let message_sid = &overdue.message_sid;
        LookUp::of(self.twilio.call(&account.sid, deadline, async |twilio| twilio.fetch(message_sid).await).await)
    }

    async fn record_found(
        &self,
        account: &Account,
        overdue: &OverdueNotification,
        message: &MessageResource,
        report: &mut AccountReport,
        now: Timestamp,
    ) -> Result<(), Stop> {
        if !is_final(message.status) {
            let again = now.saturating_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
            return Ok(self.notifications.postpone(&account.sid, &overdue.id, again).await?);
        }
        let stored = self.notifications.get(&account.sid, &overdue.id).await?;
        let origin = stored.and_then(|stored| origin_of(&stored, &overdue.message_sid));
        if let Some(origin) = origin {
            self.record_status(account, message, Some(&origin), report).await?;
        }
        Ok(self.notifications.close(&account.sid, &overdue.id).await?)
    }

    async fn postpone(
        &self,
        account: &Account,
        overdue: &OverdueNotification,
        error: &AccountCallError,
        now: Timestamp,
    ) -> Result<(), Stop> {
        tracing::error!(
            notification_id = %overdue.id, message_sid = %overdue.message_sid, error = %Chain(error),
            "the message of an overdue notification cannot be fetched from Twilio: it is tried again in an hour"
        );
        let again = now.saturating_add(FETCH_AGAIN).unwrap_or(Timestamp::MAX);
        Ok(self.notifications.postpone(&account.sid, &overdue.id, again).await?)
    }
}
