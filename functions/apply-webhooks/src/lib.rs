//! Webhooks that DynamoDB did not store in time: recorded as soon as it does.
//!
//! `inbound` and `status` put such a webhook on the spool queue, with the time at which it arrived. For each of them the function
//!
//! 1. reads it ([`SpooledWebhook`]); what can never be recorded goes to the dead-letter queue, with the reason, because no other
//!    delivery changes it,
//! 2. records it as those functions do ([`WebhookRecorder`]), with the time of its arrival: service windows, opt-outs and events
//!    are as if it had been stored then. One that is stored already is a duplicate, and changes nothing.
//!
//! What is not recorded comes again after a pause ([`job`]). Each message of a batch has a deadline apart from the others, so that
//! one that always fails holds up no other.
//!
//! Environment: `MESSAGES_TABLE`, `CONTACTS_TABLE`, `SPOOL_QUEUE_URL`, `SPOOL_DEAD_LETTER_QUEUE_URL`, and optionally
//! `TENANTS_TABLE`, and for the accounts that its document does not name `OPT_OUT_LANGUAGES` (default: all that are known),
//! `OPT_OUT_KEYWORDS` (default: no change), `OPT_OUT_SCOPE` (`all`, the default, or `sender`) and `MESSAGE_RETENTION_DAYS`
//! (default: 30).

use std::{convert::Infallible, error::Error, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use shared::{
    deadline::Deadline,
    log::untraced,
    queues::{DeadLetterQueue, SpoolQueue},
    report::Chain,
    webhook::{ArrivedForm, NotRecorded, SpooledWebhook, WebhookRecorder},
};
use stores::{fault::AwsFault, messages::MessageArrival};
use tracing::Instrument as _;
use twilio_webhook::{inbound_message::InvalidForm, signature::TrustedForm, webhook::Webhook};

mod config;
mod job;

use job::{SpoolJob, is_late};

/// The function's timeout in `template.yaml`.
const TIMEOUT: Duration = Duration::from_secs(45);

/// One webhook has this time: one request that is tried twice, and others that are answered. Ten of them, a batch, fit into the
/// timeout.
const WEBHOOK_TIME: Duration = Duration::from_secs(4);

/// Then it is set when what is not recorded comes again, with one request of at most three seconds.
const RESERVE: Duration = Duration::from_millis(3_500);

/// Then a line in the log says what was not done.
const LOG_RESERVE: Duration = Duration::from_millis(500);

/// The most messages of a batch: `BatchSize` in `template.yaml`.
#[cfg(test)]
const BATCH_SIZE: u32 = 10;

/// The function.
#[derive(Debug)]
pub struct ApplyWebhooksFunction {
    recorder: WebhookRecorder,
    spool: SpoolQueue,
    dead_letters: DeadLetterQueue,
}

/// What became of a message.
enum Applied {
    Done,
    /// It comes again.
    Failed,
}

impl ApplyWebhooksFunction {
    /// Applies a batch, one webhook after the other. Only what is tried again is reported as failed.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Infallible> {
        let end = Deadline::of_invocation(event.context.deadline, TIMEOUT).before(LOG_RESERVE);
        let mut response = SqsBatchResponse::default();
        let mut retries = Vec::new();
        for job in event.payload.records.iter().map(SpoolJob::of) {
            let deadline = Deadline::after(WEBHOOK_TIME).min(end.before(RESERVE));
            if let Applied::Failed = self.apply(&job, deadline).instrument(untraced()).await {
                response.add_failure(job.message_id());
                retries.extend(job.retry());
            }
        }
        if !retries.is_empty() {
            let set = end.run(self.spool.retry(&retries)).await;
            let failure: Option<Box<dyn Error>> = match set {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.into()),
                Err(exceeded) => Some(exceeded.into()),
            };
            if let Some(error) = failure {
                let error = Chain(error.as_ref()).to_string();
                tracing::warn!(error, "spooled webhooks come again after the visibility timeout of their queue");
            }
        }
        Ok(response)
    }

    async fn apply(&self, job: &SpoolJob<'_>, deadline: Deadline) -> Applied {
        let webhook = match job.webhook() {
            Ok(webhook) => webhook,
            Err(error) => return self.set_aside(job, &error, deadline).await,
        };
        match self.record(&webhook, deadline).await {
            Ok(Ok(())) => {
                let waited = Timestamp::now().duration_since(webhook.arrived_at).as_secs();
                tracing::info!(waited_seconds = waited, "a spooled webhook is applied");
                Applied::Done
            }
            Ok(Err(NotRecorded::Store(error))) if error.fault() == AwsFault::Invalid => {
                self.set_aside(job, &NotRecorded::Store(error), deadline).await
            }
            Ok(Err(not_recorded)) => {
                let now = Timestamp::now();
                tracing::error!(
                    sqs_message_id = job.message_id(),
                    waited_seconds = now.duration_since(webhook.arrived_at).as_secs(),
                    error = %Chain(&not_recorded),
                    alarm = is_late(webhook.arrived_at, now).then_some("spool_late"),
                    "a spooled webhook was not applied, and is tried again"
                );
                Applied::Failed
            }
            Err(invalid) => self.set_aside(job, &invalid, deadline).await,
        }
    }

    /// The outer error is that of a form that no other try would record.
    async fn record(
        &self,
        spooled: &SpooledWebhook,
        deadline: Deadline,
    ) -> Result<Result<(), NotRecorded>, InvalidForm> {
        let form = TrustedForm::Stored(&spooled.form);
        let webhook = Webhook::of(form)?;
        let arrived = ArrivedForm {
            form,
            path: &spooled.path,
            origin: spooled.origin.as_ref(),
            arrival: MessageArrival::answered_webhook(spooled.arrived_at),
        };
        Ok(self.recorder.record(&webhook, arrived, deadline).await.map(drop))
    }

    /// Puts a message that can never be applied where an operator finds it.
    async fn set_aside(&self, job: &SpoolJob<'_>, why: &(dyn Error + Sync + 'static), deadline: Deadline) -> Applied {
        let reason = Chain(why).to_string();
        let put = deadline.run(self.dead_letters.put(job.body(), &reason, Timestamp::now())).await;
        let is_put = matches!(put, Ok(Ok(())));
        tracing::error!(
            sqs_message_id = job.message_id(),
            reason,
            is_put,
            "a message of the spool queue cannot be applied: it goes to the dead-letter queue"
        );
        if is_put { Applied::Done } else { Applied::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_fits_into_the_timeout_of_the_template() {
        assert!(WEBHOOK_TIME * BATCH_SIZE + RESERVE + LOG_RESERVE <= TIMEOUT);
        let template = include_str!("../../../template.yaml");
        let (_, function) = template.split_once("\n  ApplyWebhooksFunction:\n").unwrap();
        assert!(function.lines().take(20).any(|line| line.trim() == format!("Timeout: {}", TIMEOUT.as_secs())));
        let (_, mapping) = template.split_once("\n  ApplyWebhooksFunctionSpoolQueue:\n").unwrap();
        assert!(mapping.lines().take(20).any(|line| line.trim() == format!("BatchSize: {BATCH_SIZE}")));
    }
}
