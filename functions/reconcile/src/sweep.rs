//! An account's message list, page by page.

use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};
use shared::twilio::AccountCallError;
use stores::messages::MessageEvent;
use twilio_client::{MessageFilter, MessageResource, TwilioError};
use twilio_types::sid::MessageSid;

use crate::{
    AccountReport, Budget, ReconcileFunction, SweepRequest,
    account::{Account, Stop},
    found::expected,
    progress::{ListPosition, Progress, oldest},
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
        while let Some(position) = progress.next().cloned() {
            budget.request()?;
            let now = Timestamp::now();
            let page = match &position {
                ListPosition::Newest => {
                    let filter = MessageFilter::default().with_sent_since(progress.first_day());
                    let filter = filter.with_page_size(self.requests.page_size);
                    self.twilio.call(&account.sid, async |twilio| twilio.list(&filter).await).await?
                }
                ListPosition::Page(path) => {
                    match self.twilio.call(&account.sid, async |twilio| twilio.list_page(path).await).await {
                        // Twilio forgets its pages in time.
                        Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) => {
                            tracing::warn!(%refusal, "sweep begins anew");
                            progress.restart(now);
                            continue;
                        }
                        page => page?,
                    }
                }
            };
            if page.unreadable > 0 {
                tracing::error!(
                    unreadable = page.unreadable,
                    "messages of the list that cannot be understood are left out"
                );
            }
            report.listed += page.messages.len() + page.unreadable;
            let due = oldest(now)..=now.saturating_sub(minimum_age).unwrap_or(Timestamp::MIN);
            self.restore_missing(account, &page.messages, &due, budget, report).await?;
            let newest = page.messages.iter().filter_map(MessageResource::changed_at).max();
            progress.advance(page.next.map(ListPosition::Page), newest);
        }
        Ok(())
    }

    /// The oldest first, as they happened.
    async fn restore_missing(
        &self,
        account: &Account,
        messages: &[MessageResource],
        due: &RangeInclusive<Timestamp>,
        budget: &mut Budget,
        report: &mut AccountReport,
    ) -> Result<(), Stop> {
        let is_opt_out = |message: &MessageResource| self.is_opt_out(account, message);
        let due: Vec<(&MessageResource, MessageEvent)> =
            messages.iter().filter_map(|message| Some((message, expected(message, due, is_opt_out)?))).collect();
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
