//! From the outbound queue to Twilio: a notification is sent once, to a person who may receive it, as fast as the sender may.
//!
//! A batch goes through these stages, in this order:
//!
//! 1. [`intake`] reads the notifications, and [`lanes`] moves marketing to its own queue.
//! 2. [`lookup`] reads what is stored of the notifications and their recipients.
//! 3. [`judge`] decides for each whether it is sent now. [`resolve`] finds out before what became of an earlier attempt whose
//!    answer was lost. [`record_decision`] writes down why a notification waits or ends.
//! 4. [`mod@compose`] makes the message, and [`schedule`] reserves its slot.
//! 5. Then each message by itself: when its slot has come, [`claim`] claims it, [`deliver`] calls Twilio with nothing in
//!    between, and [`settle`] writes down the answer.
//! 6. [`requeue`] makes those messages come again that are not done.
//!
//! Environment: `MESSAGES_TABLE`, `NOTIFICATIONS_TABLE`, `CONTACTS_TABLE`, `RATE_LIMITS_TABLE`, `OUTBOUND_QUEUE_URL`,
//! `MEDIA_BUCKET`, `MEDIA_BUCKET_DOMAIN` (the bucket's host, required unless S3 has an endpoint URL), `TWILIO_SECRET_ID`,
//! `TWILIO_ACCOUNT_SID`, `PUBLIC_BASE_URL`, and optionally `MESSAGING_SERVICE_SID`, `TWILIO_API_BASE_URL` (Twilio's),
//! `SEND_POLICY` (marketing needs a consent, 80 messages a second), `BULK_QUEUE_URL` (marketing stays on the outbound
//! queue), `OUTBOUND_DEAD_LETTER_QUEUE_URL` (the queue's redrive target) and `MEDIA_SIGNER_SECRET_ID` (the function's own
//! credentials, with which a media link may expire before Twilio has fetched the file).

