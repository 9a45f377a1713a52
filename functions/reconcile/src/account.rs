//! One account's turn.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use shared::{deadline::DeadlineExceeded, twilio::AccountCallError};
use stores::sweeps::{AccountMarks, PostponedMessage, RedactionMark, SweepStart};
use twilio_client::TwilioError;
use twilio_types::sid::{AccountSid, MessageSid};

use crate::{
    Budget, ReconcileError, ReconcileFunction, SweepRequest,
    budget::{Share, Spent},
    reading::SenderReading,
    report::{AccountReport, Outcome},
};

/// An account of the secret.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) sid: AccountSid,
}

/// Why a step ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The next run goes on.
    Paused(Outcome),
    /// An operator has to act, or our own state has to come back.
    Failed(ReconcileError),
}

impl From<Spent> for Stop {
    fn from(_: Spent) -> Self {
        Self::Paused(Outcome::BudgetSpent)
    }
}

impl From<DeadlineExceeded> for Stop {
    fn from(_: DeadlineExceeded) -> Self {
        Spent.into()
    }
}

impl From<stores::dynamodb::StoreError> for Stop {
    fn from(error: stores::dynamodb::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<AccountCallError> for Stop {
    fn from(error: AccountCallError) -> Self {
        match error {
            AccountCallError::Twilio(TwilioError::NotDone { .. } | TwilioError::Unknown { .. }) => {
                tracing::warn!(error = %error, "Twilio does not answer: the next run of reconcile goes on");
                Self::Paused(Outcome::TwilioUnavailable)
            }
            AccountCallError::Twilio(TwilioError::Rejected(_) | TwilioError::Unauthorized(_))
            | AccountCallError::NoCredentials(_)
            | AccountCallError::Secrets(_) => Self::Failed(error.into()),
        }
    }
}

/// An account's sweep under way. Its keys are addresses, so it has no `Debug`.
pub(crate) struct AccountSweep {
    pub(crate) report: AccountReport,
    pub(crate) request: SweepRequest,
    pub(crate) now: Timestamp,
    /// The marks as they were stored. A sender that is not read keeps its mark.
    stored: AccountMarks,
    pub(crate) readings: BTreeMap<String, SenderReading>,
    pub(crate) postponed: BTreeMap<MessageSid, PostponedMessage>,
    pub(crate) texts: TextsAtTwilio,
}

/// What is known of the account's texts at Twilio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextsAtTwilio {
    /// None was ever deleted by this function.
    Kept,
    /// A message that was stored here may have lost its text there.
    Deleted,
}

/// An account's turn that has ended, with what is needed to delete its texts. The senders are addresses, so it has no `Debug`.
pub(crate) struct AccountTurn {
    pub(crate) report: AccountReport,
    pub(crate) senders: BTreeSet<String>,
    pub(crate) redaction: Option<RedactionMark>,
    pub(crate) failure: Option<ReconcileError>,
}

impl AccountSweep {
    pub(crate) fn new(report: AccountReport, request: SweepRequest, now: Timestamp, stored: AccountMarks) -> Self {
        let postponed = stored.postponed.clone();
        let texts = stored.redaction.as_ref().map_or(TextsAtTwilio::Kept, |_| TextsAtTwilio::Deleted);
        Self { report, request, now, stored, readings: BTreeMap::new(), postponed, texts }
    }

    /// Goes on with the lists of these senders.
    pub(crate) fn resume(&mut self, senders: impl IntoIterator<Item = String>) {
        let minimum_age = SignedDuration::from_secs(self.request.minimum_age_seconds.into());
        let reading = |sender: String| {
            let reading = SenderReading::resume(self.stored.senders.get(&sender), self.now, minimum_age);
            (sender, reading)
        };
        self.readings = senders.into_iter().map(reading).collect();
        self.report.senders = self.readings.len();
    }

