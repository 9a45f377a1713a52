//! Twilio's limits on creating messages.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::api_error::ApiError;

const SECOND: Duration = Duration::from_secs(1);

/// The limits in effect; none for no limit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountLimits {
    /// Of one WhatsApp sender, in any period of one second.
    #[serde(default)]
    pub(crate) messages_per_second: Option<usize>,
    /// Calls that create a message at the same time, of the whole account.
    #[serde(default)]
    pub(crate) concurrent_requests: Option<usize>,
    #[serde(default)]
    on_excess: OnExcess,
}

/// What happens to a message over the limit of messages per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnExcess {
    /// It is accepted, and fails. Source: Twilio, error 63018.
    #[default]
    Fail,
    /// It is refused. Source: Twilio, error 20429.
    Refuse,
}

/// The limits, and the messages of the last second that were within them.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    pub(crate) limits: AccountLimits,
    /// By sender, the oldest first.
    passed: HashMap<String, VecDeque<Instant>>,
}

impl Limiter {
    /// What happens to a sender's next message where it is over the limit. A message that fails or is refused does not count
    /// against the limit, since it is not sent.
    pub(crate) fn excess(&mut self, sender: &str, now: Instant) -> Option<OnExcess> {
        let limit = self.limits.messages_per_second?;
        let passed = self.passed.entry(sender.to_owned()).or_default();
        while passed.front().is_some_and(|at| now.duration_since(*at) >= SECOND) {
            passed.pop_front();
        }
        (passed.len() >= limit).then_some(self.limits.on_excess)
    }

    /// Counts a message that is within the limit.
    pub(crate) fn count(&mut self, sender: &str, now: Instant) {
        if self.limits.messages_per_second.is_some() {
            self.passed.entry(sender.to_owned()).or_default().push_back(now);
        }
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
        let begin = Instant::now();
        let mut limiter = Limiter {
            limits: serde_json::from_str(r#"{"messages_per_second": 2, "on_excess": "refuse"}"#).unwrap(),
            ..Limiter::default()
        };
        let mut send = |sender: &str, milliseconds: u64| {
            let now = begin + Duration::from_millis(milliseconds);
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
    fn there_is_no_limit_by_default() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        for _ in 0..1_000 {
            assert_eq!(limiter.excess("a", now), None);
            limiter.count("a", now);
        }
        assert!(limiter.passed.is_empty());
        assert_eq!(
            serde_json::from_str::<AccountLimits>(r#"{"messages_per_second": null}"#).unwrap().on_excess,
            OnExcess::Fail
        );
        assert!(serde_json::from_str::<AccountLimits>(r#"{"messages_per_minute": 1}"#).is_err());
    }
}
