//! Deletes the texts of settled messages at Twilio, page by page of the account's list. The mark moves on when every message of
//! a page is done, so a run that ends in between reads the page again, and finds fewer texts on it.

use std::collections::BTreeSet;

use domain::trace_id::TraceId;
use futures::stream::{self, StreamExt, TryStreamExt};
use shared::{log::traced, report::Chain, twilio::AccountCallError};
use stores::fault::AwsFault;
use tracing::Instrument as _;
use twilio_client::{MessageFilter, MessagePage, MessageResource, TwilioError};
use twilio_types::sid::MessageSid;

use crate::{
    Budget, ReconcileFunction,
    account::{Account, AccountSweep, Outcome, Stop},
    overdue::{CONCURRENT_LOOKUPS, MAX_FAILURES},
    reading::ListPosition,
    redactable::{Record, RedactionPass, is_settled, record_of},
};

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redacted {
    Done,
    /// Its end is not recorded here, or it is another system's.
    Left,
    /// Twilio refuses it.
    Refused,
    /// Twilio gave no answer that is understood.
    Failed,
}

impl ReconcileFunction {
    /// Reads the pass of the day on. Where the senders are not known, it waits: every message would be passed over.
    pub(crate) async fn redact(
        &self,
        account: &Account,
        sweep: &mut AccountSweep,
        budget: &Budget,
    ) -> Result<(), Stop> {
        if sweep.readings.is_empty() {
            return Ok(());
        }
        while let Some(pass) = RedactionPass::due(sweep.redaction.as_ref(), sweep.now) {
            budget.request()?;
            let page = match self.redaction_page(account, &pass, budget).await {
                // Twilio may not keep the paths of its pages without end: the next run begins the pass again.
                Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) => {
                    tracing::warn!(%refusal, "Twilio refuses to list the messages whose texts are deleted, or does not know the page any more");
                    sweep.redaction = None;
                    return Err(Stop::Paused(Outcome::TwilioUnavailable));
                }
                page => page?,
            };
            self.redact_page(account, &page, sweep, budget).await?;
            sweep.redaction = Some(pass.after(page.next));
        }
        Ok(())
    }

    async fn redaction_page(
        &self,
        account: &Account,
        pass: &RedactionPass,
        budget: &Budget,
    ) -> Result<MessagePage, AccountCallError> {
        let deadline = budget.deadline();
        match &pass.next {
            ListPosition::Page(path) => {
                self.twilio.call(&account.sid, deadline, async |twilio| twilio.list_page(path).await).await
            }
            ListPosition::Newest => {
                let [first, last] = pass.days();
                let filter = MessageFilter::default().with_sent_since(first).with_sent_until(last);
                let filter = filter.with_page_size(self.requests.page_size);
                self.twilio.call(&account.sid, deadline, async |twilio| twilio.list(&filter).await).await
            }
        }
    }

    async fn redact_page(
        &self,
        account: &Account,
        page: &MessagePage,
        sweep: &mut AccountSweep,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let is_ours = |address: &str| sweep.readings.contains_key(address);
        let record = |message| record_of(message, is_ours, sweep.now).map(|record| (message, record));
        let records: Vec<(&MessageResource, Record)> = page.messages.iter().filter_map(record).collect();
        let received = records.iter().filter(|(_, record)| *record == Record::Received).map(|(message, _)| *message);
        let missing: BTreeSet<_> =
            self.missing(account, received.collect()).await?.into_iter().map(|message| &message.sid).collect();
        let known = records.iter().filter(|(message, _)| !missing.contains(&message.sid));
        let redact = stream::iter(known).map(|(message, record)| {
            let span = traced(&TraceId::of_message(&account.sid, &message.sid));
            self.redact_message(account, &message.sid, *record, budget).instrument(span)
        });
        let mut redacted = redact.buffer_unordered(CONCURRENT_LOOKUPS);
        let mut failures = 0;
        while let Some(redacted) = redacted.try_next().await? {
            sweep.report.redacted += usize::from(redacted == Redacted::Done);
            sweep.report.redactions_refused += usize::from(matches!(redacted, Redacted::Refused | Redacted::Failed));
            failures = if redacted == Redacted::Failed { failures + 1 } else { 0 };
            if failures == MAX_FAILURES {
                return Err(Stop::Paused(Outcome::TwilioUnavailable));
            }
        }
        Ok(())
    }

    /// What fails for one message is logged, and tried again by the pass of the next day.
    async fn redact_message(
        &self,
        account: &Account,
        message_sid: &MessageSid,
        record: Record,
        budget: &Budget,
    ) -> Result<Redacted, Stop> {
        budget.time()?;
        if record == Record::Sent && !self.is_settled_here(account, message_sid).await? {
            return Ok(Redacted::Left);
        }
        budget.request()?;
        let call = self.twilio.call(&account.sid, budget.deadline(), async |twilio| twilio.redact(message_sid).await);
        let (redacted, error) = match call.await {
            Ok(_) => return Ok(Redacted::Done),
            Err(error @ AccountCallError::Twilio(TwilioError::Rejected(_))) => (Redacted::Refused, error),
            Err(error @ AccountCallError::Twilio(TwilioError::Unknown { .. })) => (Redacted::Failed, error),
            Err(error) => return Err(error.into()),
        };
        tracing::warn!(%message_sid, error = %Chain(&error), "the text of a message is not deleted at Twilio");
        Ok(redacted)
    }

    /// Whether a notification owns the message and knows how it ended. An unknown outcome has no message, so the message that
    /// is looked for has no owner.
    async fn is_settled_here(&self, account: &Account, message_sid: &MessageSid) -> Result<bool, Stop> {
        match self.notifications.of_message(&account.sid, message_sid).await {
            // An item that cannot be read.
            Err(error) if error.fault() == AwsFault::Invalid => {
                tracing::error!(%message_sid, error = %Chain(&error), "the notification of a message cannot be read");
                Ok(false)
            }
            stored => Ok(stored?.is_some_and(|stored| is_settled(&stored, message_sid))),
        }
    }
}
