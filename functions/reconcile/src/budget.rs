//! What a sweep may use up.

use shared::deadline::Deadline;

/// Requests to Twilio, and time.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
    used: u32,
    deadline: Deadline,
}

/// It is used up: the next run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent;

impl Budget {
    pub(crate) fn new(requests: u32, deadline: Deadline) -> Self {
        Self { left: requests, used: 0, deadline }
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
        if self.deadline.is_over() { Err(Spent) } else { Ok(()) }
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_budget_ends_with_its_requests_or_its_time() {
        let mut budget = Budget::new(2, Deadline::after(Duration::from_hours(1)));
        assert_eq!([budget.request(), budget.request(), budget.request()], [Ok(()), Ok(()), Err(Spent)]);
        assert_eq!((budget.used(), budget.time()), (2, Ok(())));
        let mut late = Budget::new(2, Deadline::after(Duration::ZERO));
        assert_eq!((late.request(), late.time(), late.used()), (Err(Spent), Err(Spent), 0));
    }
}
