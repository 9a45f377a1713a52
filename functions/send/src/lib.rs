//! The outbound queue to Twilio: a notification goes out, once, to who may receive it, at the pace the sender allows.
//!
//! A batch is worked on together: one read for all that is known of its notifications and their recipients, a decision
//! for each, one write for the times at which those that go out are due. Then each by itself waits for its time, claims
//! its notification on the condition that nobody has opted out meanwhile, calls Twilio with nothing in between, and
//! writes down what came of it.
//!
//! Environment: `NOTIFICATIONS_TABLE`, `CONTACTS_TABLE`, `RATE_LIMITS_TABLE`, `OUTBOUND_QUEUE_URL`, `MEDIA_BUCKET`,
//! `MEDIA_BUCKET_DOMAIN` (the bucket's host, required unless S3 has an endpoint URL), `TWILIO_SECRET_ID`,
//! `TWILIO_ACCOUNT_SID`, `PUBLIC_BASE_URL`, and optionally `MESSAGING_SERVICE_SID`, `TWILIO_API_BASE_URL` (Twilio's),
//! `SEND_POLICY` (marketing needs a consent, 80 messages a second), `BULK_QUEUE_URL` (marketing stays on the outbound
//! queue), `OUTBOUND_DEAD_LETTER_QUEUE_URL` (the queue's redrive target) and `MEDIA_SIGNER_SECRET_ID` (the function's own
//! credentials, with which a media link may die before Twilio has fetched the file).

use std::{convert::Infallible, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::policy::Policy;
use futures::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use shared::{
    queues::{EnqueueOutcome, Lane, OutboundQueue, QueueError},
    report::Chain,
    twilio::TwilioAccounts,
};
use stores::{contacts::Contacts, dynamodb::StoreError, notifications::Notifications, rate_limits::RateLimits};
use twilio_types::sid::AccountSid;

mod backoff;
mod claim;
mod compose;
mod config;
mod decide;
mod deliver;
mod doubt;
mod ends;
mod facts;
mod intake;
mod job;
mod media;
mod media_link;
mod message_match;
mod schedule;

use compose::Composer;
use job::{Incoming, Job};
use schedule::Draft;

/// The function.
#[derive(Debug)]
pub struct SendFunction {
    dynamodb: aws_sdk_dynamodb::Client,
    notifications: Notifications,
    contacts: Contacts,
    rate_limits: RateLimits,
    queue: OutboundQueue,
    twilio: TwilioAccounts,
    composer: Composer,
    policy: Policy,
    account_sid: AccountSid,
}

/// What becomes of a queue message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It has come to its end and leaves the queue.
    Done,
    /// It comes again after this time.
    Again(Duration),
}

/// Our own state or queue did not answer: time mends it.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A step either leads on or is the last for now.
type Step<T> = Result<T, Next>;

/// Messages by their place in the batch.
type Placed<T> = Vec<(usize, T)>;

