//! How fast a sender may send, and how often it may write to one person: token buckets as pure arithmetic.
//!
//! Both use the generic cell rate algorithm (ITU-T I.371). A bucket is one number, the theoretical arrival time
//! (`tat`): when the next message would be due if all messages came evenly. A reservation of n messages starts at
//! `tat`, or now if the bucket was idle, gives the messages times one interval apart, and moves `tat` n intervals on.
//! So each message of a batch has its own time, and a batch is not sent as a burst. `stores::rate_limits` describes how
//! several functions share a bucket.
//!
//! Times are microseconds since 1970.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use crate::json_fields::{InvalidWholeNumber, whole_number};

/// How fast a sender may send: two numbers, each of them in [`RateLimit::ALLOWED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenRateLimit")]
pub struct RateLimit {
    per_second: u32,
    burst: u32,
}

/// A rate limit as a policy states it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRateLimit {
    per_second: Value,
    #[serde(default = "one")]
    burst: Value,
}

fn one() -> Value {
    1.into()
}

/// A number of a rate limit is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct InvalidRateLimit(#[from] InvalidWholeNumber);

impl TryFrom<WrittenRateLimit> for RateLimit {
    type Error = InvalidRateLimit;

    fn try_from(written: WrittenRateLimit) -> Result<Self, InvalidRateLimit> {
        Ok(Self {
            per_second: whole_number("per_second", &written.per_second, Self::ALLOWED)?,
            burst: whole_number("burst", &written.burst, Self::ALLOWED)?,
        })
    }
}

/// Source: Twilio, "WhatsApp best practices and FAQs": 80 messages a second by default, up to 400 for text on request.
impl Default for RateLimit {
    fn default() -> Self {
        Self { per_second: 80, burst: 1 }
    }
}

/// A sender's bucket, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Bucket {
    /// The theoretical arrival time of the next message.
    #[serde(default)]
    pub tat: i64,
    /// When Twilio last refused a message because of the rate.
    #[serde(default)]
    pub throttled_at: Option<i64>,
    /// The rate that was left then, in thousandths of a message a second.
    #[serde(default)]
    pub throttled_rate: Option<i64>,
    /// The time after the last plan of each lane; see [`crate::planning`].
    #[serde(default)]
    pub plan_urgent: i64,
    #[serde(default)]
    pub plan_standard: i64,
    #[serde(default)]
    pub plan_marketing: i64,
}

/// Times for messages, one interval apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    pub first: i64,
    pub interval: i64,
    pub count: usize,
}

impl Reservation {
    /// The time of the message with this index, from 0.
    pub fn at(&self, index: usize) -> i64 {
        self.first.saturating_add(self.interval.saturating_mul(i64::try_from(index).unwrap_or(i64::MAX)))
    }

    /// The theoretical arrival time after all messages.
    pub fn end(&self) -> i64 {
        self.at(self.count)
    }

    /// The times of all messages.
    pub fn times(&self) -> impl Iterator<Item = i64> {
        let reservation = *self;
        (0..reservation.count).map(move |index| reservation.at(index))
    }

    /// The same number of times, moved so that they end here.
    #[must_use]
    pub fn ending_at(self, end: i64) -> Self {
        Self { first: self.first.saturating_add(end.saturating_sub(self.end())), ..self }
    }
}

/// In microseconds.
pub const SECOND: i64 = 1_000_000;

/// The part of a limit that is used. A request to Twilio takes 20 to 50 ms, so evenly sent messages arrive unevenly.
/// The remaining 4 % keep the arrivals of every second below the limit.
const USED_PERCENT: i64 = 96;

/// A halved rate is regained in this time: additive increase, multiplicative decrease, as TCP does it.
const RECOVERY: i64 = 300 * SECOND;
/// The lowest rate: one message in ten seconds still finds out whether Twilio accepts more.
const SLOWEST: i64 = 100;

impl RateLimit {
    /// The numbers that a rate limit may have.
    ///
    /// The highest is ten times what WhatsApp allows a phone number (Meta, "Cloud API: throughput"), since a Messaging
    /// Service can have several. At this rate the interval is 104 microseconds: it is never 0, and its rounding stays
    /// within what [`USED_PERCENT`] leaves of the limit.
    pub const ALLOWED: RangeInclusive<u32> = 1..=10_000;

