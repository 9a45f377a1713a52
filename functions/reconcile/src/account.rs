//! One account's turn.

use jiff::Timestamp;
use serde::Serialize;
use shared::{deadline::DeadlineExceeded, twilio::AccountCallError};
use stores::sweeps::SweepStart;
use twilio_client::TwilioError;
use twilio_types::sid::AccountSid;

use crate::{Budget, ReconcileError, ReconcileFunction, SweepRequest, budget::Spent, progress::Progress};

/// An account of the secret that has credentials.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) sid: AccountSid,
}

/// What a sweep of an account came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountReport {
    /// The account.
    pub account_sid: AccountSid,
    /// How it ended.
    pub outcome: Outcome,
    /// Messages that Twilio listed.
    pub listed: usize,
    /// Inbound messages that were missing.
    pub inbound_recovered: usize,
    /// Final statuses that were missing.
    pub statuses_recovered: usize,
    /// Notifications that were looked up one by one, because they should have come to an end.
    pub overdue: usize,
    /// Requests to Twilio.
    pub requests: u32,
    /// Whether the list was read to its end.
    pub complete: bool,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// At the end of the list.
    Complete,
    /// At the end of its budget: the next run goes on.
    BudgetSpent,
    /// Twilio did not answer or asked for patience: the next run goes on.
    TwilioUnavailable,
    /// Before it began: another invocation is at it.
    Busy,
}

/// Why a step ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The next run goes on.
    Paused(Outcome),
    /// Somebody has to look, or our own state has to come back.
    Failed(ReconcileError),
}

impl From<Spent> for Stop {
    fn from(_: Spent) -> Self {
        Self::Paused(Outcome::BudgetSpent)
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
                tracing::warn!(error = %error, "sweep paused");
                Self::Paused(Outcome::TwilioUnavailable)
            }
            AccountCallError::Twilio(TwilioError::Rejected(_) | TwilioError::Unauthorized(_))
            | AccountCallError::NoCredentials(_) => Self::Failed(error.into()),
        }
    }
}

impl AccountReport {
    pub(crate) fn new(account_sid: AccountSid) -> Self {
        Self {
            account_sid,
            outcome: Outcome::Complete,
            listed: 0,
            inbound_recovered: 0,
            statuses_recovered: 0,
            overdue: 0,
            requests: 0,
            complete: false,
        }
    }

    pub(crate) fn log(&self) {
        tracing::info!(
            account_sid = %self.account_sid,
            outcome = ?self.outcome,
            listed = self.listed,
            inbound_recovered = self.inbound_recovered,
            statuses_recovered = self.statuses_recovered,
            overdue = self.overdue,
            requests = self.requests,
            complete = self.complete,
            "sweep"
        );
    }
}

impl ReconcileFunction {
    /// Looks at what is overdue, then reads the list on from where the last run stopped. The mark is written whatever comes
    /// in between, also when the deadline ends the work: a page that was not done to its end is read again.
    pub(crate) async fn reconcile(
        &self,
        account: &Account,
        request: SweepRequest,
        budget: &mut Budget,
        now: Timestamp,
    ) -> Result<AccountReport, ReconcileError> {
        let mut report = AccountReport::new(account.sid.clone());
        if let Err(Spent) = budget.time() {
            return Ok(AccountReport { outcome: Outcome::BudgetSpent, ..report });
        }
        let (turn, mark) = match self.sweeps.begin(&account.sid, now).await? {
            SweepStart::Leased(turn, mark) => (turn, mark),
            SweepStart::Busy => return Ok(AccountReport { outcome: Outcome::Busy, ..report }),
        };
        let mut progress = Progress::resume(mark, now);
        let deadline = budget.deadline();
        let work = async {
            self.look_at_overdue(account, budget, &mut report, now).await?;
            self.sweep(account, request, budget, &mut progress, &mut report).await
        };
        let stopped = deadline.run(work).await.unwrap_or_else(|DeadlineExceeded| Err(Spent.into()));
        report.requests = budget.used();
        report.complete = progress.is_done();
        self.sweeps.end(&account.sid, turn, &progress.mark()).await?;
        match stopped {
            Ok(()) => Ok(report),
            // A request that the deadline cut off says nothing about Twilio.
            Err(Stop::Paused(_)) if deadline.is_over() => Ok(AccountReport { outcome: Outcome::BudgetSpent, ..report }),
            Err(Stop::Paused(outcome)) => Ok(AccountReport { outcome, ..report }),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}
