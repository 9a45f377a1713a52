//! What a run reports: its answer, and its log lines.

use jiff::civil::Date;
use serde::Serialize;
use twilio_types::sid::AccountSid;

use crate::{
    ReconcileError,
    account::{AccountTurn, Stop},
};

/// What a sweep of an account came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountReport {
    /// The account.
    pub account_sid: AccountSid,
    /// How it ended.
    pub outcome: Outcome,
    /// The senders whose lists were to be read.
    pub senders: usize,
    /// Pages of lists that were read.
    pub pages: u32,
    /// Messages that Twilio listed.
    pub listed: usize,
    /// Inbound messages that were missing.
    pub inbound_recovered: usize,
    /// Inbound messages that were missing and not recorded, because their texts were deleted at Twilio.
    pub without_text: usize,
    /// Inbound messages that could not be recorded, and are tried again later.
    pub postponed: usize,
    /// Final statuses that were missing.
    pub statuses_recovered: usize,
    /// Notifications that were looked up one by one, because they should have come to an end.
    pub overdue: usize,
    /// Messages whose text was deleted at Twilio.
    pub redacted: usize,
    /// Messages whose text Twilio refused to delete. The pass of the next day tries them again.
    pub redactions_refused: usize,
    /// Messages of the list that cannot be understood. Their texts stay at Twilio.
    pub redactions_unreadable: usize,
    /// The oldest day whose texts should be deleted and were not looked for yet; none if there is no such day, or before the
    /// first pass.
    pub texts_unread_since: Option<Date>,
    /// Requests to Twilio.
    pub requests: u32,
    /// How long ago the time is up to which the list of every sender was read: of the sender that is furthest behind. None if
    /// it is not known.
    pub lag_seconds: Option<i64>,
    /// Whether every list was read to its end.
    pub complete: bool,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was done.
    Complete,
    /// At the end of its budget: the next run goes on.
    BudgetSpent,
    /// Twilio did not answer or asked for patience: the next run goes on.
    TwilioUnavailable,
    /// Too many messages are postponed: a list is read on when there is room.
    TooManyPostponed,
    /// Another invocation is at it.
    Busy,
    /// An operator has to act, or our own state has to come back.
    Failed,
}

impl AccountReport {
    pub(crate) fn new(account_sid: AccountSid) -> Self {
        Self {
            account_sid,
            outcome: Outcome::Complete,
            senders: 0,
            pages: 0,
            listed: 0,
            inbound_recovered: 0,
            without_text: 0,
            postponed: 0,
            statuses_recovered: 0,
            overdue: 0,
            redacted: 0,
            redactions_refused: 0,
            redactions_unreadable: 0,
            texts_unread_since: None,
            requests: 0,
            lag_seconds: None,
            complete: false,
        }
    }

    /// Notes how a step ended. The first that paused is the outcome; a step that failed ends the account's turn.
    pub(crate) fn note(&mut self, ended: Result<(), Stop>) -> Result<(), ReconcileError> {
        match ended {
            Ok(()) => Ok(()),
            Err(Stop::Paused(outcome)) => {
                if self.outcome == Outcome::Complete {
                    self.outcome = outcome;
                }
                Ok(())
            }
            Err(Stop::Failed(error)) => {
                self.outcome = Outcome::Failed;
                Err(error)
            }
        }
    }

    pub(crate) fn log(&self) {
        tracing::info!(
            account_sid = %self.account_sid,
            outcome = ?self.outcome,
            senders = self.senders,
            pages = self.pages,
            listed = self.listed,
            inbound_recovered = self.inbound_recovered,
            without_text = self.without_text,
            postponed = self.postponed,
            statuses_recovered = self.statuses_recovered,
            overdue = self.overdue,
            requests = self.requests,
            account_lag_seconds = self.lag_seconds,
            complete = self.complete,
            // A message is recovered because its webhook did not arrive or was refused.
            alarm = (self.inbound_recovered > 0).then_some("recovered"),
            "the messages of an account were compared with Twilio's"
        );
    }
}

/// The line from which the metrics of `template.yaml` are made.
pub(crate) fn log_run(turns: &[AccountTurn]) {
    let reports = || turns.iter().map(|turn| &turn.report);
    // If that of one account is not known, there is none for the run, and the metric is missing: the alarm counts that as late.
    let lags: Option<Vec<_>> = reports().map(|report| report.lag_seconds).collect();
    let sum = |field: fn(&AccountReport) -> usize| reports().map(field).sum::<usize>();
    tracing::info!(
        accounts = turns.len(),
        lag_seconds = lags.map(|lags| lags.into_iter().max().unwrap_or_default()),
        recovered_messages = sum(|report| report.inbound_recovered),
        recovered_statuses = sum(|report| report.statuses_recovered),
        postponed_messages = sum(|report| report.postponed),
        without_text = sum(|report| report.without_text),
        complete = reports().all(|report| report.complete),
        "a run of reconcile ended"
    );
}

impl AccountTurn {
    pub(crate) fn log_redaction(&self) {
        let report = &self.report;
        tracing::info!(
            account_sid = %report.account_sid,
            redacted = report.redacted,
            redactions_refused = report.redactions_refused,
            redactions_unreadable = report.redactions_unreadable,
            account_texts_unread_since = report.texts_unread_since.map(tracing::field::display),
            "the texts of an account's settled messages were deleted at Twilio"
        );
    }
}

/// The texts of all accounts.
pub(crate) fn log_redactions(turns: &[AccountTurn]) {
    let sum = |field: fn(&AccountReport) -> usize| turns.iter().map(|turn| field(&turn.report)).sum::<usize>();
    tracing::info!(
        accounts = turns.len(),
        redacted = sum(|report| report.redacted),
        redactions_refused = sum(|report| report.redactions_refused),
        redactions_unreadable = sum(|report| report.redactions_unreadable),
        texts_unread_since =
            turns.iter().filter_map(|turn| turn.report.texts_unread_since).min().map(tracing::field::display),
        "a run of reconcile has deleted texts at Twilio"
    );
}
