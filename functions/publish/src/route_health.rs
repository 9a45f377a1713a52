//! Counts the final statuses of each route, and pauses a route that fails too often (`domain::route_health`).
//!
//! The counts are written once for each batch of records. They are no promise: a record that comes again may count twice,
//! and what cannot be written is counted with the next batch.

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_sdk_dynamodb::Client;
use domain::{
    account_settings::AccountSettings,
    pause::Pause,
    progress::MessageReport,
    route::Route,
    route_health::{FailureBound, RouteResults, counts_as_failure},
};
use jiff::Timestamp;
use shared::report::Chain;
use stores::{
    dynamodb::StoreError,
    notifications::StoredNotification,
    pauses::{MAX_PAUSES, PauseOutcome, PauseStore},
    route_health::RouteHealth,
};
use twilio_types::message_status::Stage;

/// Counts results, if the policy of their account has a bound.
pub(crate) struct RouteWatch {
    health: RouteHealth,
    pauses: PauseStore,
    /// By the name of the route's rate: what was counted and not written yet.
    unwritten: Mutex<BTreeMap<String, CountedResults>>,
}

/// The results of a route, and the bound of its account.
#[derive(Debug, Clone, Copy)]
struct CountedResults {
    bound: FailureBound,
    results: RouteResults,
}

impl fmt::Debug for RouteWatch {
    /// The names of routes are senders' addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteWatch").finish_non_exhaustive()
    }
}

impl RouteWatch {
    pub(crate) fn new(client: &Client, rate_limits_table: &str) -> Self {
        Self {
            health: RouteHealth::new(client.clone(), rate_limits_table.to_owned()),
            pauses: PauseStore::new(client.clone(), rate_limits_table.to_owned()),
            unwritten: Mutex::default(),
        }
    }

    /// Counts a status that was applied to this notification, as the notification was before.
    pub(crate) fn count(&self, report: &MessageReport, before: &StoredNotification, settings: &AccountSettings) {
        let Some(bound) = settings.policy.pause_on_failures() else { return };
        let Some(results) = results_of(report, before) else { return };
        let channel = before.progress.attempts.get(report.attempt).map(|attempt| attempt.channel);
        let route = before.notification().zip(channel).map(|(notification, channel)| {
            Route::of(&notification, channel, &settings.senders).map(|route| route.rate_key())
        });
        if let Some(Ok(rate_key)) = route {
            self.add(rate_key, CountedResults { bound, results });
        }
    }

    /// Writes what was counted, and pauses the routes that have passed the bound.
    pub(crate) async fn write(&self) {
        let counted = mem::take(&mut *self.unwritten());
        for (rate_key, counted) in counted {
            if let Err(error) = self.judge(counted.bound, &rate_key, counted.results).await {
                tracing::error!(error = %Chain(&error), "the results of a route were not counted");
                self.add(rate_key, counted);
            }
        }
    }

    fn add(&self, rate_key: String, counted: CountedResults) {
        let mut unwritten = self.unwritten();
        let of_route = unwritten.entry(rate_key);
        of_route.and_modify(|known| known.results.add(counted.results)).or_insert(counted);
    }

    async fn judge(&self, bound: FailureBound, rate_key: &str, results: RouteResults) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let counts = self.health.add(rate_key, results, now).await?;
        let Some(pause) = bound.pause(rate_key, counts, now).filter(|_| results.failures > 0) else { return Ok(()) };
        match self.pauses.pause(&pause).await {
            Ok(outcome) => log(&pause, &outcome),
            // The results are written: the next failure pauses the route.
            Err(error) => tracing::error!(error = %Chain(&error), "a route that fails was not paused"),
        }
        Ok(())
    }

    fn unwritten(&self) -> MutexGuard<'_, BTreeMap<String, CountedResults>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a status counts as: only the first final status of an attempt counts.
fn results_of(report: &MessageReport, before: &StoredNotification) -> Option<RouteResults> {
    let attempt = before.progress.attempts.get(report.attempt)?;
    let is_other_message = attempt.message_sid.as_ref().is_some_and(|sid| report.message_sid.as_ref() != Some(sid));
    if attempt.status.is_some() || is_other_message {
        return None;
    }
    let failures = match report.status.stage() {
        Stage::Underway => return None,
        Stage::Arrived => 0,
        Stage::Lost => u64::from(counts_as_failure(report.code)),
    };
    Some(RouteResults { attempts: 1, failures })
}

fn log(pause: &Pause, outcome: &PauseOutcome) {
    let (scope, reason) = (pause.scope.for_log(), pause.reason.as_deref());
    match outcome {
        PauseOutcome::Paused => tracing::error!(
            scope,
            reason,
            alarm = "automatic_pause",
            "a route was paused, because too many of its messages failed: `wa resume` ends the pause"
        ),
        PauseOutcome::AlreadyPaused(_) => {}
        PauseOutcome::Full => tracing::error!(
            scope,
            reason,
            alarm = "automatic_pause",
            "a route that fails was not paused, because there are {MAX_PAUSES} pauses already"
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_data::{MESSAGE_SID, attempt, stored_notification};

    fn report(sid: &str, status: &str, code: Option<u32>) -> MessageReport {
        MessageReport {
            attempt: 0,
            message_sid: Some(sid.parse().unwrap()),
            status: status.parse().unwrap(),
            code: code.map(|code| code.to_string().parse().unwrap()),
            reason: None,
        }
    }

    fn stored(status: Option<&str>) -> StoredNotification {
        let mut attempt = attempt("accepted", Some(MESSAGE_SID));
        if let Some(status) = status {
            attempt["status"] = json!(status);
        }
        stored_notification(&json!({"state": "accepted", "attempts": [attempt]}))
    }

    #[test]
    fn only_the_first_final_status_of_a_message_counts() {
        let other = "SM00000000000000000000000000000009";
        for (before, sid, status, code, expected) in [
            (None, MESSAGE_SID, "delivered", None, Some((1, 0))),
            (None, MESSAGE_SID, "read", None, Some((1, 0))),
            (None, MESSAGE_SID, "undelivered", Some(63024), Some((1, 1))),
            (None, MESSAGE_SID, "failed", None, Some((1, 1))),
            (None, MESSAGE_SID, "failed", Some(63018), Some((1, 0))),
            (None, MESSAGE_SID, "sent", None, None),
            (Some("delivered"), MESSAGE_SID, "read", None, None),
            (Some("failed"), MESSAGE_SID, "failed", Some(63024), None),
            (None, other, "failed", Some(63024), None),
        ] {
            let results = results_of(&report(sid, status, code), &stored(before));
            let counted = results.map(|results| (results.attempts, results.failures));
            assert_eq!(counted, expected, "{status} after {before:?}");
        }
    }
}
