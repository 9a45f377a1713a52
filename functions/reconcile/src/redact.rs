//! Deletes the texts of settled messages at Twilio, page by page of the account's list. The mark moves on when every message of
//! a page is done, so a run that ends in between reads the page again, and finds fewer texts on it.
//!
//! It begins when everything else is done for every account, and ends before the next run begins: a lost STOP waits for no
//! text.

use std::collections::BTreeSet;

use domain::trace_id::TraceId;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{Timestamp, civil::Date};
use shared::{log::traced, report::Chain, twilio::AccountCallError};
use stores::{
    fault::AwsFault,
    sweeps::{AccountMarks, RedactionMark, SweepStart},
};
use tracing::Instrument as _;
use twilio_client::{MessageFilter, MessagePage, MessageResource, TwilioError};
use twilio_types::sid::{AccountSid, MessageSid};

use crate::{
    Budget, ReconcileFunction,
    account::{Account, AccountTurn, Stop},
    budget::Share,
    overdue::{CONCURRENT_LOOKUPS, MAX_FAILURES},
    redactable::{Record, is_settled, record_of},
    report::{Outcome, log_redactions},
};
use pass::{OpenPage, PassPosition, RedactionPass, Unread, stored_since};

mod pass;

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

/// What was deleted of an account's texts.
#[derive(Debug, Default)]
struct Redactions {
    redacted: usize,
    refused: usize,
    unreadable: usize,
}

/// An account's redaction under way. The senders are addresses, so it has no `Debug`.
struct RedactionTurn<'a> {
    account: &'a Account,
    senders: &'a BTreeSet<String>,
    stored_since: Date,
    now: Timestamp,
    mark: Option<RedactionMark>,
    /// The page that is not done yet.
    open: Option<OpenPage>,
    redactions: Redactions,
}

impl RedactionTurn<'_> {
    fn due(&self) -> Option<RedactionPass> {
        RedactionPass::due(self.mark.as_ref(), self.stored_since, self.now)
    }

    fn count(&mut self, redacted: Redacted) {
        let (deleted, failed) = match redacted {
            Redacted::Done => (1, 0),
            Redacted::Left => (0, 0),
            Redacted::Refused | Redacted::Failed => (0, 1),
        };
        self.redactions.redacted += deleted;
        self.redactions.refused += failed;
        if let Some(open) = &mut self.open {
            open.deleted += deleted;
            open.failed += failed;
        }
    }

    fn count_unreadable(&mut self, page: &MessagePage) {
        self.redactions.unreadable += page.unreadable;
        for sid in &page.unreadable_sids {
            let _trace = traced(&TraceId::of_message(&self.account.sid, sid)).entered();
            tracing::error!(message_sid = %sid, "a message of the list cannot be understood: its text is not deleted at Twilio");
        }
    }

    /// Notes how far the page came.
    fn close(&mut self, mark: impl FnOnce(OpenPage) -> RedactionMark) {
        let Some(open) = self.open.take() else { return };
        if open.is_passed() {
            tracing::error!(
                account_sid = %self.account.sid, texts = open.failed, alarm = "redaction",
                "a page of texts that Twilio does not delete was tried again and again, and is passed"
            );
        }
        self.mark = Some(mark(open));
    }
}

impl ReconcileFunction {
    /// Deletes the texts of every account, each with its share of what is left. Where the senders are not known, it waits: every
    /// message would be passed over.
    pub(crate) async fn redact_all(&self, turns: &mut [AccountTurn], budget: &Budget) {
        for turn in &*turns {
            self.warn_of_unread(turn).await;
        }
        let can_redact = |turn: &&mut AccountTurn| turn.failure.is_none() && !turn.senders.is_empty();
        let mut able: Vec<_> = turns.iter_mut().filter(can_redact).collect();
        let number = able.len();
        for (index, turn) in able.iter_mut().enumerate() {
            let share = budget.share(Share::one_of(number - index));
            let redacted = self.redact_account(turn, &share).await;
            budget.add(&share);
            turn.report.requests += share.used();
            if let Err(error) = turn.report.note(redacted) {
                let account_sid = &turn.report.account_sid;
                tracing::error!(%account_sid, error = %Chain(&error), "not all texts of an account were deleted at Twilio");
                turn.failure = Some(error);
            }
        }
        for turn in &mut *turns {
            turn.report.texts_unread_since = self.unread(turn).await.map(|(unread, _)| unread.since);
            turn.log_redaction();
        }
        log_redactions(turns);
    }

