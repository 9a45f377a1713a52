//! The sandbox's clock: the machine's, and as far ahead as it was moved.

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// A clock that can be moved forward. Moving it wakes the tasks whose time has then come.
#[derive(Debug)]
pub(crate) struct Clock(watch::Sender<SignedDuration>);

impl Default for Clock {
    fn default() -> Self {
        Self(watch::Sender::new(SignedDuration::ZERO))
    }
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.ahead()).unwrap_or(Timestamp::MAX)
    }

    /// How far it is ahead of the machine's clock.
    pub(crate) fn ahead(&self) -> SignedDuration {
        *self.0.borrow()
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.0.send_modify(|ahead| *ahead = ahead.saturating_add(by));
    }

    /// Sets it back to the machine's time.
    pub(crate) fn reset(&self) {
        self.0.send_replace(SignedDuration::ZERO);
    }

    /// Waits until this clock shows a time, because the time has passed or because the clock was moved.
    pub(crate) async fn sleep_until(&self, at: Timestamp) {
        let mut moved = self.0.subscribe();
        while let Ok(left) = std::time::Duration::try_from(at.duration_since(self.now())) {
            tokio::select! {
                () = tokio::time::sleep(left) => return,
                changed = moved.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Waits for a duration of this clock.
    pub(crate) async fn sleep(&self, duration: std::time::Duration) {
        let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        self.sleep_until(self.now().saturating_add(duration).unwrap_or(Timestamp::MAX)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    #[tokio::test]
    async fn waiting_task_is_woken_when_the_clock_is_moved() {
        let clock = Clock::default();
        let begin = clock.now();
        let waiting = clock.sleep_until(begin.saturating_add(DAY).unwrap());
        let passing = async {
            tokio::task::yield_now().await;
            clock.advance(DAY);
        };
        tokio::join!(waiting, passing);
        assert!(clock.now().duration_since(begin) >= DAY);
        assert_eq!(clock.ahead(), DAY);
    }

    #[tokio::test]
    async fn past_time_is_not_waited_for() {
        let clock = Clock::default();
        clock.sleep_until(Timestamp::UNIX_EPOCH).await;
        clock.advance(SignedDuration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }
}
