//! An account's message list, page by page.

use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};
use shared::twilio::AccountCallError;
use stores::messages::MessageEvent;
use twilio_client::{MessageFilter, MessageResource, Place, TwilioError};
use twilio_types::sid::MessageSid;

use crate::{
    AccountReport, Budget, ReconcileFunction, SweepRequest,
    account::{Account, Stop},
    found::expected,
    progress::{Progress, oldest},
};

impl ReconcileFunction {
    /// Reads on until the list or the budget ends. A page that was not done to its end is read again by the next run, which
    /// finds less missing.
    pub(crate) async fn sweep(
        &self,
        account: &Account,
        request: SweepRequest,
        budget: &mut Budget,
        progress: &mut Progress,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        let minimum_age = SignedDuration::from_secs(request.minimum_age_seconds.into());
        while let Some(place) = progress.next().cloned() {
            budget.request()?;
            let filter = MessageFilter {
                sent_since: Some(progress.first_day()),
                page_size: Some(self.requests.page_size),
                ..MessageFilter::default()
            };
            let now = Timestamp::now();
            let page = self
                .twilio
                .call(&account.sid, async |client, credentials| {
                    client.history(&account.sid, credentials, &filter, &place).await
                })
                .await;
            let page = match page {
                // Twilio forgets its pages in time.
                Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) if place != Place::Newest => {
                    tracing::warn!(%refusal, "sweep begins anew");
                    progress.restart(now);
                    continue;
                }
                page => page?,
            };
            let messages: Vec<&MessageResource> = page.messages.iter().flatten().collect();
            if messages.len() < page.messages.len() {
                let unreadable = page.messages.len() - messages.len();
                tracing::error!(unreadable, "messages of the list that cannot be understood are left out");
            }
            report.listed += page.messages.len();
            let due = oldest(now)..=now.saturating_sub(minimum_age).unwrap_or(Timestamp::MIN);
            self.restore_missing(account, &messages, &due, budget, report).await?;
            progress.advance(page.next(), messages.iter().filter_map(|message| message.changed_at()).max());
        }
        Ok(())
    }

    /// The oldest first, as they happened.
    async fn restore_missing(
        &self,
        account: &Account,
        messages: &[&MessageResource],
        due: &RangeInclusive<Timestamp>,
        budget: &mut Budget,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        let is_opt_out = |message: &MessageResource| self.is_opt_out(account, message);
        let due: Vec<(&MessageResource, MessageEvent)> =
            messages.iter().filter_map(|message| Some((*message, expected(message, due, is_opt_out)?))).collect();
        let key = |(message, happening): &(&MessageResource, MessageEvent)| -> (MessageSid, MessageEvent) {
            (message.sid.clone(), *happening)
        };
        let missing = self.messages.missing(due.iter().map(key)).await?;
        for found in due.iter().rev().filter(|found| missing.contains(&key(found))) {
            budget.time()?;
            match found {
                (message, MessageEvent::Inbound) => self.restore_inbound(account, message, budget, report).await?,
                (message, MessageEvent::Status(_)) => self.restore_status(account, message, report).await?,
            }
        }
        Ok(())
    }
}