    /// A rate limit of `per_second` messages a second, of which `burst` may go out at once after a pause. Twilio counts the
    /// messages of a second, so that a larger burst leaves less of the limit for the rest of the second.
    pub fn new(per_second: u32, burst: u32) -> Result<Self, InvalidRateLimit> {
        WrittenRateLimit { per_second: per_second.into(), burst: burst.into() }.try_into()
    }

    /// Messages a second.
    pub fn per_second(self) -> u32 {
        self.per_second
    }

    fn limit(self) -> i64 {
        i64::from(self.per_second) * 1_000
    }

    /// The rate in thousandths of a message a second: the configured limit, or less for some minutes after Twilio
    /// refused messages because of the rate.
    pub fn rate(self, bucket: &Bucket, now: i64) -> i64 {
        let (Some(at), Some(left)) = (bucket.throttled_at, bucket.throttled_rate) else { return self.limit() };
        let elapsed = now.saturating_sub(at).clamp(0, RECOVERY);
        let regained = i128::from(self.limit()) * i128::from(elapsed) / i128::from(RECOVERY);
        left.saturating_add(i64::try_from(regained).unwrap_or(i64::MAX)).clamp(SLOWEST.min(self.limit()), self.limit())
    }

    /// The rate that is left after Twilio refused the present one.
    pub fn halved_rate(self, bucket: &Bucket, now: i64) -> i64 {
        (self.rate(bucket, now) / 2).max(SLOWEST)
    }

    /// Microseconds between two messages.
    pub fn interval(self, bucket: &Bucket, now: i64) -> i64 {
        1_000 * SECOND * 100 / (self.rate(bucket, now) * USED_PERCENT)
    }

    /// The earliest time at which a reservation of an idle bucket starts: before now by the burst that it has saved.
    pub fn floor(self, interval: i64, now: i64) -> i64 {
        now.saturating_sub(i64::from(self.burst - 1).saturating_mul(interval))
    }

    /// Reserves times for at most `wanted` messages, none of them later than `max_wait` from now. The error is the time
    /// from which at least one would fit.
    pub fn reserve(self, bucket: &Bucket, now: i64, wanted: usize, max_wait: i64) -> Result<Reservation, i64> {
        let interval = self.interval(bucket, now);
        let first = bucket.tat.max(self.floor(interval, now));
        let last = now.saturating_add(max_wait);
        if first > last {
            return Err(now.saturating_add(first - last));
        }
        let fitting = usize::try_from((last - first) / interval).unwrap_or(usize::MAX).saturating_add(1);
        Ok(Reservation { first, interval, count: fitting.min(wanted) })
    }
}

/// The interval between two messages of a sender to one recipient. Source: Meta, "Cloud API: pair rate limits": one
/// message in 6 seconds.
pub const SENDER_RECIPIENT_INTERVAL: i64 = 6 * SECOND;
/// Source: as above: a burst of up to 45 messages in 6 seconds, for which the sender pays with longer intervals later.
const SENDER_RECIPIENT_BURST: i64 = 45;
/// After this time the bucket of a sender and a recipient is full again and need not be stored.
pub const SENDER_RECIPIENT_RETENTION: jiff::SignedDuration =
    jiff::SignedDuration::from_secs(SENDER_RECIPIENT_BURST * 6 + 60);

