//! Each lane has a queue, so that a one-time password does not wait behind a campaign. Other systems may put everything on
//! the outbound queue.

use std::collections::BTreeMap;

use domain::lane::Lane;
use shared::{
    queues::{EnqueueOutcome, LaneQueues},
    report::Chain,
};

use crate::{
    intake::Incoming,
    job::Job,
    next::{Next, Step},
};

/// Moves notifications to the queue of their lane.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) queues: LaneQueues,
}

impl Lanes {
    /// Moves the notifications that are on the queue of another lane, with one request for each lane. The others go on.
    pub(crate) async fn sort<'a>(&self, incoming: Vec<Incoming<'a>>) -> Vec<Step<'a, Incoming<'a>>> {
        let mut steps: Vec<Step<'a, Incoming<'a>>> = Vec::with_capacity(incoming.len());
        let mut misplaced: BTreeMap<Lane, Vec<Box<Job<'a>>>> = BTreeMap::new();
        for incoming in incoming {
            match incoming {
                Incoming::Notification(job) if self.is_misplaced(&job) => {
                    misplaced.entry(job.lane()).or_default().push(job);
                }
                incoming => steps.push(Ok(incoming)),
            }
        }
        for (lane, jobs) in misplaced {
            steps.extend(self.move_to(lane, jobs).await);
        }
        steps
    }

    fn is_misplaced(&self, job: &Job<'_>) -> bool {
        self.queues.has_separate_queues(job.message.lane, job.lane())
    }

    async fn move_to<'a>(&self, lane: Lane, jobs: Vec<Box<Job<'a>>>) -> Vec<Step<'a, Incoming<'a>>> {
        let copies: Vec<_> = jobs.iter().map(|job| job.message.copy(&job.account_sid)).collect();
        let outcomes = self.queues.enqueue(lane, &copies).await.unwrap_or_else(|error| {
            let lane = lane.as_str();
            tracing::error!(error = %Chain(&error), lane, "notifications were not moved to their lane, and are tried again");
            vec![EnqueueOutcome::Refused; copies.len()]
        });
        let end = |(job, outcome): (Box<Job<'a>>, _)| {
            Err(job.message.ended(match outcome {
                EnqueueOutcome::Accepted => Next::Done,
                EnqueueOutcome::Refused => job.message.after_failure(),
            }))
        };
        jobs.into_iter().zip(outcomes).map(end).collect()
    }
}
