//! Marketing has a separate queue, so that other notifications do not wait behind it.

use shared::{
    queues::{EnqueueOutcome, Lane, OutboundQueue},
    report::Chain,
};

use crate::{
    job::Job,
    next::{Next, Step},
};

/// Moves notifications to their queue.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) queue: OutboundQueue,
}

impl Lanes {
    /// Moves the marketing of the first queue to its own queue, with one request. The other notifications go on.
    pub(crate) async fn sort<'a>(&self, jobs: Vec<Job<'a>>) -> Vec<Step<'a, Job<'a>>> {
        let is_misplaced =
            |job: &Job<'_>| self.queue.has_bulk_lane() && job.is_marketing() && job.message.lane == Lane::Front;
        let (misplaced, rest): (Vec<_>, Vec<_>) = jobs.into_iter().partition(is_misplaced);
        let mut steps: Vec<Step<'a, Job<'a>>> = rest.into_iter().map(Ok).collect();
        if misplaced.is_empty() {
            return steps;
        }
        let copies: Vec<_> = misplaced.iter().map(|job| job.message.copy(&job.account_sid)).collect();
        let outcomes = self.queue.enqueue(Lane::Bulk, &copies).await.unwrap_or_else(|error| {
            tracing::error!(error = %Chain(&error), "marketing was not moved to its queue, and is tried again");
            vec![EnqueueOutcome::Refused; copies.len()]
        });
        steps.extend(misplaced.into_iter().zip(outcomes).map(|(job, outcome)| {
            Err(job.message.ended(match outcome {
                EnqueueOutcome::Accepted => Next::Done,
                EnqueueOutcome::Refused => job.message.after_failure(),
            }))
        }));
        steps
    }
}
