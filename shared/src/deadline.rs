//! The time by which an invocation has to end.
//!
//! Lambda ends the process of an invocation that exceeds the function's timeout, without a log line of ours and without
//! an answer. So each function converts Lambda's deadline once, at the start of an invocation ([`Deadline::of_invocation`]),
//! keeps a reserve to record what happened ([`Deadline::before`]), and does all its work until then ([`Deadline::run`]).
//!
//! A `Deadline` is a value of the monotonic clock: a change of the wall clock during the invocation does not move it.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout_at};

/// The timeout of the functions behind the HTTP API: `Globals`, `Timeout` in `template.yaml`. It is the shortest of all
/// functions.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
/// An answer takes a log line and some milliseconds on a seventh of a processor.
pub(crate) const ANSWER_RESERVE: Duration = Duration::from_millis(500);

/// Source: AWS Lambda, "Lambda quotas", "Function timeout".
const LONGEST_TIMEOUT: Duration = Duration::from_mins(15);

/// The time by which something has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// The time was over before the work was done. How far the work came is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline has passed")]
pub struct DeadlineExceeded;

impl Deadline {
    /// The end of an invocation, from the deadline of Lambda's context, in milliseconds since 1970.
    ///
    /// Lambda starts no invocation whose deadline has passed. Such a value (0 where an event is built by hand, ten minutes
    /// after 1970 under `cargo lambda watch`) is no deadline, and the function's `timeout` of `template.yaml` counts from
    /// now on. A deadline further away than Lambda's longest timeout, 15 minutes, is limited to these.
    pub fn of_invocation(deadline_ms: u64, timeout: Duration) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::after(time_left(Duration::from_millis(deadline_ms), now, timeout))
    }

    /// The time by which a function behind the HTTP API has to have its answer.
    pub fn of_answer(deadline_ms: u64) -> Self {
        Self::of_invocation(deadline_ms, HTTP_TIMEOUT).before(ANSWER_RESERVE)
    }

    /// The time after this duration. One that is too long for the clock is now.
    pub fn after(duration: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(duration).unwrap_or(now))
    }

    /// An earlier deadline, which leaves the reserve until this one.
    #[must_use]
    pub fn before(self, reserve: Duration) -> Self {
        // The clock begins when the machine starts: before that, everything is over.
        Self(self.0.checked_sub(reserve).unwrap_or_else(Instant::now))
    }

    /// The time that is left; zero when it is over.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn is_over(self) -> bool {
        self.remaining().is_zero()
    }

    /// The deadline for clients that do not use tokio's clock.
    pub fn instant(self) -> std::time::Instant {
        self.0.into_std()
    }

    /// Does the work until the deadline, and drops it then. After the deadline the work is not even begun.
    ///
    /// A request that is under way when the work is dropped may still be carried out: after [`DeadlineExceeded`] a write
    /// may have happened.
    pub fn run<T>(self, work: impl Future<Output = T>) -> impl Future<Output = Result<T, DeadlineExceeded>> {
        // On the heap: an async function would hold the state of the work twice, which can be many kilobytes.
        let work = Box::pin(work);
        async move {
            if self.is_over() {
                return Err(DeadlineExceeded);
            }
            timeout_at(self.0, work).await.map_err(|_| DeadlineExceeded)
        }
    }
}

/// How long an invocation may take from now on. Deadline and now are durations since 1970.
fn time_left(deadline: Duration, now: Duration, timeout: Duration) -> Duration {
    deadline.checked_sub(now).filter(|left| !left.is_zero()).unwrap_or(timeout).min(LONGEST_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const NOW: Duration = Duration::from_secs(1_790_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn time_left_is_that_of_the_context() {
        assert_eq!(time_left(NOW + 45 * SECOND, NOW, 10 * SECOND), 45 * SECOND);
        assert_eq!(time_left(NOW + SECOND, NOW, 10 * SECOND), SECOND);
    }

    #[test]
    fn missing_or_past_deadline_is_the_functions_timeout() {
        for deadline in [Duration::ZERO, Duration::from_mins(10), NOW.saturating_sub(SECOND), NOW] {
            assert_eq!(time_left(deadline, NOW, 10 * SECOND), 10 * SECOND, "{deadline:?}");
        }
    }

    #[test]
    fn deadline_is_at_most_lambdas_longest_timeout_away() {
        assert_eq!(time_left(Duration::from_millis(u64::MAX), NOW, SECOND), LONGEST_TIMEOUT);
        assert!(Deadline::of_invocation(u64::MAX, SECOND).remaining() <= LONGEST_TIMEOUT);
    }

    #[test]
    fn context_deadline_is_converted_to_the_monotonic_clock() {
        let later = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + Duration::from_mins(10);
        let deadline = Deadline::of_invocation(u64::try_from(later.as_millis()).unwrap(), SECOND);
        assert!(
            deadline > Deadline::after(Duration::from_mins(9)) && deadline <= Deadline::after(Duration::from_mins(10))
        );
    }

    #[test]
    fn reserve_makes_a_deadline_earlier() {
        let deadline = Deadline::after(HOUR);
        let earlier = deadline.before(SECOND);
        assert_eq!(deadline.instant() - earlier.instant(), SECOND);
        assert!(!earlier.is_over() && deadline.before(2 * HOUR).is_over());
        assert_eq!(deadline.before(2 * HOUR).remaining(), Duration::ZERO);
        assert!(deadline.before(Duration::MAX).is_over(), "before the clock's beginning");
    }

    #[tokio::test]
    async fn work_inside_the_deadline_gives_its_result() {
        assert_eq!(Deadline::after(HOUR).run(ready(7)).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_does_not_end_is_dropped_at_the_deadline() {
        struct Dropped<'a>(&'a std::cell::Cell<bool>);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let is_dropped = std::cell::Cell::new(false);
        let deadline = Deadline::after(Duration::from_millis(10));
        let work = async {
            let _held = Dropped(&is_dropped);
            pending::<()>().await;
        };
        assert_eq!(deadline.run(work).await, Err(DeadlineExceeded));
        assert!(is_dropped.get() && deadline.is_over());
    }

    #[tokio::test]
    async fn work_is_not_begun_after_the_deadline() {
        let mut is_begun = false;
        let result = Deadline::after(Duration::ZERO).run(async { is_begun = true }).await;
        assert_eq!((result, is_begun), (Err(DeadlineExceeded), false));
    }

    #[test]
    fn http_timeout_is_that_of_the_template() {
        let (_, globals) = include_str!("../../template.yaml").split_once("\nGlobals:\n").unwrap();
        let timeout = globals.lines().find_map(|line| line.trim().strip_prefix("Timeout: ")).unwrap();
        assert_eq!(HTTP_TIMEOUT.as_secs().to_string(), timeout);
    }
}