    fn marks(&self) -> AccountMarks {
        let mut senders = self.stored.senders.clone();
        senders.extend(self.readings.iter().map(|(sender, reading)| (sender.clone(), reading.mark())));
        AccountMarks { senders, postponed: self.postponed.clone(), redaction: self.stored.redaction.clone() }
    }
}

/// How far behind the sender is whose list was read least far.
fn lag_seconds(marks: &AccountMarks, now: Timestamp) -> i64 {
    let checked = marks.senders.values().map(|mark| now.duration_since(mark.checked_until()).as_secs());
    checked.max().unwrap_or_default().max(0)
}

/// What is left of this share of the budget is for the statuses, which are never lost: they wait in the index.
const INBOUND: Share = Share { part: 15, of: 16 };

impl ReconcileFunction {
    /// Compares an account. The marks are written whatever comes in between, also when the deadline ends the work: a page that
    /// was not done to its end is read again. A failure comes with the report, so that the lag is known in any case.
    pub(crate) async fn reconcile(
        &self,
        account: &Account,
        request: SweepRequest,
        budget: &Budget,
        now: Timestamp,
    ) -> AccountTurn {
        let mut report = AccountReport::new(account.sid.clone());
        let without_work =
            |report: AccountReport, failure| AccountTurn { report, senders: BTreeSet::new(), redaction: None, failure };
        let (lease, marks) = match self.sweeps.begin(&account.sid, now).await {
            Ok(SweepStart::Leased(lease, marks)) => (lease, marks),
            Ok(SweepStart::Busy(marks)) => {
                report.outcome = Outcome::Busy;
                report.lag_seconds = Some(lag_seconds(&marks, now));
                return without_work(report, None);
            }
            Err(error) => {
                return without_work(AccountReport { outcome: Outcome::Failed, ..report }, Some(error.into()));
            }
        };
        let mut sweep = AccountSweep::new(report, request, now, marks);
        if self.redact_at_twilio {
            sweep.texts = TextsAtTwilio::Deleted;
        }
        let worked = self.work(account, &mut sweep, budget).await;
        let marks = sweep.marks();
        let ended = self.sweeps.end(&account.sid, lease, &marks).await;
        let failure = worked.err().or(ended.err().map(ReconcileError::from));
        let mut report = sweep.report;
        report.requests = budget.used();
        // Without readings and with another outcome, it is not even known which senders there are.
        let is_listed = !sweep.readings.is_empty() || report.outcome == Outcome::Complete;
        let is_read = sweep.readings.values().all(|reading| reading.next().is_none());
        report.complete = failure.is_none() && is_listed && is_read;
        report.postponed = marks.postponed.len();
        if failure.is_some() {
            report.outcome = Outcome::Failed;
        }
        if failure.is_none() || !marks.senders.is_empty() {
            report.lag_seconds = Some(lag_seconds(&marks, Timestamp::now().max(now)));
        }
        AccountTurn { report, senders: sweep.readings.into_keys().collect(), redaction: marks.redaction, failure }
    }

    /// Inbound messages first, because one may be an opt-out; then what an opt-out has left to cancel, and the statuses.
    async fn work(&self, account: &Account, sweep: &mut AccountSweep, budget: &Budget) -> Result<(), ReconcileError> {
        if !self.twilio.has(&account.sid).await? {
            return Err(AccountCallError::NoCredentials(account.sid.clone()).into());
        }
        let inbound = budget.share(INBOUND);
        let read = inbound.deadline().run(self.read_inbound(account, sweep, &inbound)).await;
        budget.add(&inbound);
        sweep.report.note(read.unwrap_or_else(|exceeded| Err(exceeded.into())))?;
        let deadline = budget.deadline();
        let cancelled = deadline.run(self.cancel_pending(account, sweep.now, deadline)).await;
        sweep.report.note(cancelled.unwrap_or_else(|exceeded| Err(exceeded.into())))?;
        let looked_up = deadline.run(self.look_at_overdue(account, budget, &mut sweep.report, sweep.now)).await;
        sweep.report.note(looked_up.unwrap_or_else(|exceeded| Err(exceeded.into())))
    }
}

#[cfg(test)]
mod tests {
    use stores::sweeps::{Gap, SenderMark};

    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn lag_is_that_of_the_sender_furthest_behind() {
        let now = at("2026-11-20T12:00:00Z");
        let mark = |since: &str, gap: Option<&str>| SenderMark {
            since: at(since),
            gap: gap.map(|since| Gap { since: at(since), resume: "/2".to_owned() }),
        };
        let mut marks = AccountMarks::default();
        assert_eq!(lag_seconds(&marks, now), 0, "no sender is known");
        marks.senders.insert("+1".to_owned(), mark("2026-11-20T11:59:00Z", None));
        assert_eq!(lag_seconds(&marks, now), 60);
        marks.senders.insert("+2".to_owned(), mark("2026-11-20T11:59:30Z", Some("2026-11-20T11:00:00Z")));
        assert_eq!(lag_seconds(&marks, now), 3_600);
    }

    #[test]
    fn sender_that_is_not_read_keeps_its_mark() {
        let mark = SenderMark { since: at("2026-11-20T11:00:00Z"), gap: None };
        let stored = AccountMarks {
            senders: ["+1", "+2"].map(|sender| (sender.to_owned(), mark.clone())).into(),
            ..AccountMarks::default()
        };
        let report = AccountReport::new("AC00000000000000000000000000000001".parse().unwrap());
        let now = at("2026-11-20T12:00:00Z");
        let mut sweep = AccountSweep::new(report, SweepRequest::default(), now, stored);
        assert_eq!(sweep.marks().senders.len(), 2, "the senders could not be read");
        sweep.resume(["+2".to_owned()]);
        sweep.readings.get_mut("+2").unwrap().advance(None, None);
        let marks = sweep.marks();
        assert_eq!(marks.senders["+1"], mark);
        assert_eq!(marks.senders["+2"].since, at("2026-11-20T11:59:00Z"));
    }
}
