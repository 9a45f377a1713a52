//! Twilio's limits on creating messages.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::api_error::ApiError;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// How much of its messages a WhatsApp sender's queue has room for, and how long a message stays in it. Source: Twilio,
/// "WhatsApp best practices and FAQs".
pub(crate) const WHATSAPP_QUEUE: SignedDuration = SignedDuration::from_hours(4);

/// The limits in effect; none for no limit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountLimits {
    /// Of one WhatsApp sender, in any period of one second.
    #[serde(default)]
    pub(crate) messages_per_second: Option<usize>,
    /// Calls that create a message at the same time, of the whole account.
    #[serde(default)]
    pub(crate) concurrent_requests: Option<usize>,
    #[serde(default = "fails")]
    on_excess: OnExcess,
}

/// A test that sets the limits without a choice wants to see a message fail.
fn fails() -> OnExcess {
    OnExcess::Fail
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self { messages_per_second: None, concurrent_requests: None, on_excess: OnExcess::Queue }
    }
}

/// What happens to a message over the limit of messages per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnExcess {
    /// It is accepted, and waits for its turn. Source: Twilio, "WhatsApp best practices and FAQs": messages over the throughput
    /// are queued.
    Queue,
    /// It is accepted, and fails. Source: Twilio, error 63018.
    Fail,
    /// It is refused. Source: Twilio, error 20429.
    Refuse,
}

/// The limits, and when the messages of the last second were sent and those in the queue will be.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    pub(crate) limits: AccountLimits,
    /// By sender, the oldest first.
    times: HashMap<String, VecDeque<Timestamp>>,
    /// The latest time that the clock had.
    latest: Timestamp,
}

impl Limiter {
    /// Forgets what was counted.
    pub(crate) fn forget_times(&mut self) {
        self.times.clear();
    }

    /// What happens to a sender's next message where it is over the limit. A message that fails or is refused does not count
    /// against the limit, since it is not sent.
    pub(crate) fn excess(&mut self, sender: &str, now: Timestamp) -> Option<OnExcess> {
        let limit = self.limits.messages_per_second?;
        self.forget_the_future(now);
        let times = self.times.entry(sender.to_owned()).or_default();
        while times.front().is_some_and(|at| now.duration_since(*at) >= SECOND) {
            times.pop_front();
        }
        (times.len() >= limit).then_some(self.limits.on_excess)
    }

    /// Forgets the messages that were counted when the clock was ahead: they would hold up all others until then.
    fn forget_the_future(&mut self, now: Timestamp) {
        if self.latest.duration_since(now) > SECOND {
            self.times.clear();
        }
        self.latest = now;
    }

    /// Counts a message, and gives the time at which it is sent.
    pub(crate) fn count(&mut self, sender: &str, now: Timestamp) -> Option<Timestamp> {
        let at = self.turn(sender, now)?;
        if self.limits.messages_per_second.is_some() {
            self.times.entry(sender.to_owned()).or_default().push_back(at);
        }
        Some(at)
    }

    /// Whether a sender's queue has no room for another message.
    pub(crate) fn is_queue_full(&self, sender: &str, now: Timestamp) -> bool {
        self.turn(sender, now).is_some_and(|turn| turn.duration_since(now) > WHATSAPP_QUEUE)
    }

    /// The time at which a sender's next message is sent: `now` within the limit, and otherwise the first second with room for
    /// it. None where the limit is 0.
    fn turn(&self, sender: &str, now: Timestamp) -> Option<Timestamp> {
        let Some(limit) = self.limits.messages_per_second else { return Some(now) };
        let times = self.times.get(sender);
        let Some(index) = times.map_or(0, VecDeque::len).checked_sub(limit) else { return Some(now) };
        Some(times?.get(index)?.saturating_add(SECOND).unwrap_or(Timestamp::MAX).max(now))
    }
}

