//! Inbound messages that could not be recorded: each is fetched again by its SID, later and later.

use domain::trace_id::TraceId;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use shared::{log::traced, report::Chain, twilio::AccountCallError};
use stores::sweeps::PostponedMessage;
use twilio_client::{MessageResource, TwilioError};
use twilio_types::sid::MessageSid;

use crate::{
    Budget, ReconcileFunction,
    account::{Account, AccountSweep, Stop},
    inbound::CONCURRENT_WRITES,
    reading::oldest,
    report::Outcome,
    restore::Restored,
};

/// As many as an item of the `RateLimits` table can hold, beside the marks.
const MAX_POSTPONED: usize = 1_000;

/// From this number of failures on, about five hours, an operator has to look.
const MANY_FAILURES: u32 = 6;

const NOT_FOUND: u16 = 404;

/// How long after this number of failures something is tried again: 5, 10, 20 minutes and so on, at most six hours.
pub(crate) fn retry_delay(failures: u32) -> SignedDuration {
    const FIRST: SignedDuration = SignedDuration::from_mins(5);
    const LONGEST: SignedDuration = SignedDuration::from_hours(6);
    let doubled = 2_i32.checked_pow(failures.saturating_sub(1)).and_then(|factor| FIRST.checked_mul(factor));
    doubled.unwrap_or(LONGEST).min(LONGEST)
}

/// The time after a delay.
pub(crate) fn later(now: Timestamp, delay: SignedDuration) -> Timestamp {
    now.saturating_add(delay).unwrap_or(Timestamp::MAX)
}

impl AccountSweep {
    /// Counts a message, and keeps it for later if it was not recorded. Without room for it the list must not be read on.
    pub(crate) fn count(&mut self, sid: &MessageSid, restored: Restored) -> Result<(), Stop> {
        match restored {
            Restored::Recorded | Restored::Duplicate => {
                self.report.inbound_recovered += usize::from(restored == Restored::Recorded);
                self.postponed.remove(sid);
            }
            Restored::Postponed => return self.postpone(sid),
        }
        Ok(())
    }

    fn postpone(&mut self, sid: &MessageSid) -> Result<(), Stop> {
        // A page is sometimes read twice, which is no second failure.
        let is_waiting = self.postponed.get(sid).is_some_and(|postponed| postponed.retry_at > self.now);
        if is_waiting {
            return Ok(());
        }
        if self.postponed.len() >= MAX_POSTPONED && !self.postponed.contains_key(sid) {
            tracing::error!(alarm = "reconcile", "too many inbound messages are postponed: lists are not read on");
            return Err(Stop::Paused(Outcome::TooManyPostponed));
        }
        let now = self.now;
        let postponed =
            self.postponed.entry(sid.clone()).or_insert(PostponedMessage { found_at: now, failures: 0, retry_at: now });
        postponed.failures = postponed.failures.saturating_add(1);
        postponed.retry_at = later(now, retry_delay(postponed.failures));
        let PostponedMessage { failures, retry_at, .. } = *postponed;
        let _trace = traced(&TraceId::of_message(&self.report.account_sid, sid)).entered();
        if failures < MANY_FAILURES {
            tracing::warn!(message_sid = %sid, failures, %retry_at, "an inbound message cannot be recorded, and is postponed");
        } else {
            tracing::error!(
                message_sid = %sid, failures, %retry_at, alarm = "reconcile",
                "an inbound message still cannot be recorded, and is postponed"
            );
        }
        Ok(())
    }

    /// Those whose time has come.
    fn due_again(&mut self) -> Vec<MessageSid> {
        let oldest = oldest(self.now);
        let account_sid = &self.report.account_sid;
        self.postponed.retain(|sid, postponed| {
            let is_kept = postponed.found_at >= oldest;
            if !is_kept {
                let _trace = traced(&TraceId::of_message(account_sid, sid)).entered();
                tracing::error!(message_sid = %sid, alarm = "reconcile", "an inbound message was never recorded, and is given up");
            }
            is_kept
        });
        let due = self.postponed.iter().filter(|(_, postponed)| postponed.retry_at <= self.now);
        due.map(|(sid, _)| sid.clone()).collect()
    }
}

impl ReconcileFunction {
    /// Fetches the postponed messages whose time has come, and records them.
    pub(crate) async fn retry_postponed(
        &self,
        account: &Account,
        sweep: &mut AccountSweep,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let due = sweep.due_again();
        let fetch = async |sid: MessageSid| {
            budget.request()?;
            let fetched =
                self.twilio.call(&account.sid, budget.deadline(), async |twilio| twilio.fetch(&sid).await).await;
            let trace = traced(&TraceId::of_message(&account.sid, &sid));
            let again = trace.in_scope(|| Again::of(&sid, fetched))?;
            Ok::<_, Stop>((again, sid))
        };
        let fetched: Vec<_> = stream::iter(due).map(fetch).buffered(CONCURRENT_WRITES).try_collect().await?;
        let mut found = Vec::new();
        for (again, sid) in fetched {
            match again {
                Again::Found(message) => found.push(message),
                Again::Deleted => drop(sweep.postponed.remove(&sid)),
                Again::Failed => sweep.count(&sid, Restored::Postponed)?,
            }
        }
        let found = sweep.with_text(found.iter().map(Box::as_ref).collect());
        for (sid, restored) in self.restore_all(account, found, budget).await? {
            sweep.count(&sid, restored)?;
        }
        Ok(())
    }
}

/// A postponed message, fetched again.
#[derive(Debug)]
enum Again {
    Found(Box<MessageResource>),
    Deleted,
    Failed,
}

impl Again {
    fn of(sid: &MessageSid, fetched: Result<MessageResource, AccountCallError>) -> Result<Self, Stop> {
        match fetched {
            Ok(message) => Ok(Self::Found(Box::new(message))),
            Err(AccountCallError::Twilio(TwilioError::Rejected(refusal))) if refusal.status == NOT_FOUND => {
                tracing::warn!(message_sid = %sid, "a postponed inbound message was deleted at Twilio");
                Ok(Self::Deleted)
            }
            Err(error @ AccountCallError::Twilio(TwilioError::Rejected(_) | TwilioError::Unknown { .. })) => {
                tracing::warn!(message_sid = %sid, error = %Chain(&error), "a postponed inbound message cannot be fetched");
                Ok(Self::Failed)
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_that_fails_is_tried_later_and_later() {
        let minutes: Vec<i64> = (1..=9).map(|failures| retry_delay(failures).as_mins()).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 360, 360]);
        assert_eq!(retry_delay(u32::MAX).as_hours(), 6);
    }
}
