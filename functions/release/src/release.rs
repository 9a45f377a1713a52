//! Puts due notifications on their queues, page by page of the index.

use domain::{
    lane::Lane,
    pause::Pauses,
    waiting::{Handover, release},
};
use futures::future::join_all;
use jiff::Timestamp;
use shared::{
    deadline::Deadline,
    queues::{BATCH_MESSAGES, EnqueueOutcome, NotificationReference, QueueEntry},
};
use stores::{
    dynamodb::Item,
    notifications::{DUE_SHARDS, DueNotification},
};

use crate::{ReleaseError, ReleaseFunction, report::RunReport, selection::Selection};

/// How many notifications are put on a queue before they are moved on in the index: five requests to SQS at the same time, then
/// two to DynamoDB.
const PORTION: usize = 50;

/// A run of the function.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) function: &'a ReleaseFunction,
    pub(crate) pauses: Pauses,
    /// What is due before this time is released.
    pub(crate) before: Timestamp,
    /// After this time nothing more is begun.
    pub(crate) deadline: Deadline,
}

/// The position of a run in a shard of the index.
#[derive(Debug)]
pub(crate) struct Shard {
    number: u8,
    /// The position behind the last page; none before the first one.
    from: Option<Item>,
}

impl Shard {
    pub(crate) fn all() -> Vec<Self> {
        (0..DUE_SHARDS).map(|number| Self { number, from: None }).collect()
    }
}

/// What became of a page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) report: RunReport,
    /// The next page of the shard.
    pub(crate) next: Option<Shard>,
    pub(crate) failure: Option<ReleaseError>,
}

impl Page {
    /// This number of notifications stays due for the next run.
    fn leave(&mut self, unfinished: usize) {
        self.report.unfinished += unfinished;
        self.report.complete &= unfinished == 0;
    }

    fn fail(&mut self, error: impl Into<ReleaseError>) {
        self.report.complete = false;
        self.failure.get_or_insert(error.into());
    }
}

impl Run<'_> {
    /// Releases a page of the index. What is not released stays due.
    pub(crate) async fn page(&self, Shard { number, from }: Shard) -> Page {
        let mut page = Page::default();
        if self.deadline.is_over() {
            page.report.complete = false;
            return page;
        }
        let found = match self.function.notifications.due(number, self.before, from).await {
            Ok(found) => found,
            Err(error) => {
                page.fail(error);
                return page;
            }
        };
        for notification in &found.unreadable {
            tracing::error!(notification, alarm = "unreadable", "a due notification cannot be read");
        }
        let selection = Selection::of(found.due, &self.pauses, Timestamp::now());
        page.report.unreadable = found.unreadable.len();
        page.report.paused = selection.paused;
        page.report.late_seconds = selection.late_seconds;
        page.next = found.next.map(|from| Shard { number, from: Some(from) });
        for (lane, due) in &selection.lanes {
            for portion in due.chunks(PORTION) {
                self.portion(*lane, portion, &mut page).await;
            }
        }
        page
    }

    /// First the queue, then the index: if the run stops in between, the messages come again.
    async fn portion(&self, lane: Lane, due: &[DueNotification], page: &mut Page) {
        if self.deadline.is_over() {
            page.report.complete = false;
            return;
        }
        let now = Timestamp::now();
        let batches = due.chunks(BATCH_MESSAGES).map(async |batch| {
            let entries: Vec<_> = batch.iter().map(|due| entry(due, now)).collect();
            (batch, self.function.queues.enqueue(lane, &entries).await)
        });
        let mut moves = Vec::with_capacity(due.len());
        for (batch, outcomes) in join_all(batches).await {
            match outcomes {
                Ok(outcomes) => {
                    let accepted =
                        batch.iter().zip(outcomes).filter(|(_, outcome)| *outcome == EnqueueOutcome::Accepted);
                    moves.extend(accepted.map(|(due, _)| (due, release(due.due_at, now).due_at)));
                }
                Err(error) => page.fail(error),
            }
        }
        page.report.released += moves.len();
        page.leave(due.len() - moves.len());
        match self.function.notifications.move_due(&moves).await {
            Ok(not_moved) => page.leave(not_moved),
            Err(error) => page.fail(error),
        }
    }
}

/// The message that begins a chain of messages.
fn entry(due: &DueNotification, now: Timestamp) -> QueueEntry {
    let Handover { delay, .. } = release(due.due_at, now);
    let reference = NotificationReference { account_sid: due.account_sid.clone(), id: due.id.clone(), hops: 0 };
    QueueEntry::of_reference(&reference, delay.unwrap_or_default())
}
