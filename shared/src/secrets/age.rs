//! How long the content of a secret counts after it was read, and when it is read again. Pure.
//!
//! 1. Content that is younger than its maximum age counts.
//! 2. Older content is read again before it is used.
//! 3. If it cannot be read, the old content counts until an hour after it was read, and is tried again every few seconds.
//!    After the hour nothing counts: a key that was revoked meanwhile must not count for as long as Secrets Manager refuses
//!    the function.
//! 4. A key that turned out to be wrong may have been replaced: then younger content is read again too, at most every half
//!    minute. Otherwise each forged request would be one call, and so one charge, of Secrets Manager.

use std::{str::FromStr, time::Duration};

use crate::moment::Moment;

/// How long old content counts that cannot be read again.
pub const LONGEST_USE: Duration = Duration::from_hours(1);

/// The shortest time between two attempts after one that failed. An attempt lasts up to three seconds, for which the request
/// that makes it waits.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The shortest time between two readings because of wrong keys.
pub const REREAD_AFTER: Duration = Duration::from_secs(30);

/// After this time the content of a secret is read again before it is used: `SECRET_MAX_AGE_SECONDS`, five minutes by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretMaxAge(Duration);

/// Not a valid age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number of seconds from 1 to 1800: old content counts for an hour at most")]
pub struct InvalidMaxAge;

impl SecretMaxAge {
    /// At least half of [`LONGEST_USE`] is left for trying again.
    const MAX_SECONDS: u64 = LONGEST_USE.as_secs() / 2;
}

impl Default for SecretMaxAge {
    fn default() -> Self {
        Self(Duration::from_mins(5))
    }
}

impl FromStr for SecretMaxAge {
    type Err = InvalidMaxAge;

    fn from_str(text: &str) -> Result<Self, InvalidMaxAge> {
        let seconds = text.parse().ok().filter(|seconds| (1..=Self::MAX_SECONDS).contains(seconds));
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or(InvalidMaxAge)
    }
}

impl From<SecretMaxAge> for Duration {
    fn from(age: SecretMaxAge) -> Self {
        age.0
    }
}

/// When the secret was read, and when that was tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadTimes {
    /// When the content was read that counts.
    read: Moment,
    /// The last attempt after the first reading. One that is under way, or was dropped, counts as failed.
    last_attempt: Option<Attempt>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    at: Moment,
    has_failed: bool,
}

/// What to do before the content is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretUse {
    /// It counts.
    Current,
    /// It is read again first.
    ReadFirst,
    /// It is too old, and could not be read a moment ago: it counts meanwhile.
    Old,
    /// It is so old that it counts no more, and could not be read a moment ago.
    Refused,
}

/// What to do when a key turned out to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reread {
    Read,
    /// It was read a short time ago, so there is nothing newer.
    Unchanged,
    /// It could not be read a moment ago, so it is not known whether there is something newer.
    Unknown,
}

impl ReadTimes {
    pub(crate) fn new(read: Moment) -> Self {
        Self { read, last_attempt: None }
    }

    pub(crate) fn age(&self, now: Moment) -> Duration {
        now.since(self.read)
    }

    /// Whether old content still counts if it cannot be read.
    pub(crate) fn is_usable(&self, now: Moment) -> bool {
        self.age(now) < LONGEST_USE
    }

    pub(crate) fn use_at(&self, now: Moment, max_age: SecretMaxAge) -> SecretUse {
        // After the clock was set back the age is not known.
        let is_fresh = self.age(now) < max_age.0 && !now.is_set_back_since(self.read);
        match (is_fresh, self.has_just_failed(now)) {
            (true, _) => SecretUse::Current,
            (false, false) => SecretUse::ReadFirst,
            (false, true) if self.is_usable(now) => SecretUse::Old,
            (false, true) => SecretUse::Refused,
        }
    }

    pub(crate) fn reread_at(&self, now: Moment) -> Reread {
        match self.last_attempt {
            Some(Attempt { has_failed: true, .. }) if self.has_just_failed(now) => Reread::Unknown,
            Some(Attempt { has_failed: false, at }) if now.since(at) < REREAD_AFTER => Reread::Unchanged,
            _ => Reread::Read,
        }
    }

    fn has_just_failed(&self, now: Moment) -> bool {
        self.last_attempt.is_some_and(|attempt| attempt.has_failed && now.since(attempt.at) < RETRY_AFTER)
    }

    /// An attempt begins, or has failed.
    pub(crate) fn attempt(&mut self, at: Moment) {
        self.last_attempt = Some(Attempt { at, has_failed: true });
    }

    /// An attempt that began at this moment has read the secret.
    pub(crate) fn succeed(&mut self, began: Moment) {
        *self = Self { read: began, last_attempt: Some(Attempt { at: began, has_failed: false }) };
    }

