//! What Twilio has and we have not: every few minutes the messages at Twilio are compared with what was recorded. And what
//! Twilio still holds for a person who said STOP is cancelled.
//!
//! - **Inbound messages**: the list of messages to each of our senders, from the newest on ([`mod@inbound`], [`reading`]).
//!   Other senders of the account belong to other systems, and are left alone.
//! - **Final statuses**: the notifications whose outcome should be known are looked up one by one ([`overdue`]).
//! - **Texts at Twilio**, if the deployment says so: those of messages that are settled here are deleted a day later
//!   ([`redactable`], [`redact`]). It begins when the rest is done for every account.
//!
//! A run compares every account of the secret, so that an account whose webhooks come here is reconciled too, whether or
//! not notifications are sent from it by default.
//!
//! Environment: `MESSAGES_TABLE`, `CONTACTS_TABLE`, `NOTIFICATIONS_TABLE`, `RATE_LIMITS_TABLE`, `TWILIO_SECRET_ID`, and
//! optionally `TWILIO_ACCOUNT_SID` and `MESSAGING_SERVICE_SID` (whose senders are ours), `TENANTS_TABLE`, and for the
//! accounts that its document does not name `OPT_OUT_LANGUAGES` (all that are known), `OPT_OUT_KEYWORDS` (no change),
//! `OPT_OUT_SCOPE` (`all`, or `sender`) and `MESSAGE_RETENTION_DAYS` (30), `TWILIO_API_BASE_URL` (Twilio's),
//! `RECONCILE_REQUESTS` (10,000: to Twilio in one run, all accounts together), `RECONCILE_PAGE_SIZE` (1000),
//! `REDACT_AT_TWILIO` (`false`), `RECONCILE_MINUTES` (5: the interval of the runs) and `SECRET_MAX_AGE_SECONDS` (300).

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use aws_lambda_events::streams::DynamoDbEventResponse;
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use shared::{
    deadline::{Deadline, DeadlineExceeded},
    report::Chain,
    secrets::SecretsError,
    tenants::TenantCache,
    twilio::{AccountCallError, TwilioAccounts},
};
use stores::{
    contacts::Contacts, dynamodb::StoreError, messages::Messages, notifications::Notifications,
    pending_cancellations::PendingCancellations, record_inbound::InboundRecorder, record_status::StatusRecorder,
    senders::KnownSenders, sweeps::Sweeps,
};
use twilio_types::sid::{AccountSid, MessagingServiceSid};

mod account;
mod budget;
mod cancel;
mod config;
mod found;
mod inbound;
mod overdue;
mod postponed;
mod reading;
mod redact;
mod redactable;
mod report;
mod restore;
mod senders;
mod trigger;

pub use report::AccountReport;
pub use trigger::{InvalidTrigger, SweepRequest, Trigger};

use account::Account;
use budget::{Budget, Share};
use report::log_run;

/// The function.
#[derive(Debug)]
pub struct ReconcileFunction {
    twilio: TwilioAccounts,
    messages: Messages,
    notifications: Notifications,
    contacts: Contacts,
    sweeps: Sweeps,
    senders: KnownSenders,
    cancellations: PendingCancellations,
    tenants: TenantCache,
    /// When Twilio was last asked for the senders of a service.
    asked_at: Mutex<BTreeMap<(AccountSid, MessagingServiceSid), Timestamp>>,
    inbound: InboundRecorder,
    statuses: StatusRecorder,
    requests: Requests,
    redact_at_twilio: bool,
    /// Between the begins of two runs.
    interval: Duration,
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
        /// Whether every list of every account was read to its end.
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
    /// The event is of no kind that this function accepts.
    #[error(transparent)]
    Trigger(#[from] InvalidTrigger),
    /// Our own state did not answer: it will, with time.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret cannot be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Twilio refuses the account's credentials, the secret has none, or Twilio's API is not as expected. The operator
    /// must act.
    #[error(transparent)]
    Twilio(#[from] AccountCallError),
    /// What was to be done was not done in time.
    #[error(transparent)]
    Deadline(#[from] DeadlineExceeded),
}

/// The function's timeout in `template.yaml`.
const TIMEOUT: Duration = Duration::from_mins(5);

/// The sweep's mark is written after the work has ended: one call of DynamoDB, which lasts at most 4.5 s.
const RESERVE: Duration = Duration::from_secs(10);

/// Texts are not deleted any more when the next run begins, which would find the account busy. EventBridge may start it some seconds
/// earlier than an interval after this one.
const RESERVE_FOR_NEXT_RUN: Duration = Duration::from_secs(30);

/// With less an account would never get on.
const SMALLEST_SHARE: u32 = 2;

impl ReconcileFunction {
    /// Compares all accounts, or cancels what is scheduled for those who opted out.
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

    /// Each account has its share of the requests and of the time, so that one with a long list does not keep the others
    /// waiting. One that fails does not either; its error is the run's. Texts are deleted when everything else is done for all
    /// accounts, because nothing waits for it.
    async fn sweep_all(&self, request: SweepRequest, deadline: Deadline) -> Result<Vec<AccountReport>, ReconcileError> {
        let next_run = Deadline::after(self.interval).before(RESERVE_FOR_NEXT_RUN);
        let secrets = self.twilio.secrets().current().await?;
        let accounts: Vec<_> = secrets.sids().collect();
        let smallest = SMALLEST_SHARE.saturating_mul(u32::try_from(accounts.len()).unwrap_or(u32::MAX));
        let budget = Budget::new(self.requests.per_run.max(smallest), deadline);
        let mut turns = Vec::new();
        for (index, sid) in accounts.iter().enumerate() {
            let account = Account { sid: (*sid).clone() };
            let share = budget.share(Share::one_of(accounts.len() - index));
            let turn = self.reconcile(&account, request, &share, Timestamp::now()).await;
            budget.add(&share);
            turn.report.log();
            if let Some(error) = &turn.failure {
                tracing::error!(account_sid = %sid, error = %Chain(error), "the messages of an account were not compared with Twilio's");
            }
            turns.push(turn);
        }
        log_run(&turns);
        if self.redact_at_twilio {
            self.redact_all(&mut turns, &budget.until(next_run)).await;
        }
        let mut reports = Vec::with_capacity(turns.len());
        for turn in turns {
            turn.failure.map_or(Ok(()), Err)?;
            reports.push(turn.report);
        }
        Ok(reports)
    }
}