/// Counts a call that creates a message, until it is answered or the caller closes the connection.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    pub(crate) fn enter(calls: &Arc<AtomicUsize>, limit: Option<usize>) -> Result<Self, ApiError> {
        let entered = Self(Arc::clone(calls));
        let others = calls.fetch_add(1, Ordering::Relaxed);
        if limit.is_some_and(|limit| others >= limit) { Err(ApiError::too_many_requests()) } else { Ok(entered) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_over_the_limit_in_any_second_are_excess() {
        let begin = Timestamp::UNIX_EPOCH;
        let mut limiter = Limiter {
            limits: serde_json::from_str(r#"{"messages_per_second": 2, "on_excess": "refuse"}"#).unwrap(),
            ..Limiter::default()
        };
        let mut send = |sender: &str, milliseconds: i64| {
            let now = begin + SignedDuration::from_millis(milliseconds);
            let excess = limiter.excess(sender, now);
            if excess.is_none() {
                limiter.count(sender, now);
            }
            excess
        };
        assert_eq!(
            [0, 500, 999, 1_000, 1_499].map(|at| send("a", at)).map(|excess| excess.is_some()),
            [false, false, true, false, true]
        );
        assert_eq!(send("a", 1_499), Some(OnExcess::Refuse));
        assert_eq!(send("b", 1_499), None, "each sender is counted separately");
    }

    #[test]
    fn queued_messages_are_sent_at_the_rate() {
        let at = |milliseconds: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_millis(milliseconds);
        let mut limiter = Limiter::default();
        limiter.limits.messages_per_second = Some(2);
        let mut sent = |milliseconds: i64| {
            let excess = limiter.excess("a", at(milliseconds));
            (excess.is_some(), limiter.count("a", at(milliseconds)))
        };
        assert_eq!(
            [0, 10, 20, 30, 40].map(&mut sent),
            [
                (false, Some(at(0))),
                (false, Some(at(10))),
                (true, Some(at(1_000))),
                (true, Some(at(1_010))),
                (true, Some(at(2_000))),
            ]
        );
        assert_eq!(sent(2_500), (false, Some(at(2_500))));
        assert_eq!(sent(2_600), (true, Some(at(3_000))));
        limiter.limits.messages_per_second = Some(0);
        assert_eq!((limiter.excess("b", at(0)), limiter.count("b", at(0))), (Some(OnExcess::Queue), None));
    }

    #[test]
    fn messages_of_a_clock_that_was_ahead_hold_up_no_others() {
        let mut limiter = Limiter::default();
        limiter.limits.messages_per_second = Some(1);
        let tomorrow = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24);
        assert_eq!((limiter.excess("a", tomorrow), limiter.count("a", tomorrow)), (None, Some(tomorrow)));
        assert_eq!(limiter.excess("a", tomorrow), Some(OnExcess::Queue));
        assert_eq!(limiter.excess("a", Timestamp::UNIX_EPOCH), None, "the clock is back");
        assert_eq!(limiter.count("a", Timestamp::UNIX_EPOCH), Some(Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn queue_has_room_for_the_messages_of_four_hours() {
        let mut limiter = Limiter::default();
        limiter.limits.messages_per_second = Some(2);
        let mut accepted = 0;
        while !limiter.is_queue_full("a", Timestamp::UNIX_EPOCH) {
            limiter.count("a", Timestamp::UNIX_EPOCH);
            accepted += 1;
        }
        // Those of the first second are not in the queue.
        assert_eq!(accepted, 2 + 2 * 4 * 60 * 60);
        assert!(!limiter.is_queue_full("a", Timestamp::UNIX_EPOCH + SECOND));
        assert!(!limiter.is_queue_full("b", Timestamp::UNIX_EPOCH), "each sender has its own queue");
        limiter.limits.messages_per_second = Some(0);
        assert!(
            !limiter.is_queue_full("c", Timestamp::UNIX_EPOCH),
            "with a limit of 0 messages wait until they expire"
        );
    }

    #[test]
    fn there_is_no_limit_by_default() {
        let (mut limiter, now) = (Limiter::default(), Timestamp::UNIX_EPOCH);
        for _ in 0..1_000 {
            assert_eq!(limiter.excess("a", now), None);
            assert_eq!(limiter.count("a", now), Some(now));
        }
        assert!(limiter.times.is_empty());
        assert_eq!(
            serde_json::from_str::<AccountLimits>(r#"{"messages_per_second": null}"#).unwrap().on_excess,
            OnExcess::Fail
        );
        assert!(serde_json::from_str::<AccountLimits>(r#"{"messages_per_minute": 1}"#).is_err());
    }
}