    /// As if the process had been frozen for this time.
    #[cfg(test)]
    pub(crate) fn freeze_for(&mut self, duration: Duration) {
        self.read = self.read.before_freeze_of(duration);
        if let Some(attempt) = &mut self.last_attempt {
            attempt.at = attempt.at.before_freeze_of(duration);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::moment::tests::Clocks;

    fn max_age() -> SecretMaxAge {
        SecretMaxAge::default()
    }

    #[test]
    fn content_is_used_or_read_by_its_age() {
        use SecretUse::{Current, Old, ReadFirst, Refused};
        let clocks = Clocks::new();
        // Seconds of the wall clock and the monotonic clock, and of the attempt that failed.
        for (wall, monotonic, failed, expected, case) in [
            (0, 0, None, Current, "just read"),
            (299, 299, None, Current, "younger than five minutes"),
            (300, 300, None, ReadFirst, "five minutes old"),
            (86_400, 1, None, ReadFirst, "frozen for a day: only the wall clock has gone on"),
            (-1, 10, None, ReadFirst, "the clock was set back by less than has passed"),
            (-86_400, 10, None, ReadFirst, "the clock was set back by a day"),
            (309, 309, Some((300, 300)), Old, "it could not be read nine seconds ago"),
            (310, 310, Some((300, 300)), ReadFirst, "it could not be read ten seconds ago"),
            (3_599, 3_599, Some((3_595, 3_595)), Old, "the last second of the hour"),
            (3_600, 3_600, Some((3_595, 3_595)), Refused, "an hour old, and it could not be read"),
            (3_605, 3_605, Some((3_595, 3_595)), ReadFirst, "an hour old, and to be tried again"),
            (
                100,
                100,
                Some((99, 99)),
                Current,
                "young content counts, whatever an attempt because of a wrong key found",
            ),
            (-100, 3_599, Some((-101, 3_598)), Old, "the clock was set back, and the monotonic clock says the age"),
            (-100, 3_600, Some((-101, 3_599)), Refused, "the same after an hour"),
        ] {
            let mut times = ReadTimes::new(clocks.at(0, 0));
            if let Some((wall, monotonic)) = failed {
                times.attempt(clocks.at(wall, monotonic));
            }
            assert_eq!(times.use_at(clocks.at(wall, monotonic), max_age()), expected, "{case}");
        }
    }

    #[test]
    fn wrong_key_reads_at_most_every_half_minute() {
        let clocks = Clocks::new();
        let mut times = ReadTimes::new(clocks.at(0, 0));
        assert_eq!(times.reread_at(clocks.at(1, 1)), Reread::Read, "the first reading was the cold start's");
        times.succeed(clocks.at(1, 1));
        assert_eq!(times.reread_at(clocks.at(30, 30)), Reread::Unchanged);
        assert_eq!(times.reread_at(clocks.at(31, 31)), Reread::Read);
        assert_eq!(times.reread_at(clocks.at(31, 2)), Reread::Read, "frozen meanwhile");
        times.attempt(clocks.at(31, 31));
        assert_eq!(times.reread_at(clocks.at(40, 40)), Reread::Unknown);
        assert_eq!(times.reread_at(clocks.at(41, 41)), Reread::Read);
    }

    #[test]
    fn age_outside_its_bounds_is_refused() {
        assert_eq!("1".parse(), Ok(SecretMaxAge(Duration::from_secs(1))));
        assert_eq!("1800".parse(), Ok(SecretMaxAge(Duration::from_mins(30))));
        for text in ["", "0", "1801", "-1", "5m", "1.5"] {
            assert_eq!(text.parse::<SecretMaxAge>(), Err(InvalidMaxAge), "{text}");
        }
    }

    #[test]
    fn age_and_its_bounds_are_those_of_the_template() {
        let (_, parameter) = include_str!("../../../template.yaml").split_once("\n  SecretMaxAgeSeconds:\n").unwrap();
        let value = |name: &str| {
            let line = parameter.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}")).parse::<SecretMaxAge>().unwrap()
        };
        assert_eq!(value("Default: "), SecretMaxAge::default());
        assert_eq!(value("MinValue: ").0, Duration::from_secs(1));
        assert_eq!(value("MaxValue: ").0.as_secs(), SecretMaxAge::MAX_SECONDS);
    }

    proptest! {
        /// Whatever the clocks show and whenever an attempt failed: no content counts that is older than an hour, nor content
        /// that is older than its maximum age without an attempt to read it in the last ten seconds.
        #[test]
        fn no_content_counts_for_more_than_an_hour(
            max_age in 1..=1_800_u64,
            failures in prop::collection::vec((-10_000..10_000_i64, 0..10_000_u64), 0..3),
            wall in -10_000..10_000_i64,
            monotonic in 0..10_000_u64,
        ) {
            let (clocks, max_age) = (Clocks::new(), SecretMaxAge(Duration::from_secs(max_age)));
            let (begin, now) = (clocks.at(0, 0), clocks.at(wall, monotonic));
            let mut times = ReadTimes::new(begin);
            for (wall, monotonic) in &failures {
                times.attempt(clocks.at(*wall, *monotonic));
            }
            let counts = matches!(times.use_at(now, max_age), SecretUse::Current | SecretUse::Old);
            prop_assert!(!counts || now.since(begin) < LONGEST_USE);
            if counts && now.since(begin) >= max_age.0 {
                let last = failures.last().map(|(wall, monotonic)| clocks.at(*wall, *monotonic));
                prop_assert!(last.is_some_and(|last| now.since(last) < RETRY_AFTER));
            }
        }

        /// However often the content is used: it is read at most once in ten seconds while it cannot be read, and once in its
        /// maximum age otherwise.
        #[test]
        fn readings_are_bounded_however_many_uses_there_are(
            uses in prop::collection::vec(0..20_u64, 1..200),
            can_be_read in any::<bool>(),
        ) {
            let clocks = Clocks::new();
            let mut times = ReadTimes::new(clocks.at(0, 0));
            let (mut now, mut readings) = (0_u64, 0_u64);
            for pause in uses {
                now += pause;
                let moment = clocks.at(now.cast_signed(), now);
                if times.use_at(moment, max_age()) == SecretUse::ReadFirst {
                    readings += 1;
                    if can_be_read { times.succeed(moment) } else { times.attempt(moment) }
                }
            }
            let shortest = if can_be_read { 300 } else { 10 };
            prop_assert!(readings <= now / shortest + 1, "{readings} readings in {now} s");
        }
    }
}