use std::{convert::Infallible, sync::Arc, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::progress::Outcome;
use futures::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use shared::{deadline::Deadline, twilio::TwilioAccounts};
use stores::notifications::{ClaimState, StoredNotification};

mod backoff;
mod claim;
mod compose;
mod config;
mod dead_letters;
mod deliver;
mod intake;
mod job;
mod judge;
mod lanes;
mod lookup;
mod media;
mod media_link;
mod message_match;
mod message_search;
mod next;
mod queue_message;
mod record_decision;
mod requeue;
mod resolve;
mod schedule;
mod settle;
mod template_names;

use claim::{ClaimResult, Claimed, Claimer};
use compose::{ComposeError, Composer};
use deliver::{Deliverer, Delivery};
use intake::Intake;
use job::Candidate;
use judge::{Judge, Judgement};
use lanes::Lanes;
use lookup::{Known, Lookup};
use next::{Ended, Next, SendError, Stop, continuing};
use queue_message::QueueMessage;
use record_decision::{DecisionRecorder, await_account, await_message};
use requeue::Requeue;
use resolve::Resolver;
use schedule::{Draft, Due, Scheduler, sleep_until};
use settle::Settler;

/// The function's timeout in `template.yaml`.
const TIMEOUT: Duration = Duration::from_secs(45);

/// After a request to Twilio its answer is written, and then the queue message gets its delay: one call of DynamoDB and one of
/// SQS, which take at most 4.5 s each.
const RESERVE: Duration = Duration::from_secs(10);

/// The function.
#[derive(Debug)]
pub struct SendFunction {
    intake: Intake,
    lanes: Lanes,
    lookup: Lookup,
    resolver: Resolver,
    judge: Judge,
    decisions: DecisionRecorder,
    composer: Arc<Composer>,
    scheduler: Scheduler,
    claimer: Claimer,
    deliverer: Deliverer,
    settler: Settler,
    requeue: Requeue,
    twilio: Arc<TwilioAccounts>,
}

impl SendFunction {
    /// Works on a batch. Only messages that come again are reported as failed. Sent, suppressed, expired and rejected
    /// notifications are done, and so is what cannot be read, whose copy is on the dead-letter queue then.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Infallible> {
        let now = Timestamp::now();
        let deadline = Deadline::of_invocation(event.context.deadline, TIMEOUT).before(RESERVE);
        let read = |message| QueueMessage::read(message, &self.requeue.queue, deadline, now);
        let messages: Vec<_> = event.payload.records.iter().map(read).collect();
        let ended = self.process(&messages, now).await;
        let finished = join_all(ended.iter().map(|ended| self.requeue.finish(ended, now))).await;
        let mut response = SqsBatchResponse::default();
        for (ended, next) in ended.iter().zip(finished) {
            if let Next::Again(_) = next {
                response.add_failure(ended.message.message_id);
            }
        }
        Ok(response)
    }

    /// Leads the messages of a batch through the stages. Every message ends at one of them.
    async fn process<'a>(&self, messages: &'a [QueueMessage<'a>], now: Timestamp) -> Vec<Ended<'a>> {
        let mut ended = Vec::with_capacity(messages.len());
        let read = join_all(
            messages
                .iter()
                .map(async |message| self.intake.read(message, now).await.map_err(|stop| message.stopped(stop))),
        );
        let jobs = continuing(&mut ended, read.await);
        let jobs = continuing(&mut ended, self.lanes.sort(jobs).await);
        let known = continuing(&mut ended, self.lookup.read(jobs).await);
        // On the heap: these futures are large, and there are ten of them.
        let drafts = join_all(known.into_iter().map(async |known| {
            let message = known.job.message;
            Box::pin(self.draft(known, now)).await.map_err(|stop| message.stopped(stop))
        }));
        let drafts = continuing(&mut ended, drafts.await);
        let due = continuing(&mut ended, self.scheduler.schedule(drafts, now).await);
        // Each is woken by itself: with `join_all` all ten would be polled whenever one of them goes on.
        let sending: FuturesUnordered<_> = due.into_iter().map(|due| Box::pin(self.send(due))).collect();
        ended.extend(sending.collect::<Vec<_>>().await);
        ended
    }

    /// From what is stored of a notification to a message that is ready to be sent.
    async fn draft<'a>(&self, known: Known<'a>, now: Timestamp) -> Result<Draft<'a>, Stop> {
        let candidate = self.candidate(known, now).await?;
        let plan = match self.judge.judge(&candidate, now) {
            Judgement::Send(plan) => plan,
            other => return Err(self.record(candidate, other, now).await?.into()),
        };
        if !self.twilio.has(&candidate.job.account_sid) {
            return Err(await_account(&candidate.job, &self.twilio).await.into());
        }
        let attempt = candidate.stored.progress.attempts.len();
        match self.composer.compose(&candidate.job, &plan, attempt).await {
            Ok(message) => Ok(Draft { candidate, plan, message, decided_at: now }),
            Err(ComposeError::Invalid(reason)) => {
                Err(self.decisions.end(candidate, Outcome::Rejected, reason, now).await?.into())
            }
            Err(error) => Err(await_message(&candidate.job, &error).into()),
        }
    }

    /// Goes on only with a notification that may be claimed.
    async fn candidate<'a>(&self, known: Known<'a>, now: Timestamp) -> Result<Candidate<'a>, Stop> {
        let Known { job, stored, person } = known;
        match ClaimState::of(stored, &job.digest, now) {
            ClaimState::New => {
                let stored = StoredNotification::new(job.subject(), job.message.enqueued_at);
                Ok(Candidate { job, stored, seen: None, person })
            }
            ClaimState::Claimable(found) => Ok(Candidate { job, seen: Some(found.version), stored: *found, person }),
            ClaimState::OutcomeUnknown(found) => {
                let stored = Box::pin(self.resolver.resolve(&job, &person, *found, now)).await?;
                Ok(Candidate { job, seen: Some(stored.version), stored, person })
            }
            ClaimState::LeasedUntil(until) => Err(Next::after_lease(until, now).into()),
            ClaimState::Finished(state) => {
                let notification_id = &job.notification.id;
                tracing::info!(%notification_id, state = state.as_str(), "a notification came again after its end");
                Err(Next::Done.into())
            }
            ClaimState::IdReused => Err(self.decisions.reject_reused_id(&job, now).await?.into()),
        }
    }

    /// Writes down a judgement, unless the notification is sent.
    async fn record(&self, candidate: Candidate<'_>, judgement: Judgement, now: Timestamp) -> Result<Next, SendError> {
        match judgement {
            Judgement::Send(_) => Ok(Next::SOON),
            Judgement::Wait { until, reason } => self.decisions.wait(candidate, until, reason, now).await,
            Judgement::End { outcome, reason } => self.decisions.end(candidate, outcome, reason, now).await,
        }
    }

    /// Sends a message in its slot.
    async fn send<'a>(&self, due: Due<'a>) -> Ended<'a> {
        let message = due.draft.candidate.job.message;
        match self.claim_and_deliver(due).await {
            Ok(next) => message.ended(next),
            Err(stop) => message.stopped(stop),
        }
    }

    async fn claim_and_deliver(&self, mut due: Due<'_>) -> Result<Next, Stop> {
        loop {
            sleep_until(due.slot).await;
            match self.claimer.claim(due).await? {
                ClaimResult::Claimed(claimed) => return Ok(self.deliver_and_settle(&claimed).await?),
                ClaimResult::Judged(candidate, judgement) => {
                    return Ok(self.record(candidate, judgement, Timestamp::now()).await?);
                }
                ClaimResult::Late(draft) => due = self.scheduler.reschedule(draft).await?,
            }
        }
    }

    async fn deliver_and_settle(&self, claimed: &Claimed<'_>) -> Result<Next, SendError> {
        let delivery = self.deliverer.deliver(claimed).await;
        let is_too_fast = matches!(delivery, Delivery::TooFast(_));
        // First what became of the message: the time that is left is for this write.
        let settled = self.settler.settle(claimed, delivery).await;
        if is_too_fast {
            self.scheduler.throttle(&claimed.job.account_sid, &claimed.plan.route, claimed.decided_at).await;
        }
        settled
    }
}
