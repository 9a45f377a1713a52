//! From the outbound queues to Twilio: a notification is sent once, to a person who may receive it, as fast as the sender may.
//!
//! A batch goes through these stages, in this order:
//!
//! 1. [`intake`] reads the messages: notifications, and names of stored ones. [`lanes`] moves notifications to the queue of
//!    their lane.
//! 2. [`lookup`] reads what is stored of the notifications and their recipients.
//! 3. [`judge`] decides for each whether it is sent now, and [`template_plan`] with which template. [`resolve`] finds out before what became of an earlier attempt whose
//!    answer was lost, [`delivery_check`] whether an accepted message was delivered after which another option follows, and [`mod@retry`] opens what an operator retries; [`further_files`] puts on the queue what a notification
//!    sends in further messages. [`mod@wait`] lets it wait, and [`record_decision`] ends it.
//! 4. [`mod@compose`] makes the message, and [`schedule`] reserves its slot, or plans a time for which it waits.
//! 5. Then each message by itself: when its slot has come, [`claim`] claims it, [`deliver`] calls Twilio with nothing in
//!    between, and [`settle`] writes down the answer.
//! 6. [`requeue`] makes those messages come again that failed.
//!
//! Environment: `MESSAGES_TABLE`, `NOTIFICATIONS_TABLE`, `CONTACTS_TABLE`, `RATE_LIMITS_TABLE`, `TEMPLATES_TABLE`,
//! `OUTBOUND_QUEUE_URL`, `MEDIA_BUCKET`, `MEDIA_BUCKET_DOMAIN` (the bucket's host, required unless S3 has an endpoint URL),
//! `TWILIO_SECRET_ID`, `TWILIO_ACCOUNT_SID`, `PUBLIC_BASE_URL`, and optionally `SECRET_MAX_AGE_SECONDS` (300),
//! `TWILIO_API_BASE_URL` (Twilio's), `TENANTS_TABLE`, and for the accounts that its document does not name
//! `MESSAGING_SERVICE_SID`, `SEND_POLICY` (marketing needs a consent, 80 messages a second), `OPT_OUT_SCOPE` (`all`, or
//! `sender`), `TEMPLATE_DEFAULT_LOCALE` (`en`) and `TEMPLATE_FALLBACK_LOCALES` (`en_US`), `URGENT_QUEUE_URL` and
//! `MARKETING_QUEUE_URL` (these lanes stay on the outbound queue), `OUTBOUND_DEAD_LETTER_QUEUE_URL` (the queue's redrive
//! target), `MEDIA_READER_ROLE_ARN` or `MEDIA_SIGNER_SECRET_ID` (the function's own credentials, with which a media link
//! may expire before Twilio has fetched the file), and `MEDIA_BASE_URL` with `MEDIA_KEY_SECRET_ID` (media links lead to S3).

use std::{convert::Infallible, sync::Arc, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::progress::{CreateAnswer, Outcome};
use futures::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use shared::{deadline::Deadline, tenants::TenantCache, twilio::TwilioAccounts};
use stores::notifications::{ClaimState, StoredNotification};
use tracing::Instrument as _;
use twilio_types::sid::AccountSid;

mod attempt_reports;
mod backoff;
mod claim;
mod compose;
mod config;
mod daily_caps;
mod dead_letters;
mod deliver;
mod delivery_check;
mod email;
mod further_files;
mod intake;
mod job;
mod judge;
mod lanes;
mod lookup;
mod media;
mod media_link;
mod media_signer;
mod message_match;
mod message_search;
mod next;
mod outgoing;
mod queue_message;
mod record_decision;
mod requeue;
mod resolve;
mod retry;
mod schedule;
mod settle;
mod studio;
mod template_plan;
mod wait;

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod unicode_tests;

use claim::{ClaimResult, Claimed, Claimer};
use compose::ComposeError;
use deliver::{Deliverer, Delivery};
use delivery_check::DeliveryCheck;
use further_files::FurtherFiles;
use intake::Intake;
use job::{Candidate, JobFactory};
use judge::Judgement;
use lanes::Lanes;
use lookup::{Known, Lookup};
use next::{Ended, Next, SendError, Step, Stop, continuing};
use outgoing::OutgoingComposer;
use queue_message::QueueMessage;
use record_decision::DecisionRecorder;
use requeue::Requeue;
use resolve::Resolver;
use schedule::{Draft, Due, Scheduled, Scheduler, sleep_until};
use settle::Settler;
use template_plan::TemplateUses;
use wait::Waiter;

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
    delivery_check: DeliveryCheck,
    further_files: FurtherFiles,
    decisions: DecisionRecorder,
    composer: OutgoingComposer,
    scheduler: Scheduler,
    claimer: Claimer,
    deliverer: Deliverer,
    settler: Settler,
    template_uses: TemplateUses,
    waiter: Waiter,
    requeue: Requeue,
    twilio: Arc<TwilioAccounts>,
    tenants: TenantCache,
    /// The account of the notifications that name none.
    account_sid: AccountSid,
}

