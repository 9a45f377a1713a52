//! When the failures of a route pause it: the last resort against a runaway producer and a toll fraud that no other rule
//! has stopped.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use twilio_types::error_code::{Class, ErrorCode};

use crate::{
    failure_response::NOT_DELIVERED_BY_CHOICE,
    json_fields::{InvalidWholeNumber, whole_number},
    pause::{Pause, PauseScope},
};

/// The policy's field `pause_on_failures`: a route is paused when at least this share of its messages has failed.
///
/// Off by default. A pause holds every category of the sender, one-time passwords included, and a person has to end it: a
/// deployment whose operators do not know the rule would turn a part that fails into a whole that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenFailureBound")]
pub struct FailureBound {
    share_percent: u32,
    /// The messages that a share needs: of two messages, one that failed says nothing.
    at_least: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFailureBound {
    share_percent: Value,
    at_least: Value,
}

impl TryFrom<WrittenFailureBound> for FailureBound {
    type Error = InvalidWholeNumber;

    fn try_from(written: WrittenFailureBound) -> Result<Self, InvalidWholeNumber> {
        Ok(Self {
            share_percent: whole_number("share_percent", &written.share_percent, Self::SHARES)?,
            at_least: whole_number("at_least", &written.at_least, Self::MESSAGES)?,
        })
    }
}

/// The results of messages of one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteResults {
    /// Messages whose first final status was reported.
    pub attempts: u64,
    pub failures: u64,
}

/// What was counted of a route since a time: an hour ago at most, and after it was resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteCounts {
    pub since: Timestamp,
    pub results: RouteResults,
}

impl RouteResults {
    pub fn add(&mut self, other: Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.failures = self.failures.saturating_add(other.failures);
    }
}

impl FailureBound {
    const SHARES: RangeInclusive<u32> = 1..=100;
    const MESSAGES: RangeInclusive<u32> = 1..=1_000_000;

    /// The pause of a route that has failed too often; none if it has not.
    pub fn pause(self, rate_key: &str, counts: RouteCounts, now: Timestamp) -> Option<Pause> {
        let RouteCounts { since, results: RouteResults { attempts, failures } } = counts;
        let Self { share_percent, at_least } = self;
        let is_passed = attempts >= u64::from(at_least)
            && failures.saturating_mul(100) >= attempts.saturating_mul(u64::from(share_percent));
        is_passed.then(|| Pause {
            scope: PauseScope::Sender(rate_key.to_owned()),
            since: now,
            by: None,
            reason: Some(format!(
                "{failures} of {attempts} messages failed since {since:.0}; the bound is {share_percent} % of at \
                 least {at_least}"
            )),
            is_automatic: true,
        })
    }
}

/// Whether a failure with this code says that something is wrong with what the route sends. Recipients that do not exist
/// count, because invented numbers are the sign of a toll fraud and of a producer that has gone wrong. These do not count:
///
/// - What is tried again and passes by itself: a temporary fault, too many requests, a person who was not reachable within
///   the validity period. An outage would otherwise pause the route, and the route would stay paused after it.
/// - An opt-out is a person's decision, which suppresses the next message by itself.
/// - Meta's limit on the marketing of all businesses to one person (63049), which may refuse most of a good campaign.
pub fn counts_as_failure(code: Option<ErrorCode>) -> bool {
    let Some(code) = code else { return true };
    let passes = matches!(
        code.class(),
        Class::Retry
            | Class::SlowDown
            | Class::Expired
            | Class::OptedOut
            | Class::OptedOutOfMarketing
            | Class::Information
    );
    !passes && code.get() != NOT_DELIVERED_BY_CHOICE
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SENDER: &str = "whatsapp:+14155238886";

    fn bound(share_percent: u32, at_least: u32) -> FailureBound {
        serde_json::from_value(json!({"share_percent": share_percent, "at_least": at_least})).unwrap()
    }

    fn pause(bound: FailureBound, attempts: u64, failures: u64) -> Option<Pause> {
        let since = "2026-11-25T10:00:00Z".parse().unwrap();
        let now = "2026-11-25T10:20:00Z".parse().unwrap();
        bound.pause(SENDER, RouteCounts { since, results: RouteResults { attempts, failures } }, now)
    }

    #[test]
    fn route_is_paused_from_the_share_on_if_enough_was_sent() {
        for (attempts, failures, is_paused) in [
            (100, 50, true),
            (101, 51, true),
            (100, 49, false),
            (101, 50, false),
            (99, 99, false),
            (0, 0, false),
            (1_000_000, 500_000, true),
        ] {
            assert_eq!(pause(bound(50, 100), attempts, failures).is_some(), is_paused, "{failures} of {attempts}");
        }
        assert!(pause(bound(100, 1), 1, 1).is_some());
        assert!(pause(bound(1, 1), u64::MAX, u64::MAX).is_some());
    }

    #[test]
    fn automatic_pause_names_the_route_and_its_counts() {
        let pause = pause(bound(50, 100), 110, 60).unwrap();
        assert_eq!(pause.scope.to_string(), format!("sender#{SENDER}"));
        assert!(pause.is_automatic && pause.by.is_none());
        let expected = "60 of 110 messages failed since 2026-11-25T10:00:00Z; the bound is 50 % of at least 100";
        assert_eq!(pause.reason.as_deref(), Some(expected));
    }

    #[test]
    fn failures_that_pass_and_decisions_of_people_do_not_count() {
        for (code, counts) in [
            (None, true),
            // Recipients that do not exist, or are not on the channel.
            (Some(21211), true),
            (Some(30005), true),
            (Some(63024), true),
            // Blocked, and fraud.
            (Some(30007), true),
            (Some(30450), true),
            // Not in the table.
            (Some(99_999), true),
            // Temporary, too fast, not in time.
            (Some(63018), false),
            (Some(20429), false),
            (Some(30036), false),
            // Opt-outs, and Meta's limit on marketing.
            (Some(21610), false),
            (Some(63050), false),
            (Some(63049), false),
        ] {
            let code = code.map(|code: u32| code.to_string().parse().unwrap());
            assert_eq!(counts_as_failure(code), counts, "{code:?}");
        }
    }

    #[test]
    fn bound_out_of_range_is_refused_by_name() {
        for (written, expected) in [
            (json!({"share_percent": 0, "at_least": 1}), "share_percent: expected a whole number from 1 to 100"),
            (json!({"share_percent": 101, "at_least": 1}), "share_percent: expected a whole number from 1 to 100"),
            (json!({"share_percent": 50, "at_least": 0}), "at_least: expected a whole number from 1 to 1000000"),
            (json!({"share_percent": 50}), "missing field `at_least`"),
            (json!({"share_percent": 50, "at_least": 1, "per": "day"}), "unknown field `per`"),
        ] {
            let error = serde_json::from_value::<FailureBound>(written.clone()).unwrap_err().to_string();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }
}
