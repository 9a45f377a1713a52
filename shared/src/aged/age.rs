//! How long a cached value counts after it was read, and when it is read again. Pure.
//!
//! 1. A value that is younger than its maximum age counts.
//! 2. An older value is read again before it is used.
//! 3. If it cannot be read, the old value counts as long as its source allows ([`Ages::longest_use`]), and is tried again every
//!    few seconds. After that nothing counts.
//! 4. A value that turned out to be wrong may have been replaced: then a younger one is read again too, at most every half
//!    minute. Otherwise each forged request would be one call, and so one charge, of AWS.

use std::time::Duration;

use crate::moment::Moment;

/// The shortest time between two attempts after one that failed. An attempt lasts up to three seconds, for which the request
/// that makes it waits.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The shortest time between two readings because of wrong values.
pub const REREAD_AFTER: Duration = Duration::from_secs(30);

/// The shortest time between two log lines of failed attempts, so that an outage does not fill the log.
const LOG_AFTER: Duration = Duration::from_mins(1);

/// How long a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// After this time the value is read again before it is used.
    pub max_age: Duration,
    /// How long an old value counts that cannot be read again. None: until it can be read.
    pub longest_use: Option<Duration>,
}

/// When a value was read, and when that was tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadTimes {
    /// When the value was read that counts.
    read: Moment,
    /// The last attempt after the first reading. One that is under way, or was dropped, counts as failed.
    last_attempt: Option<Attempt>,
    /// The last log line about a failed attempt since the value was read.
    last_logged: Option<Moment>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    at: Moment,
    has_failed: bool,
}

/// What to do before the value is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgedUse {
    /// It counts.
    Current,
    /// It is read again first.
    ReadFirst,
    /// It is too old, and could not be read a moment ago: it counts meanwhile.
    Old,
    /// It is so old that it counts no more, and could not be read a moment ago.
    Refused,
}

/// What to do when the value turned out to be wrong.
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
        Self { read, last_attempt: None, last_logged: None }
    }

    pub(crate) fn age(&self, now: Moment) -> Duration {
        now.since(self.read)
    }

    /// Whether the old value still counts if it cannot be read.
    pub(crate) fn is_usable(&self, now: Moment, ages: Ages) -> bool {
        ages.longest_use.is_none_or(|longest| self.age(now) < longest)
    }

    pub(crate) fn use_at(&self, now: Moment, ages: Ages) -> AgedUse {
        // After the clock was set back the age is not known.
        let is_fresh = self.age(now) < ages.max_age && !now.is_set_back_since(self.read);
        match (is_fresh, self.has_just_failed(now)) {
            (true, _) => AgedUse::Current,
            (false, false) => AgedUse::ReadFirst,
            (false, true) if self.is_usable(now, ages) => AgedUse::Old,
            (false, true) => AgedUse::Refused,
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

    /// An attempt that began at this moment has read the value.
    pub(crate) fn succeed(&mut self, began: Moment) {
        *self = Self { last_attempt: Some(Attempt { at: began, has_failed: false }), ..Self::new(began) };
    }

    /// Whether a failed attempt gets a log line. If so, that is noted.
    pub(crate) fn begin_log_line(&mut self, now: Moment) -> bool {
        let is_due = self.last_logged.is_none_or(|last| now.since(last) >= LOG_AFTER);
        if is_due {
            self.last_logged = Some(now);
        }
        is_due
    }

    /// As if the process had been frozen for this time.
    #[cfg(test)]
    pub(crate) fn freeze_for(&mut self, duration: Duration) {
        self.read = self.read.before_freeze_of(duration);
        if let Some(attempt) = &mut self.last_attempt {
            attempt.at = attempt.at.before_freeze_of(duration);
        }
        self.last_logged = self.last_logged.map(|logged| logged.before_freeze_of(duration));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::moment::tests::Clocks;

    const LONGEST_USE: Duration = Duration::from_hours(1);

    fn ages() -> Ages {
        Ages { max_age: Duration::from_mins(5), longest_use: Some(LONGEST_USE) }
    }

    #[test]
    fn content_is_used_or_read_by_its_age() {
        use AgedUse::{Current, Old, ReadFirst, Refused};
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
            assert_eq!(times.use_at(clocks.at(wall, monotonic), ages()), expected, "{case}");
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
    fn value_without_an_end_counts_until_it_can_be_read() {
        let clocks = Clocks::new();
        let ages = Ages { longest_use: None, ..ages() };
        let mut times = ReadTimes::new(clocks.at(0, 0));
        times.attempt(clocks.at(864_000, 1));
        assert_eq!(times.use_at(clocks.at(864_009, 10), ages), AgedUse::Old);
        assert_eq!(times.use_at(clocks.at(864_010, 11), ages), AgedUse::ReadFirst);
    }

    #[test]
    fn failed_attempts_have_one_log_line_a_minute() {
        let clocks = Clocks::new();
        let mut times = ReadTimes::new(clocks.at(0, 0));
        let lines = [0, 10, 59, 60, 61, 120].map(|at| times.begin_log_line(clocks.at(at, 0)));
        assert_eq!(lines, [true, false, false, true, false, true]);
        times.succeed(clocks.at(121, 0));
        assert!(times.begin_log_line(clocks.at(122, 0)), "the first one after it could be read");
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
            let (clocks, ages) = (Clocks::new(), Ages { max_age: Duration::from_secs(max_age), ..ages() });
            let (begin, now) = (clocks.at(0, 0), clocks.at(wall, monotonic));
            let mut times = ReadTimes::new(begin);
            for (wall, monotonic) in &failures {
                times.attempt(clocks.at(*wall, *monotonic));
            }
            let counts = matches!(times.use_at(now, ages), AgedUse::Current | AgedUse::Old);
            prop_assert!(!counts || now.since(begin) < LONGEST_USE);
            if counts && now.since(begin) >= ages.max_age {
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
                if times.use_at(moment, ages()) == AgedUse::ReadFirst {
                    readings += 1;
                    if can_be_read { times.succeed(moment) } else { times.attempt(moment) }
                }
            }
            let shortest = if can_be_read { 300 } else { 10 };
            prop_assert!(readings <= now / shortest + 1, "{readings} readings in {now} s");
        }
    }
}
