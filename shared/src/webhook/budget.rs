//! How long the parts of a webhook may last.
//!
//! DynamoDB answers within some 10 ms. What it has not stored after two attempts of 1.3 s is spooled, for which SQS has as long.
//! SQS answers as fast, so a spooled callback of ours is answered before Twilio sends it again, after 4.5 s. If SQS hangs too, the
//! answer is an error, in less than half of the 15 s for which Twilio waits.

use std::time::Duration;

use domain::callback_url::READ_TIMEOUT;

use crate::{
    aws::WEBHOOK_OPERATION_TIMEOUT,
    deadline::{ANSWER_RESERVE, Deadline},
};

/// Twilio waits this long for an answer, and then takes the webhook for failed. Source: Twilio, "Webhooks: Connection
/// overrides", read timeout (`rt`).
const TWILIO_READ_TIMEOUT: Duration = Duration::from_secs(15);

/// For all requests with which a webhook is stored: most need one.
pub(crate) const STORE_BUDGET: Duration = WEBHOOK_OPERATION_TIMEOUT;
/// For the one request with which a webhook is spooled.
const SPOOL_BUDGET: Duration = WEBHOOK_OPERATION_TIMEOUT;

const _: () = {
    let stored = STORE_BUDGET.as_millis() + ANSWER_RESERVE.as_millis();
    assert!(stored < READ_TIMEOUT.as_millis(), "a spooled callback is answered before it is sent again");
    assert!(2 * (stored + SPOOL_BUDGET.as_millis()) < TWILIO_READ_TIMEOUT.as_millis(), "far below Twilio's limit");
};

/// The time of one webhook.
#[derive(Debug, Clone, Copy)]
pub(super) struct WebhookBudget {
    answer: Deadline,
    /// Whether there is a spool, for which time is left.
    has_spool: bool,
}

impl WebhookBudget {
    /// The answer is due before the invocation ends, and before Twilio gives up, also if the function's timeout is longer.
    pub(super) fn of_invocation(deadline_ms: u64, has_spool: bool) -> Self {
        let twilio = Deadline::after(TWILIO_READ_TIMEOUT).before(ANSWER_RESERVE);
        Self { answer: Deadline::of_answer(deadline_ms).min(twilio), has_spool }
    }

    /// Until then the webhook is verified. Keys that are read again may need seconds.
    pub(super) fn verified_by(self) -> Deadline {
        if self.has_spool { self.answer.before(SPOOL_BUDGET) } else { self.answer }
    }

    /// Until then a webhook that is verified now is stored.
    pub(super) fn stored_by(self) -> Deadline {
        if self.has_spool { Deadline::after(STORE_BUDGET).min(self.verified_by()) } else { self.answer }
    }

    /// Until then a webhook that is not stored now is spooled.
    pub(super) fn spooled_by(self) -> Deadline {
        Deadline::after(SPOOL_BUDGET).min(self.answer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn budget(left: Duration, has_spool: bool) -> WebhookBudget {
        let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + left;
        WebhookBudget::of_invocation(u64::try_from(end.as_millis()).unwrap(), has_spool)
    }

    /// The time that is left, in tenths of a second, which no slow test run changes.
    fn tenths(deadline: Deadline) -> u128 {
        (deadline.remaining().as_millis() + 50) / 100
    }

    #[test]
    fn storing_leaves_time_for_the_spool_and_the_answer() {
        let of_http = budget(Duration::from_secs(10), true);
        assert_eq!([of_http.verified_by(), of_http.stored_by(), of_http.spooled_by()].map(tenths), [65, 30, 30]);
        let late = budget(Duration::from_secs(5), true);
        assert_eq!([late.verified_by(), late.stored_by(), late.spooled_by()].map(tenths), [15, 15, 30]);
        let over = budget(Duration::from_millis(1_500), true);
        assert_eq!([over.verified_by(), over.stored_by(), over.spooled_by()].map(tenths), [0, 0, 10]);
    }

    #[test]
    fn without_a_spool_storing_has_the_whole_time() {
        assert_eq!(tenths(budget(Duration::from_secs(10), false).stored_by()), 95);
        assert_eq!(tenths(budget(Duration::from_mins(1), false).stored_by()), 145, "Twilio waits no longer");
    }
}