    /// What no pass has read, and the first day whose messages are stored here.
    async fn unread(&self, turn: &AccountTurn) -> Option<(Unread, Date)> {
        let now = Timestamp::now();
        let stored_since = self.stored_since(&turn.report.account_sid, now).await;
        Some((Unread::of(turn.redaction.as_ref()?, stored_since, now)?, stored_since))
    }

    async fn stored_since(&self, account_sid: &AccountSid, now: Timestamp) -> Date {
        stored_since(self.tenants.of(account_sid).await.retention.into(), now)
    }

    async fn warn_of_unread(&self, turn: &AccountTurn) {
        if let Some((Unread { since, is_urgent: true }, stored_since)) = self.unread(turn).await {
            tracing::error!(
                account_sid = %turn.report.account_sid, texts_unread_since = %since, %stored_since, alarm = "redaction",
                "texts are deleted at Twilio too slowly: those of days before stored_since stay there"
            );
        }
    }

    /// Reads the pass of the day on, with a lease of the account as for its lists.
    async fn redact_account(&self, turn: &mut AccountTurn, budget: &Budget) -> Result<(), Stop> {
        let account = &Account { sid: turn.report.account_sid.clone() };
        let now = Timestamp::now();
        let stored_since = self.stored_since(&account.sid, now).await;
        if RedactionPass::due(turn.redaction.as_ref(), stored_since, now).is_none() {
            return Ok(());
        }
        budget.time()?;
        let (lease, marks) = match self.sweeps.begin(&account.sid, now).await? {
            SweepStart::Leased(lease, marks) => (lease, marks),
            SweepStart::Busy(_) => return Ok(()),
        };
        let mark = marks.redaction.clone();
        let (senders, redactions) = (&turn.senders, Redactions::default());
        let mut work = RedactionTurn { account, senders, stored_since, now, mark, open: None, redactions };
        let redacted = budget.deadline().run(self.redact(&mut work, budget)).await;
        // The deadline may have ended the work in the middle of a page.
        work.close(OpenPage::left);
        let (redaction, redactions) = (work.mark, work.redactions);
        let ended = self.sweeps.end(&account.sid, lease, &AccountMarks { redaction: redaction.clone(), ..marks }).await;
        turn.redaction = redaction;
        turn.report.redacted = redactions.redacted;
        turn.report.redactions_refused = redactions.refused;
        turn.report.redactions_unreadable = redactions.unreadable;
        redacted.unwrap_or_else(|exceeded| Err(exceeded.into())).and(ended.map_err(Stop::from))
    }

    async fn redact(&self, turn: &mut RedactionTurn<'_>, budget: &Budget) -> Result<(), Stop> {
        while let Some(pass) = turn.due() {
            budget.request()?;
            let page = match self.redaction_page(turn.account, &pass, budget).await {
                // Twilio may not keep the paths of its pages without end: the next run begins the pass again.
                Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) => {
                    tracing::warn!(%refusal, "Twilio refuses to list the messages whose texts are deleted, or does not know the page any more");
                    turn.mark = Some(pass.lost());
                    return Err(Stop::Paused(Outcome::TwilioUnavailable));
                }
                page => page?,
            };
            turn.open = Some(OpenPage::new(pass, page.next.clone()));
            self.redact_page(&page, turn, budget).await?;
            turn.close(OpenPage::done);
            turn.count_unreadable(&page);
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
            PassPosition::Page(path) => {
                self.twilio.call(&account.sid, deadline, async |twilio| twilio.list_page(path).await).await
            }
            PassPosition::Begin([first, last]) => {
                let filter = MessageFilter::default().with_sent_since(*first).with_sent_until(*last);
                let filter = filter.with_page_size(self.requests.page_size);
                self.twilio.call(&account.sid, deadline, async |twilio| twilio.list(&filter).await).await
            }
        }
    }

    async fn redact_page(&self, page: &MessagePage, turn: &mut RedactionTurn<'_>, budget: &Budget) -> Result<(), Stop> {
        let account = turn.account;
        let is_ours = |address: &str| turn.senders.contains(address);
        let record = |message| record_of(message, is_ours, turn.now).map(|record| (message, record));
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
        let is_last_try = turn.open.as_ref().is_some_and(|open| open.pass.is_last_try());
        let mut failures = 0;
        while let Some(redacted) = redacted.try_next().await? {
            turn.count(redacted);
            failures = if redacted == Redacted::Failed { failures + 1 } else { 0 };
            if failures == MAX_FAILURES && !is_last_try {
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