impl SendFunction {
    /// Works on a batch. Only a message that has to come again is reported as failed: sent, suppressed, expired and
    /// refused for good are ends, and so is what cannot be read, whose copy is on the dead-letter queue before it leaves
    /// this one.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Infallible> {
        let now = Timestamp::now();
        let incoming: Vec<_> =
            event.payload.records.iter().map(|message| Incoming::read(message, &self.queue, now)).collect();
        let mut nexts: Vec<Option<Next>> = incoming.iter().map(|_| None).collect();
        for (index, next) in self.work(&incoming, now).await {
            if let Some(place) = nexts.get_mut(index) {
                *place = Some(next);
            }
        }
        let ended = join_all(incoming.iter().zip(nexts).map(|(message, next)| self.end(message, next))).await;
        let mut response = SqsBatchResponse::default();
        for (message, next) in incoming.iter().zip(ended) {
            if let Next::Again(_) = next {
                response.add_failure(message.message_id);
            }
        }
        Ok(response)
    }

    /// Gives what becomes of each message, by its place in the batch.
    async fn work(&self, incoming: &[Incoming<'_>], now: Timestamp) -> Placed<Next> {
        let opened = join_all(incoming.iter().map(|message| self.open(message, now))).await;
        let (mut done, jobs) = partition(opened.into_iter().enumerate().collect());
        let (moved, jobs) = self.move_to_bulk_lane(jobs).await;
        done.extend(moved);
        let (judged, drafts) = partition(self.judge(jobs, now).await);
        done.extend(judged);
        let (later, due) = partition(self.schedule(drafts, now).await);
        done.extend(later);
        // Each is woken by itself: all together they would look at all ten whenever one of them goes on.
        let sending: FuturesUnordered<_> =
            due.into_iter().map(async |(index, due)| (index, self.send(due).await)).collect();
        done.extend(sending.collect::<Vec<_>>().await);
        done
    }

    /// Reads what is known and decides, side by side. Where nothing can be read, all come again.
    async fn judge<'a>(&self, jobs: Placed<Job<'a>>, now: Timestamp) -> Placed<Step<Draft<'a>>> {
        let known = match self.known(&jobs).await {
            Ok(known) => known,
            Err(error) => {
                tracing::error!(error = %Chain(&error), "batch not processed");
                return jobs.into_iter().map(|(index, job)| (index, Err(job.incoming.after_failure()))).collect();
            }
        };
        let known = &known;
        join_all(jobs.into_iter().map(async |(index, job)| {
            let incoming = job.incoming;
            let judged = self.decide(job, known, now).await;
            (index, judged.unwrap_or_else(|error| Err(incoming.failed(&error))))
        }))
        .await
    }

    /// Sees to it that a message which is not done with comes again when it should.
    async fn end(&self, message: &Incoming<'_>, next: Option<Next>) -> Next {
        let Next::Again(delay) = next.unwrap_or_else(|| message.after_failure()) else { return Next::Done };
        if message.outlives_queue(delay) {
            match self.queue.enqueue(message.lane, &[message.fresh_copy(&self.account_sid)]).await {
                Ok(outcomes) if outcomes == [EnqueueOutcome::Accepted] => return Next::Done,
                _ => tracing::error!("a notification that waits for long was not put on the queue anew"),
            }
        }
        if let Err(error) = self.queue.change_visibility(message.lane, message.receipt_handle, delay).await {
            tracing::warn!(error = %Chain(&error), "delay not set, the queue's own applies");
        }
        Next::Again(delay)
    }

    /// Marketing moves to a lane of its own, so that what is urgent does not wait behind it.
    async fn move_to_bulk_lane<'a>(&self, jobs: Placed<Job<'a>>) -> (Placed<Next>, Placed<Job<'a>>) {
        let (bulk, rest): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .partition(|(_, job)| self.queue.has_bulk_lane() && job.is_bulk() && job.incoming.lane == Lane::Front);
        if bulk.is_empty() {
            return (Vec::new(), rest);
        }
        let entries: Vec<_> = bulk.iter().map(|(_, job)| job.entry()).collect();
        let outcomes = self.queue.enqueue(Lane::Bulk, &entries).await.unwrap_or_else(|error| {
            tracing::error!(error = %Chain(&error), "marketing not moved to its lane");
            vec![EnqueueOutcome::Refused; entries.len()]
        });
        let moved = bulk.into_iter().zip(outcomes).map(|((index, job), outcome)| match outcome {
            EnqueueOutcome::Accepted => (index, Next::Done),
            EnqueueOutcome::Refused => (index, job.incoming.after_failure()),
        });
        (moved.collect(), rest)
    }
}

/// Parts what has come to its next step from what goes on.
fn partition<T>(steps: Placed<Step<T>>) -> (Placed<Next>, Placed<T>) {
    let (mut done, mut going) = (Vec::new(), Vec::new());
    for (index, step) in steps {
        match step {
            Ok(on) => going.push((index, on)),
            Err(next) => done.push((index, next)),
        }
    }
    (done, going)
}
