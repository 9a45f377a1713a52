//! How much time has passed in a process that Lambda may freeze.

use std::time::{Duration, Instant, SystemTime};

/// A moment, by two clocks.
///
/// Lambda freezes a process between two invocations, for minutes or hours. The monotonic clock may stand still meanwhile, so
/// the wall clock says how much time has passed. The wall clock can be set back, and then the monotonic clock says it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    wall: SystemTime,
    monotonic: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { wall: SystemTime::now(), monotonic: Instant::now() }
    }

    /// The time since an earlier moment: the longer one of what the two clocks say, and zero if both say that it is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let by_wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        by_wall.max(self.monotonic.saturating_duration_since(earlier.monotonic))
    }

    /// Whether the wall clock was set back since an earlier moment. Then it is not known how long a freeze lasted.
    pub(crate) fn is_set_back_since(self, earlier: Self) -> bool {
        self.wall < earlier.wall
    }

    pub(crate) fn wall(self) -> SystemTime {
        self.wall
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Moments that a test describes by the seconds of the two clocks.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Clocks(Moment);

    impl Clocks {
        pub(crate) fn new() -> Self {
            let years = Duration::from_hours(24 * 365 * 50);
            Self(Moment { wall: SystemTime::UNIX_EPOCH + years, monotonic: Instant::now() })
        }

        /// The wall clock has moved by `wall` seconds, and the monotonic clock by `monotonic` seconds.
        pub(crate) fn at(self, wall: i64, monotonic: u64) -> Moment {
            let by = Duration::from_secs(wall.unsigned_abs());
            let wall = if wall < 0 { self.0.wall - by } else { self.0.wall + by };
            Moment { wall, monotonic: self.0.monotonic + Duration::from_secs(monotonic) }
        }
    }

    impl Moment {
        /// The same moment, as a process sees it that was frozen meanwhile: only the wall clock has gone on.
        pub(crate) fn before_freeze_of(self, duration: Duration) -> Self {
            Self { wall: self.wall - duration, ..self }
        }
    }

    #[test]
    fn longer_time_of_both_clocks_counts() {
        let clocks = Clocks::new();
        let begin = clocks.at(0, 0);
        for (wall, monotonic, expected) in [(10, 10, 10), (3_600, 1, 3_600), (-3_600, 7, 7), (0, 0, 0)] {
            let now = clocks.at(wall, monotonic);
            assert_eq!(now.since(begin), expected * SECOND, "{wall} {monotonic}");
            assert_eq!(now.is_set_back_since(begin), wall < 0, "{wall} {monotonic}");
        }
        assert_eq!(begin.since(clocks.at(5, 5)), Duration::ZERO);
    }
}
