//! The sandbox's clock: the machine's, and as far ahead as it was moved.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, time::Instant};

use crate::shared_clock::{SharedClock, SharedClockError};

/// A clock that can be moved forward and set back to the machine's time. Moving it wakes the tasks whose time has then come.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: watch::Sender<SignedDuration>,
    /// The clock of the system under test, which is moved together with this one; none for a system that keeps its own time.
    shared: Option<SharedClock>,
}

impl Clock {
    pub(crate) fn new(shared: Option<SharedClock>) -> Self {
        Self { ahead: watch::Sender::default(), shared }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.ahead()).unwrap_or(Timestamp::MAX)
    }

    /// How far it is ahead of the machine's clock.
    pub(crate) fn ahead(&self) -> SignedDuration {
        *self.ahead.borrow()
    }

    /// Whether the system under test has the same time.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Moves this clock forward, and the one of the system under test as soon as none of its functions runs.
    pub(crate) async fn advance(&self, seconds: u32) -> Result<(), SharedClockError> {
        let by = SignedDuration::from_secs(seconds.into());
        let forward = || self.ahead.send_modify(|ahead| *ahead = ahead.saturating_add(by));
        match &self.shared {
            Some(shared) => shared.advance(seconds, forward).await?,
            None => forward(),
        }
        Ok(())
    }

    /// Sets this clock back to the machine's time, and the one of the system under test. Gives by how much it went back.
    pub(crate) async fn set_back(&self) -> Result<SignedDuration, SharedClockError> {
        let back = || self.ahead.send_replace(SignedDuration::ZERO);
        match &self.shared {
            Some(shared) => shared.set_back(back).await,
            None => Ok(back()),
        }
    }

    /// Waits until this clock shows a time, because the time has passed or because the clock was moved.
    pub(crate) async fn sleep_until(&self, at: Timestamp) {
        let mut moved = self.ahead.subscribe();
        while let Ok(left) = Duration::try_from(at.duration_since(self.now())) {
            tokio::select! {
                () = tokio::time::sleep(left) => return,
                changed = moved.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Waits for a duration of this clock. A clock that is set back does not make it longer.
    pub(crate) async fn sleep(&self, duration: Duration) {
        let mut moved = self.ahead.subscribe();
        let (begin, mut end, mut before) = (Instant::now(), duration, *moved.borrow_and_update());
        loop {
            tokio::select! {
                () = tokio::time::sleep(end.saturating_sub(begin.elapsed())) => return,
                changed = moved.changed() => if changed.is_err() { return },
            }
            let ahead = *moved.borrow_and_update();
            end = end.saturating_sub(Duration::try_from(ahead.saturating_sub(before)).unwrap_or_default());
            before = ahead;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_SECONDS: u32 = 24 * 60 * 60;
    const DAY: SignedDuration = SignedDuration::from_hours(24);

    #[tokio::test]
    async fn waiting_task_is_woken_when_the_clock_is_moved() {
        let clock = Clock::default();
        let begin = clock.now();
        let waiting = async {
            clock.sleep_until(begin.saturating_add(DAY).unwrap()).await;
            clock.sleep(Duration::from_hours(24)).await;
        };
        let passing = async {
            tokio::task::yield_now().await;
            clock.advance(DAY_SECONDS).await.unwrap();
            tokio::task::yield_now().await;
            clock.advance(DAY_SECONDS).await.unwrap();
        };
        tokio::join!(waiting, passing);
        assert!(clock.now().duration_since(begin) >= DAY);
        assert_eq!(clock.ahead(), DAY + DAY);
    }

    #[tokio::test]
    async fn past_time_is_not_waited_for() {
        let clock = Clock::default();
        clock.sleep_until(Timestamp::UNIX_EPOCH).await;
        clock.ahead.send_replace(SignedDuration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[tokio::test]
    async fn pause_is_not_longer_on_a_clock_that_is_set_back() {
        let clock = Clock::default();
        clock.advance(DAY_SECONDS).await.unwrap();
        let setting_back = async {
            tokio::task::yield_now().await;
            assert_eq!(clock.set_back().await, Ok(DAY));
        };
        let both = async { tokio::join!(clock.sleep(Duration::from_millis(20)), setting_back) };
        tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    }
}
