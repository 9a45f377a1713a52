//! The send function as a process with a [`Wire`], to which a test delivers queue messages.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use serde_json::{Value, json};
use shared::queues::NotificationReference;
use stack::{Stack, run::SEND_POLICY};
use stores::notifications::{StoredNotification, Subject};

use super::{
    bootstrap,
    function::FunctionProcess,
    outages::RandomFaults,
    refusals::Refusal,
    wire::{KillPoint, Moment, Side, Wire},
};

/// A queue message with a notification, or the name of a stored one.
#[derive(Debug, Clone)]
pub struct Record {
    /// The message's id on the queue. The tests use the notification's id.
    pub message_id: String,
    /// The notification's JSON, or its reference.
    pub body: String,
}

impl Record {
    /// The message with which the notification comes again after it has waited.
    #[must_use]
    pub fn reference(&self, stored: &StoredNotification) -> Self {
        let Subject { account_sid, id, .. } = &stored.subject;
        let reference = NotificationReference { account_sid: account_sid.clone(), id: id.clone(), hops: 1 };
        Self { message_id: self.message_id.clone(), body: reference.body().as_str().to_owned() }
    }
}

/// The send function's process.
#[derive(Debug)]
pub struct Sender {
    /// The wire between the process and AWS and Twilio.
    pub wire: Wire,
    function: FunctionProcess,
}

/// When a process was killed.
#[derive(Debug)]
pub enum ProcessStop {
    /// At this moment of a request.
    At(Moment),
    /// After its last request, when it had answered the Runtime API.
    Answering,
}

impl Sender {
    /// Starts the process and its wire.
    ///
    /// The function returns messages to `queue_url`, which no deployed function must read. `different` has the environment
    /// variables that differ from the deployed function's.
    pub async fn start(stack: &Stack, queue_url: &str, different: &[(&str, &str)]) -> Result<Self> {
        let wire = Wire::start(stack).await?;
        let mut environments = stack.function_environments();
        let environment = environments.get_mut("SendFunction").context("no SendFunction")?;
        let variables = environment.as_object_mut().context("an environment is an object")?;
        let ours = [
            ("AWS_ENDPOINT_URL", wire.aws_url.as_str()),
            ("TWILIO_API_BASE_URL", &wire.twilio_url),
            ("PUBLIC_BASE_URL", &stack.api_url),
            // All lanes on one queue.
            ("URGENT_QUEUE_URL", ""),
            ("OUTBOUND_QUEUE_URL", queue_url),
            ("MARKETING_QUEUE_URL", ""),
            ("OUTBOUND_DEAD_LETTER_QUEUE_URL", &stack.outputs.outbound_dead_letter_queue_url),
            ("RATE_LIMITS_TABLE", &stack.outputs.rate_limits_table_name),
            ("SEND_POLICY", SEND_POLICY),
        ];
        for (name, value) in ours.iter().chain(different) {
            variables.insert((*name).to_owned(), (*value).into());
        }
        let function = FunctionProcess::start(&bootstrap("send"), &[], environment).await?;
        Ok(Self { wire, function })
    }

    /// Delivers messages, waits for the function's response, and returns the ids of the messages to retry.
    pub async fn deliver(&mut self, records: &[Record]) -> Result<BTreeSet<String>> {
        self.wire.arm();
        let (_, answer) = self.function.runtime.invoke(&event(records)).await?;
        failures(&answer)
    }

    /// As [`Sender::deliver`], while DynamoDB refuses the next `times` requests of this operation. Returns also whether one was made.
    pub async fn deliver_refused(
        &mut self,
        records: &[Record],
        (operation, side): (&str, Side),
        refusal: Refusal,
        times: usize,
    ) -> Result<(BTreeSet<String>, bool)> {
        self.wire.arm_to_refuse(operation, side, refusal, times);
        let (_, answer) = self.function.runtime.invoke(&event(records)).await?;
        Ok((failures(&answer)?, self.wire.refused() > 0))
    }

    /// As [`Sender::deliver`], while requests fail at random. Returns also how many did.
    pub async fn deliver_failing(
        &mut self,
        records: &[Record],
        faults: RandomFaults,
    ) -> Result<(BTreeSet<String>, usize)> {
        self.wire.arm_to_fail_at_random(faults);
        let answer = self.function.invoke(&event(records)).await?;
        Ok((failures(&answer)?, self.wire.refused()))
    }

    /// The process's resident memory in bytes.
    pub fn resident(&self) -> Result<u64> {
        self.function.resident()
    }

    /// As [`Sender::deliver`], while the next `times` transactions conflict with others.
    pub async fn deliver_conflicting(&mut self, records: &[Record], times: usize) -> Result<BTreeSet<String>> {
        self.wire.arm_to_conflict(times);
        let (_, answer) = self.function.runtime.invoke(&event(records)).await?;
        failures(&answer)
    }

    /// Delivers messages and kills the process at a moment, or at the latest when it has answered. Returns also the moments.
    pub async fn deliver_and_kill(mut self, records: &[Record], at: KillPoint) -> Result<(ProcessStop, Vec<Moment>)> {
        self.wire.arm_to_kill(self.function.pid()?, at)?;
        let event = event(records);
        let stopped = tokio::select! {
            moment = self.wire.killed() => ProcessStop::At(moment?),
            answered = self.function.runtime.invoke(&event) => answered.map(|_| ProcessStop::Answering)?,
        };
        self.function.kill().await?;
        self.wire.settled().await?;
        Ok((stopped, self.wire.moments()))
    }
}

fn event(records: &[Record]) -> Bytes {
    let record = |record: &Record| {
        json!({
            "messageId": record.message_id, "receiptHandle": format!("handle-of-{}", record.message_id),
            "body": record.body, "messageAttributes": {}, "md5OfBody": "",
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": sent_timestamp()},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:under-test",
            "awsRegion": "us-east-1",
        })
    };
    json!({"Records": records.iter().map(record).collect::<Vec<_>>()}).to_string().into()
}

fn sent_timestamp() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_millis().to_string()
}

fn failures(answer: &Value) -> Result<BTreeSet<String>> {
    let failures = answer.get("batchItemFailures").and_then(Value::as_array);
    let failures = failures.with_context(|| format!("expected a batch's answer, not {answer}"))?;
    let id = |failure: &Value| Some(failure.get("itemIdentifier")?.as_str()?.to_owned());
    failures.iter().map(|failure| id(failure).context("a failure without a message")).collect()
}
