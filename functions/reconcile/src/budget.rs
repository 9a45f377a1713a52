//! What a run may use up.

use std::sync::atomic::{AtomicU32, Ordering};

use shared::deadline::Deadline;

/// Requests to Twilio, and time. Concurrent requests share it.
#[derive(Debug)]
pub(crate) struct Budget {
    requests: u32,
    used: AtomicU32,
    deadline: Deadline,
}

/// It is used up: the next run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent;

/// A share of a budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) part: u32,
    pub(crate) of: u32,
}

impl Share {
    /// The same for each of this number.
    pub(crate) fn one_of(number: usize) -> Self {
        Self { part: 1, of: u32::try_from(number).unwrap_or(u32::MAX).max(1) }
    }
}

impl Budget {
    pub(crate) fn new(requests: u32, deadline: Deadline) -> Self {
        Self { requests, used: AtomicU32::new(0), deadline }
    }

    /// Counts a request.
    pub(crate) fn request(&self) -> Result<(), Spent> {
        self.time()?;
        let within = |used: u32| Some(used + 1).filter(|used| *used <= self.requests);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).map(drop).map_err(|_| Spent)
    }

    /// Whether there is time for something that asks Twilio nothing.
    pub(crate) fn time(&self) -> Result<(), Spent> {
        if self.deadline.is_over() { Err(Spent) } else { Ok(()) }
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    pub(crate) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// A share of what is left, rounded up. What it uses is counted with [`Budget::add`].
    pub(crate) fn share(&self, Share { part, of }: Share) -> Self {
        let left = u64::from(self.requests.saturating_sub(self.used()));
        let requests = (left * u64::from(part)).div_ceil(of.into());
        let time = self.deadline.remaining().mul_f64(f64::from(part) / f64::from(of));
        Self::new(u32::try_from(requests).unwrap_or(u32::MAX), Deadline::after(time))
    }

    /// What is left, with an earlier end.
    pub(crate) fn until(&self, deadline: Deadline) -> Self {
        Self::new(self.requests.saturating_sub(self.used()), self.deadline.min(deadline))
    }

    /// Counts what a share has used.
    pub(crate) fn add(&self, share: &Self) {
        self.used.fetch_add(share.used(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_budget_ends_with_its_requests_or_its_time() {
        let budget = Budget::new(2, Deadline::after(Duration::from_hours(1)));
        assert_eq!([budget.request(), budget.request(), budget.request()], [Ok(()), Ok(()), Err(Spent)]);
        assert_eq!((budget.used(), budget.time()), (2, Ok(())));
        let late = Budget::new(2, Deadline::after(Duration::ZERO));
        assert_eq!((late.request(), late.time(), late.used()), (Err(Spent), Err(Spent), 0));
    }

    #[test]
    fn what_one_share_leaves_is_for_the_others() {
        let budget = Budget::new(9, Deadline::after(Duration::from_hours(1)));
        let first = budget.share(Share::one_of(3));
        assert_eq!((first.request(), first.requests), (Ok(()), 3));
        budget.add(&first);
        let second = budget.share(Share::one_of(2));
        assert_eq!((second.requests, budget.used()), (4, 1));
        let left = second.deadline().remaining();
        assert!(left > Duration::from_mins(29) && left <= Duration::from_mins(30), "{left:?}");
        assert_eq!(budget.share(Share { part: 7, of: 8 }).requests, 7);
    }

    #[test]
    fn rest_of_a_budget_ends_at_the_earlier_time() {
        let [soon, late] = [1, 2].map(|hours| Deadline::after(Duration::from_hours(hours)));
        let budget = Budget::new(9, soon);
        assert_eq!(budget.request(), Ok(()));
        let rest = budget.until(late);
        assert_eq!((rest.requests, rest.used(), rest.deadline()), (8, 0, soon));
        assert_eq!(Budget::new(9, late).until(soon).deadline(), soon);
    }
}
