//! What a sweep may use up.

use std::time::{Duration, SystemTime};

/// Requests to Twilio, and time.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
    used: u32,
    ends_at: SystemTime,
}

/// A request to Twilio that is under way may take 10 s, and the mark has to be written after it.
const MARGIN: Duration = Duration::from_secs(20);

/// It is used up: the next run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent;

impl Budget {
    /// So many requests, until shortly before the invocation's deadline, in milliseconds since 1970.
    pub(crate) fn new(requests: u32, deadline_ms: u64) -> Self {
        let deadline = SystemTime::UNIX_EPOCH + Duration::from_millis(deadline_ms);
        Self { left: requests, used: 0, ends_at: deadline.checked_sub(MARGIN).unwrap_or(SystemTime::UNIX_EPOCH) }
    }

    /// Takes one request out of it.
    pub(crate) fn request(&mut self) -> Result<(), Spent> {
        self.time()?;
        self.left = self.left.checked_sub(1).ok_or(Spent)?;
        self.used += 1;
        Ok(())
    }

    /// Whether there is time for something that asks Twilio nothing.
    pub(crate) fn time(&self) -> Result<(), Spent> {
        if SystemTime::now() < self.ends_at { Ok(()) } else { Err(Spent) }
    }

    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    pub(crate) fn used(&self) -> u32 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_with_its_requests_or_its_time() {
        const FAR: u64 = 4_000_000_000_000;
        let mut budget = Budget::new(2, FAR);
        assert_eq!([budget.request(), budget.request(), budget.request()], [Ok(()), Ok(()), Err(Spent)]);
        assert_eq!((budget.used(), budget.time()), (2, Ok(())));
        let mut late = Budget::new(2, 1_000_000_000_000);
        assert_eq!((late.request(), late.time(), late.used()), (Err(Spent), Err(Spent), 0));
    }
}