/// Reserves one message of a sender to one recipient. Gives the new theoretical arrival time; the error is the time
/// from which a message would fit.
pub fn reserve_sender_recipient(tat: Option<i64>, now: i64) -> Result<i64, i64> {
    let oldest = now - (SENDER_RECIPIENT_BURST - 1) * SENDER_RECIPIENT_INTERVAL;
    let due = tat.unwrap_or(oldest).max(oldest);
    if due > now { Err(due) } else { Ok(due + SENDER_RECIPIENT_INTERVAL) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_790_000_000 * SECOND;

    fn limit(per_second: u32, burst: u32) -> RateLimit {
        RateLimit::new(per_second, burst).unwrap()
    }

    /// The most messages within one second.
    fn busiest_second(times: &[i64]) -> usize {
        let within = |start: &i64| times.iter().filter(|time| (*start..*start + SECOND).contains(time)).count();
        times.iter().map(within).max().unwrap_or_default()
    }

    /// The times of messages from a queue that is never empty, reserved batch by batch.
    fn served(limit: RateLimit, batches: usize, batch: usize) -> Vec<i64> {
        let (mut bucket, mut now, mut times) = (Bucket::default(), NOW, Vec::new());
        for _ in 0..batches {
            match limit.reserve(&bucket, now, batch, SECOND) {
                Ok(reservation) => {
                    times.extend((0..reservation.count).map(|index| reservation.at(index).max(now)));
                    bucket.tat = reservation.end();
                }
                Err(until) => now = until,
            }
        }
        times
    }

    #[test]
    fn reservation_moved_to_an_end_keeps_its_times_apart() {
        let moved = Reservation { first: 10, interval: 5, count: 3 }.ending_at(100);
        assert_eq!((moved.times().collect::<Vec<_>>(), moved.end()), (vec![85, 90, 95], 100));
    }

    #[test]
    fn no_second_exceeds_the_limit_and_95_percent_are_used() {
        for per_second in [1_u16, 80, 400] {
            let times = served(limit(per_second.into(), 1), 2_000, 10);
            assert!(busiest_second(&times) <= per_second.into(), "{per_second}");
            let span = times[times.len() - 1] - times[0];
            let used = i64::try_from(times.len() - 1).unwrap() * SECOND * 100 / span;
            assert!(used >= i64::from(per_second) * 95, "{per_second}: {used} hundredths of a message a second");
        }
    }

    #[test]
    fn a_pause_saves_at_most_a_burst() {
        let reservation = limit(80, 5).reserve(&Bucket::default(), NOW, 10, SECOND).unwrap();
        assert_eq!((0..10).filter(|index| reservation.at(*index) <= NOW).count(), 5);
        let reservation = limit(80, 1).reserve(&Bucket::default(), NOW, 10, SECOND).unwrap();
        assert_eq!((0..10).filter(|index| reservation.at(*index) <= NOW).count(), 1);
    }

    #[test]
    fn a_full_bucket_says_when_it_has_room() {
        let full = Bucket { tat: NOW + 3 * SECOND, ..Bucket::default() };
        assert_eq!(limit(80, 1).reserve(&full, NOW, 10, SECOND), Err(NOW + 2 * SECOND));
        let slow = limit(1, 1).reserve(&Bucket::default(), NOW, 10, 2 * SECOND).unwrap();
        assert_eq!(reserved_times(slow).len(), 2, "the rest has to wait");
    }

    fn reserved_times(reservation: Reservation) -> Vec<i64> {
        (0..reservation.count).map(|index| reservation.at(index)).collect()
    }

    #[test]
    fn a_rate_is_halved_at_once_and_regained_slowly() {
        let limit = limit(80, 1);
        let fresh = Bucket::default();
        assert_eq!(limit.halved_rate(&fresh, NOW), 40_000);
        let throttled = Bucket { throttled_at: Some(NOW), throttled_rate: Some(40_000), ..fresh };
        let rates = [0, 75, 150, 300, 9_999].map(|seconds| limit.rate(&throttled, NOW + seconds * SECOND));
        assert_eq!(rates, [40_000, 60_000, 80_000, 80_000, 80_000]);
        let again = limit.halved_rate(&throttled, NOW);
        assert_eq!(again, 20_000);
        let lowest = (0..40)
            .fold(throttled, |bucket, _| Bucket { throttled_rate: Some(limit.halved_rate(&bucket, NOW)), ..bucket });
        assert_eq!(limit.rate(&lowest, NOW), SLOWEST);
    }

    #[test]
    fn a_recipient_gets_45_messages_and_then_one_in_6_seconds() {
        let (mut tat, mut sent) = (None, 0);
        while let Ok(next) = reserve_sender_recipient(tat, NOW) {
            (tat, sent) = (Some(next), sent + 1);
        }
        assert_eq!(sent, 45);
        assert_eq!(reserve_sender_recipient(tat, NOW), Err(NOW + SENDER_RECIPIENT_INTERVAL));
        assert!(reserve_sender_recipient(tat, NOW + SENDER_RECIPIENT_INTERVAL).is_ok());
    }

    #[test]
    fn a_number_out_of_range_is_refused_by_its_name() {
        for (json, expected) in [
            (r#"{"per_second": 0}"#, "per_second: expected a whole number from 1 to 10000"),
            (r#"{"per_second": 10001}"#, "per_second: expected a whole number from 1 to 10000"),
            (r#"{"per_second": 1041667}"#, "per_second: expected a whole number from 1 to 10000"),
            (r#"{"per_second": 4294967376}"#, "per_second: expected a whole number from 1 to 10000"),
            (r#"{"per_second": -80}"#, "per_second: expected a whole number from 1 to 10000"),
            (r#"{"per_second": 0.5}"#, "per_second: expected a whole number from 1 to 10000"),
            (r#"{"per_second": 1e9}"#, "per_second: expected a whole number from 1 to 10000"),
            (r#"{"per_second": "80"}"#, "per_second: expected a whole number from 1 to 10000"),
            (r#"{"per_second": null}"#, "per_second: expected a whole number from 1 to 10000"),
            (r#"{"per_second": 80, "burst": 0}"#, "burst: expected a whole number from 1 to 10000"),
            (r#"{"per_second": 80, "burst": -1}"#, "burst: expected a whole number from 1 to 10000"),
            (r#"{"per_second": 80, "burst": 10001}"#, "burst: expected a whole number from 1 to 10000"),
            (r#"{"per_second": NaN}"#, "expected value"),
            (r#"{"burst": 1}"#, "missing field `per_second`"),
            (r#"{"per_second": 80, "bursts": 1}"#, "unknown field `bursts`"),
        ] {
            let error = serde_json::from_str::<RateLimit>(json).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{json}: {error}");
        }
        for (json, expected) in
            [(r#"{"per_second": 1}"#, limit(1, 1)), (r#"{"per_second": 10000, "burst": 10000}"#, limit(10_000, 10_000))]
        {
            assert_eq!(serde_json::from_str::<RateLimit>(json).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn no_allowed_rate_exceeds_its_limit() {
        for per_second in RateLimit::ALLOWED {
            let interval = limit(per_second, 1).interval(&Bucket::default(), NOW);
            assert!(interval > 0 && interval * i64::from(per_second) > SECOND, "{per_second}: {interval}");
        }
    }

    fn any_bucket() -> impl Strategy<Value = Bucket> {
        let time = || prop_oneof![any::<i64>(), NOW - 400 * SECOND..NOW + 400 * SECOND];
        (time(), prop::option::of(time()), prop::option::of(prop_oneof![any::<i64>(), -1..20_000_000_i64])).prop_map(
            |(tat, throttled_at, throttled_rate)| Bucket { tat, throttled_at, throttled_rate, ..Bucket::default() },
        )
    }

    proptest! {
        /// Whatever a policy may state and whatever a bucket holds.
        #[test]
        fn every_allowed_rate_limit_has_an_interval(
            per_second in RateLimit::ALLOWED,
            burst in RateLimit::ALLOWED,
            bucket in any_bucket(),
            wanted in 1_usize..=10,
            max_wait in 0..=10 * SECOND,
        ) {
            let rate_limit = limit(per_second, burst);
            let interval = rate_limit.interval(&bucket, NOW);
            prop_assert!(interval > 0 && interval * i64::from(per_second) >= SECOND, "{interval}");
            prop_assert!(rate_limit.halved_rate(&bucket, NOW) >= SLOWEST);
            match rate_limit.reserve(&bucket, NOW, wanted, max_wait) {
                Ok(reservation) => {
                    prop_assert!((1..=wanted).contains(&reservation.count));
                    prop_assert!(reservation.at(reservation.count - 1) <= NOW + max_wait);
                }
                Err(until) => prop_assert!(until > NOW),
            }
        }

        /// Whatever the requests are, two messages are at least one interval apart.
        #[test]
        fn reserved_times_are_an_interval_apart(requests in prop::collection::vec((0_i64..2 * SECOND, 1_usize..20), 1..60)) {
            let (limit, mut bucket, mut now, mut times) = (limit(80, 1), Bucket::default(), NOW, Vec::new());
            for (pause, wanted) in requests {
                now += pause;
                if let Ok(reservation) = limit.reserve(&bucket, now, wanted, 2 * SECOND) {
                    times.extend(reserved_times(reservation).into_iter().map(|time| time.max(now)));
                    bucket.tat = reservation.end();
                }
            }
            prop_assert!(busiest_second(&times) <= 80);
            prop_assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 12_500));
        }
    }
}
