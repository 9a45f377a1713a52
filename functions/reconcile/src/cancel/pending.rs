//! Cancellations that failed: kept, and tried again later and later.

use domain::contact_key::ContactKey;
use jiff::{SignedDuration, Timestamp};
use shared::{deadline::Deadline, log::loggable_event_id, report::Chain};
use stores::{
    dynamodb::StoreError,
    pending_cancellations::{PendingCancellation, PendingOutcome},
};

use super::OptOut;
use crate::{
    Budget, ReconcileError, ReconcileFunction,
    account::{Account, Stop},
    budget::Share,
    postponed::{later, retry_delay},
};

/// From this number of failures on an operator has to look.
const MANY_FAILURES: u32 = 3;

/// How many people of an account are tried again in one run.
const MAX_RETRIES: usize = 50;

/// Twilio schedules messages at most 35 days ahead: after that there is nothing left to cancel.
///
/// Source: Twilio, "Message scheduling".
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(35 * 24);

impl ReconcileFunction {
    /// Tries those again whose time has come.
    pub(crate) async fn cancel_pending(
        &self,
        account: &Account,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        let pending = self.cancellations.of(&account.sid).await?;
        let mut due: Vec<_> = pending.into_iter().filter(|(_, pending)| pending.retry_at <= now).collect();
        due.sort_by_key(|(_, pending)| pending.retry_at);
        due.truncate(MAX_RETRIES);
        let mut left = due.len();
        for (address, PendingCancellation { opt_out: change, failures, .. }) in due {
            let home = ContactKey::stored(&format!("{}#{address}", account.sid));
            let opt_out = OptOut { home, account: Account { sid: account.sid.clone() }, change };
            let share = Budget::new(0, deadline).share(Share::one_of(left)).deadline();
            left -= 1;
            let cancelled = self.cancel_within(&opt_out, share).await;
            let is_over = now.duration_since(opt_out.change.at) > GIVE_UP_AFTER;
            match cancelled {
                Err(error) if !is_over => {
                    self.keep_for_later(&opt_out, failures.saturating_add(1), &error, now).await?;
                }
                _ => self.cancellations.remove(&account.sid, &address, &opt_out.change.event_id).await?,
            }
        }
        Ok(())
    }

    pub(super) async fn keep_for_later(
        &self,
        opt_out: &OptOut,
        failures: u32,
        error: &ReconcileError,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let retry_at = later(now, retry_delay(failures));
        let pending = PendingCancellation { opt_out: opt_out.change.clone(), failures, retry_at };
        let event_id = loggable_event_id(&opt_out.change.event_id);
        match self.cancellations.keep(&opt_out.account.sid, &opt_out.home, &pending).await? {
            PendingOutcome::Kept => {}
            PendingOutcome::Full => return Err(StoreError::contended("keeping a cancellation for later")),
        }
        if failures < MANY_FAILURES {
            tracing::warn!(
                event_id, failures, %retry_at, error = %Chain(error),
                "the scheduled messages of a person who opted out are not cancelled yet, and are tried again"
            );
        } else {
            tracing::error!(
                event_id, failures, %retry_at, error = %Chain(error), alarm = "cancel",
                "the scheduled messages of a person who opted out are still not cancelled, and are tried again"
            );
        }
        Ok(())
    }
}
