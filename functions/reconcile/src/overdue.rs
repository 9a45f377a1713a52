//! Notifications whose message should have come to an end: looked up one by one.

use jiff::{SignedDuration, Timestamp};
use shared::twilio::AccountCallError;
use stores::notifications::OverdueNotification;
use twilio_client::TwilioError;

use crate::{
    AccountReport, Budget, ReconcileFunction,
    account::{Account, Stop},
    found::is_final,
};

/// A message stays `sent` for ever when the recipient has blocked the sender. It is looked at once a day, as long as its
/// notification is kept.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// A share of the requests, so that the list is always read on as well.
const SHARE: u32 = 4;

const NOT_FOUND: u16 = 404;

impl ReconcileFunction {
    /// Looks up the longest overdue.
    pub(crate) async fn look_at_overdue(
        &self,
        account: &Account,
        budget: &mut Budget,
        report: &mut AccountReport,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let limit = i32::try_from(budget.left() / SHARE).unwrap_or(i32::MAX).max(1);
        for overdue in self.notifications.overdue(&account.sid, now, limit).await? {
            budget.request()?;
            report.overdue += 1;
            self.look_up(account, &overdue, report, now).await?;
        }
        Ok(())
    }

    async fn look_up(
        &self,
        account: &Account,
        overdue: &OverdueNotification,
        report: &mut AccountReport,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let message_sid = &overdue.message_sid;
        let message = match self.twilio.call(&account.sid, async |twilio| twilio.fetch(message_sid).await).await {
            // Deleted at Twilio: nobody will ever know.
            Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) if refusal.status == NOT_FOUND => {
                tracing::warn!(notification_id = %overdue.id, message_sid = %overdue.message_sid, "message is gone");
                return Ok(self.notifications.close(&account.sid, &overdue.id).await?);
            }
            message => message?,
        };
        if is_final(message.status) {
            self.record_status(account, &message, Some(&overdue.id), report).await?;
            return Ok(self.notifications.close(&account.sid, &overdue.id).await?);
        }
        let again = now.saturating_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
        Ok(self.notifications.postpone(&account.sid, &overdue.id, again).await?)
    }
}
