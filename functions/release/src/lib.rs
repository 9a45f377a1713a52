//! What is due: every minute, the notifications whose time comes within three minutes are put on the queues of their lanes.
//!
//! A notification waits in its item, in the index `by_due` ([`domain::waiting`]). For each page of the index a run
//!
//! 1. leaves out what is paused ([`selection`]),
//! 2. puts a reference to each notification on its lane's queue, delayed to the second at which it is due,
//! 3. moves its time on by a quarter of an hour ([`release`]).
//!
//! If a run stops between the last two steps, or two runs overlap, a message comes twice, which is harmless, because only one
//! claim succeeds. If a message is lost, the notification is due again a quarter of an hour later.
//!
//! Environment: `NOTIFICATIONS_TABLE`, `RATE_LIMITS_TABLE`, `OUTBOUND_QUEUE_URL`, and optionally `URGENT_QUEUE_URL` and
//! `MARKETING_QUEUE_URL` (the outbound queue) and `PAUSE_ALARM_MINUTES` (60).

use std::time::Duration;

use domain::{pause::Pauses, waiting::RELEASE_AHEAD};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Error, LambdaEvent};
use serde::de::IgnoredAny;
use shared::{
    deadline::Deadline,
    queues::{LaneQueues, QueueError},
    report::Chain,
};
use stores::{dynamodb::StoreError, notifications::Notifications, pauses::PauseStore};

mod config;
mod release;
mod report;
mod selection;

pub use report::RunReport;

use release::{Run, Shard};

/// The function.
#[derive(Debug)]
pub struct ReleaseFunction {
    notifications: Notifications,
    pauses: PauseStore,
    queues: LaneQueues,
    /// After this time a pause may have been forgotten.
    pause_alarm: SignedDuration,
}

/// A part of a run failed. What was not released is due in the next run.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The table does not answer: time helps, or the operator must act.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A queue does not answer: time helps, or the operator must act.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The function's timeout in `template.yaml`. The next run begins after a minute.
const TIMEOUT: Duration = Duration::from_secs(55);

/// What was begun before the deadline ends within it: a request to SQS and one to DynamoDB, which last at most 4.5 s each.
const RESERVE: Duration = Duration::from_secs(10);

/// How many shards are read at a time. Each opens a connection, and while nothing is due that is most of the work.
const CONCURRENT_SHARDS: usize = 8;

impl ReleaseFunction {
    /// One run.
    pub async fn handle(&self, event: LambdaEvent<IgnoredAny>) -> Result<RunReport, Error> {
        let deadline = Deadline::of_invocation(event.context.deadline, TIMEOUT).before(RESERVE);
        let released = self.release(deadline).await;
        released.inspect_err(|error| tracing::error!(error = %Chain(error), "the run failed")).map_err(Error::from)
    }

    /// The first error is the run's; the other shards are released all the same.
    async fn release(&self, deadline: Deadline) -> Result<RunReport, ReleaseError> {
        let now = Timestamp::now();
        let pauses = self.pauses.get().await?;
        self.log_overdue(&pauses, now);
        let before = now.saturating_add(RELEASE_AHEAD).unwrap_or(Timestamp::MAX);
        let run = Run { function: self, pauses, before, deadline };
        let mut shards = Shard::all();
        let mut report = RunReport::default();
        let mut failure = None;
        // One page of each shard after the other, so that a run that does not come to an end leaves no shard out.
        while !shards.is_empty() {
            let pages: Vec<_> =
                stream::iter(shards).map(|shard| run.page(shard)).buffer_unordered(CONCURRENT_SHARDS).collect().await;
            shards = Vec::new();
            for page in pages {
                report.add(&page.report);
                shards.extend(page.next);
                failure = failure.or(page.failure);
            }
        }
        report.log();
        failure.map_or(Ok(report), Err)
    }

    fn log_overdue(&self, pauses: &Pauses, now: Timestamp) {
        for pause in pauses.overdue(now, self.pause_alarm) {
            let (scope, since) = (pause.scope.for_log(), pause.since);
            tracing::error!(scope, %since, alarm = "paused", "sending has been paused for a long time");
        }
    }
}