impl SendFunction {
    /// Works on a batch. Only messages that come again are reported as failed. Sent, suppressed, expired and rejected
    /// notifications are done, and so is what cannot be read, whose copy is on the dead-letter queue then.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Infallible> {
        let now = Timestamp::now();
        let deadline = Deadline::of_invocation(event.context.deadline, TIMEOUT).before(RESERVE);
        let messages = QueueMessage::read_all(&event.payload, &self.requeue.queues, deadline, now);
        // On the heap: the stages together are deeper than the compiler computes the layout of.
        let ended = Box::pin(self.process(&messages, now)).await;
        let finished =
            join_all(ended.iter().map(|ended| self.requeue.finish(ended).instrument(ended.span.clone()))).await;
        let mut response = SqsBatchResponse::default();
        for (ended, is_done) in ended.iter().zip(finished) {
            if !is_done {
                response.add_failure(ended.message.message_id);
            }
        }
        Ok(response)
    }

    /// Leads the messages of a batch through the stages. Every message ends at one of them.
    async fn process<'a>(&self, messages: &'a [QueueMessage<'a>], now: Timestamp) -> Vec<Ended<'a>> {
        let jobs = JobFactory { tenants: self.tenants.current().await, account_sid: self.account_sid.clone() };
        let mut ended = Vec::with_capacity(messages.len());
        let read =
            join_all(messages.iter().map(async |message| {
                self.intake.read(message, &jobs, now).await.map_err(|stop| message.stopped(stop))
            }));
        let incoming = continuing(&mut ended, read.await);
        let incoming = continuing(&mut ended, self.lanes.sort(incoming).await);
        let known = continuing(&mut ended, self.lookup.read(incoming, &jobs, now).await);
        // On the heap: these futures are large, and there are ten of them.
        let drafts = join_all(known.into_iter().map(async |known| {
            let (message, span) = (known.job.message, known.job.span());
            let draft = async { Box::pin(self.draft(known, now)).await.map_err(|stop| message.stopped(stop)) };
            draft.instrument(span).await
        }));
        let drafts = continuing(&mut ended, drafts.await);
        let scheduled = self.scheduler.schedule(drafts, now).await;
        // Each is woken by itself: with `join_all` all ten would be polled whenever one of them goes on.
        let sending: FuturesUnordered<_> =
            scheduled.into_iter().map(|scheduled| Box::pin(self.send(scheduled))).collect();
        ended.extend(sending.collect::<Vec<_>>().await);
        ended
    }

    /// From what is stored of a notification to a message that is ready to be sent.
    async fn draft<'a>(&self, known: Known<'a>, now: Timestamp) -> Result<Draft<'a>, Stop> {
        let candidate = self.candidate(known, now).await?;
        self.further_files.enqueue(&candidate).await?;
        let plan = match judge::judge(&candidate, now) {
            Judgement::Send(plan) => plan,
            other => return Err(self.record(candidate, other, now).await?.into()),
        };
        match self.twilio.has(&candidate.job.account_sid).await {
            Ok(true) => {}
            Ok(false) => return Err(self.decisions.await_account(candidate, &plan, &self.twilio, now).await?.into()),
            Err(error) => return Err(self.decisions.await_secret(candidate, &plan, &error, now).await?.into()),
        }
        let attempt = candidate.stored.progress.attempts.len();
        match self.composer.compose(&candidate.job, &plan, attempt).await {
            Ok(message) => Ok(Draft { candidate, plan, message, decided_at: now, counted: Vec::new() }),
            Err(ComposeError::PassedOver(reason)) => {
                Err(self.decisions.pass_over(candidate, &plan, reason, now).await?.into())
            }
            Err(ComposeError::Invalid(reason)) => {
                Err(self.decisions.end(candidate, Outcome::Rejected, reason, now).await?.into())
            }
            Err(error) => Err(self.decisions.await_message(candidate, &plan, &error, now).await?.into()),
        }
    }

    /// Goes on only with a notification that may be claimed.
    async fn candidate<'a>(&self, known: Known<'a>, now: Timestamp) -> Result<Candidate<'a>, Stop> {
        let Known { job, stored, person, pauses, templates } = known;
        let stored = stored.map(|stored| retry::reopened(&job, stored, now));
        match ClaimState::of(stored, &job.digest, now) {
            ClaimState::New => {
                let stored = StoredNotification::new(job.subject(), job.enqueued_at);
                Ok(Candidate { job, stored, seen: None, person, pauses, templates })
            }
            ClaimState::Claimable(stored) | ClaimState::AwaitingDelivery(stored)
                if !job.message.is_redelivered() && wait::is_early(&stored, now) =>
            {
                tracing::debug!(notification_id = %job.notification.id, "a notification came again before its planned time");
                Err(Next::Done.into())
            }
            ClaimState::Claimable(stored) | ClaimState::AwaitingDelivery(stored) => {
                let seen = Some(stored.version);
                let candidate = Candidate { job, seen, stored: *stored, person, pauses, templates };
                Box::pin(self.delivery_check.check(candidate, now)).await
            }
            ClaimState::OutcomeUnknown(stored) => {
                let seen = Some(stored.version);
                let candidate = Candidate { job, seen, stored: *stored, person, pauses, templates };
                Box::pin(self.resolver.resolve(candidate, now)).await
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
            Judgement::Wait(wait) => self.waiter.wait(candidate, wait, now).await,
            Judgement::End { outcome, reason } => self.decisions.end(candidate, outcome, reason, now).await,
        }
    }

    /// Sends a message in its slot, or lets it wait for its time.
    async fn send<'a>(&self, scheduled: Step<'a, Scheduled<'a>>) -> Ended<'a> {
        let scheduled = match scheduled {
            Err(ended) => return ended,
            Ok(scheduled) => scheduled,
        };
        let (message, span) = (scheduled.job().message, scheduled.job().span());
        let sent = async {
            let result = match scheduled {
                Scheduled::Slot(due) => Box::pin(self.claim_and_deliver(due)).await,
                Scheduled::Planned(candidate, wait) => {
                    self.waiter.wait(*candidate, wait, Timestamp::now()).await.map_err(Stop::from)
                }
            };
            match result {
                Ok(next) => message.ended(next),
                Err(stop) => message.stopped(stop),
            }
        };
        sent.instrument(span).await
    }

    async fn claim_and_deliver(&self, mut due: Box<Due<'_>>) -> Result<Next, Stop> {
        loop {
            sleep_until(due.slot).await;
            let draft = match self.claimer.claim(*due).await? {
                ClaimResult::Claimed(claimed) => return Ok(self.deliver_and_settle(&claimed).await?),
                ClaimResult::Judged(candidate, judgement) => {
                    return Ok(self.record(candidate, judgement, Timestamp::now()).await?);
                }
                ClaimResult::Late(draft) => draft,
            };
            due = match self.scheduler.reschedule(draft).await {
                Some(Ok(Scheduled::Slot(due))) => due,
                Some(Ok(Scheduled::Planned(candidate, wait))) => {
                    return Ok(self.waiter.wait(*candidate, wait, Timestamp::now()).await?);
                }
                Some(Err(ended)) => return Ok(ended.next),
                None => return Ok(Next::SOON),
            };
        }
    }

    async fn deliver_and_settle(&self, claimed: &Claimed<'_>) -> Result<Next, SendError> {
        let delivery = self.deliverer.deliver(claimed).await;
        let is_too_fast = matches!(delivery, Delivery::TooFast(_));
        let is_accepted = matches!(delivery, Delivery::Answered(CreateAnswer::Accepted(_)));
        // First what became of the message: the time that is left is for this write.
        let settled = self.settler.settle(claimed, delivery).await;
        if is_accepted {
            self.template_uses.note(claimed).await;
        }
        if is_too_fast {
            self.scheduler.throttle(&claimed.job, &claimed.plan.route, claimed.decided_at).await;
        }
        settled
    }
}
