//! The sandbox's own time: the machine's, and as much further as somebody has moved it.

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// A clock that can be moved forward, and that wakes who waits for a time when it is.
#[derive(Debug)]
pub(crate) struct Clock(watch::Sender<SignedDuration>);

impl Default for Clock {
    fn default() -> Self {
        Self(watch::Sender::new(SignedDuration::ZERO))
    }
}

impl Clock {
    /// What time it is here.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.ahead()).unwrap_or(Timestamp::MAX)
    }

    /// How far it is ahead of the machine's.
    pub(crate) fn ahead(&self) -> SignedDuration {
        *self.0.borrow()
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: SignedDuration) {
        self.0.send_modify(|ahead| *ahead = ahead.saturating_add(by));
    }

    /// Goes back to the machine's time.
    pub(crate) fn reset(&self) {
        self.0.send_replace(SignedDuration::ZERO);
    }

    /// Waits until it is this time here, whether that time comes or is brought.
    pub(crate) async fn sleep_until(&self, at: Timestamp) {
        let mut moved = self.0.subscribe();
        while let Ok(left) = std::time::Duration::try_from(at.duration_since(self.now())) {
            tokio::select! {
                () = tokio::time::sleep(left) => return,
                changed = moved.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Lets a while pass here.
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
    async fn who_waits_for_a_day_is_woken_when_a_day_is_passed() {
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
    async fn what_is_past_is_not_waited_for() {
        let clock = Clock::default();
        clock.sleep_until(Timestamp::UNIX_EPOCH).await;
        clock.advance(SignedDuration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }
}
