//! What Twilio has and we have not: every few minutes its message list is compared with what was recorded. And what Twilio
//! still holds for a person who said STOP is cancelled.
//!
//! A sweep reads every account of the secret, so that an account whose webhooks come here is reconciled too, whether or
//! not notifications are sent from it by default.
//!
//! Environment: `MESSAGES_TABLE`, `CONTACTS_TABLE`, `NOTIFICATIONS_TABLE`, `RATE_LIMITS_TABLE`, `TWILIO_SECRET_ID`, and
//! optionally `TWILIO_API_BASE_URL` (Twilio's), `RECONCILE_REQUESTS` (100: to Twilio in one run, all accounts together),
//! `RECONCILE_PAGE_SIZE` (1000), `OPT_OUT_LANGUAGES` (all that are known), `OPT_OUT_SCOPE` (`all`, or `sender`) and
//! `MESSAGE_RETENTION_DAYS` (30).

use std::time::Duration;

use aws_lambda_events::streams::DynamoDbEventResponse;
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use shared::{
    deadline::Deadline,
    report::Chain,
    secrets::SecretsError,
    twilio::{AccountCallError, TwilioAccounts},
};
use stores::{
    contacts::Contacts, dynamodb::StoreError, messages::Messages, notifications::Notifications,
    record_inbound::InboundRecorder, record_status::StatusRecorder, sweeps::Sweeps,
};

mod account;
mod budget;
mod cancel;
mod config;
mod found;
mod overdue;
mod progress;
mod restore;
mod sweep;
mod trigger;

pub use account::AccountReport;
pub use trigger::{InvalidTrigger, SweepRequest, Trigger};

use account::Account;
use budget::Budget;

/// The function.
#[derive(Debug)]
pub struct ReconcileFunction {
    twilio: TwilioAccounts,
    messages: Messages,
    notifications: Notifications,
    contacts: Contacts,
    sweeps: Sweeps,
    inbound: InboundRecorder,
    statuses: StatusRecorder,
    requests: Requests,
}

/// How much of Twilio one run takes up.
#[derive(Debug, Clone, Copy)]
struct Requests {
    /// Requests in one run.
    per_run: u32,
    /// Messages on a page.
    page_size: u16,
}

/// What the function answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To the schedule.
    Swept {
        /// Whether every account's list was read to its end.
        complete: bool,
        /// Each account's sweep.
        accounts: Vec<AccountReport>,
    },
    /// To the stream.
    Cancelled(DynamoDbEventResponse),
}

/// A run that failed. What it has recorded stays, and the next one goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The event is of no kind that this function takes.
    #[error(transparent)]
    Trigger(#[from] InvalidTrigger),
    /// Our own state did not answer: time mends it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret cannot be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Twilio refuses the account's credentials, the secret has none, or Twilio's API is not as expected. The operator
    /// must act.
    #[error(transparent)]
    Twilio(#[from] AccountCallError),
}

/// The function's timeout in `template.yaml`.
const TIMEOUT: Duration = Duration::from_mins(5);

/// The sweep's mark is written after the work has ended: one call of DynamoDB, which lasts at most 4.5 s.
const RESERVE: Duration = Duration::from_secs(10);

/// One overdue notification and one page of the list: with less an account would never get on.
const SMALLEST_SHARE: u32 = 2;

impl ReconcileFunction {
    /// Sweeps all accounts, or cancels what is scheduled for those who opted out.
    pub async fn handle(&self, event: LambdaEvent<serde_json::Value>) -> Result<Answer, Error> {
        let deadline = Deadline::of_invocation(event.context.deadline, TIMEOUT).before(RESERVE);
        match Trigger::parse(event.payload)? {
            Trigger::Sweep(request) => {
                let accounts = self.sweep_all(request, deadline).await?;
                Ok(Answer::Swept { complete: accounts.iter().all(|account| account.complete), accounts })
            }
            Trigger::Changes(changes) => Ok(Answer::Cancelled(self.cancel_all(changes.records, deadline).await)),
        }
    }

    /// Each account has its share of the requests, so that one with a long list does not keep the others waiting. One that
    /// fails does not either; its error is the run's.
    async fn sweep_all(&self, request: SweepRequest, deadline: Deadline) -> Result<Vec<AccountReport>, ReconcileError> {
        // Read each time: a rotated key must not end the sweeps of an environment that lives for hours.
        self.twilio.secrets().reread().await?;
        let secrets = self.twilio.secrets().accounts();
        let accounts: Vec<_> = secrets.sids().collect();
        let share = self.requests.per_run / u32::try_from(accounts.len()).unwrap_or(u32::MAX).max(1);
        let share = share.max(SMALLEST_SHARE);
        let mut reports = Vec::new();
        let mut failure = None;
        for sid in accounts {
            let swept = if self.twilio.has(sid) {
                let account = Account { sid: sid.clone() };
                let mut budget = Budget::new(share, deadline);
                self.reconcile(&account, request, &mut budget, Timestamp::now()).await
            } else {
                Err(AccountCallError::NoCredentials(sid.clone()).into())
            };
            match swept {
                Ok(report) => {
                    report.log();
                    reports.push(report);
                }
                Err(error) => {
                    tracing::error!(account_sid = %sid, error = %Chain(&error), "sweep failed");
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(reports), Err)
    }
}
