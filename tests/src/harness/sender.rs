//! The send function as a process of its own, with queue messages in and a [`Wire`] around it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use serde_json::{Value, json};
use stack::Stack;

use super::{
    bootstrap,
    function::FunctionProcess,
    wire::{Moment, Side, Wire},
};

/// A queue message with a notification.
#[derive(Debug, Clone)]
pub struct Record {
    /// The queue's id of it; a notification's own id does well.
    pub message_id: String,
    /// The notification's JSON.
    pub body: String,
}

/// The function.
#[derive(Debug)]
pub struct Sender {
    /// What passes between it and the world.
    pub wire: Wire,
    function: FunctionProcess,
}

/// When a process was stopped.
#[derive(Debug)]
pub enum ProcessStop {
    /// At this moment of its talk with the world.
    At(Moment),
    /// All was done, and Lambda did not get the answer.
    Answering,
}

impl Sender {
    /// Starts the process, with a wire of its own.
    ///
    /// The queue it believes to serve is none that a deployed function reads. `different` are variables that differ from
    /// the deployed function's.
    pub async fn start(stack: &Stack, queue_url: &str, different: &[(&str, &str)]) -> Result<Self> {
        let wire = Wire::lay(stack).await?;
        let mut environments = stack.function_environments();
        let environment = environments.get_mut("SendFunction").context("no SendFunction")?;
        let variables = environment.as_object_mut().context("an environment is an object")?;
        let ours = [
            ("AWS_ENDPOINT_URL", wire.aws_url.as_str()),
            ("TWILIO_API_BASE_URL", &wire.twilio_url),
            ("PUBLIC_BASE_URL", &stack.api_url),
            ("OUTBOUND_QUEUE_URL", queue_url),
            ("OUTBOUND_DEAD_LETTER_QUEUE_URL", &stack.outputs.outbound_dead_letter_queue_url),
            ("RATE_LIMITS_TABLE", &stack.outputs.rate_limits_table_name),
        ];
        for (name, value) in ours.iter().chain(different) {
            variables.insert((*name).to_owned(), (*value).into());
        }
        let function = FunctionProcess::start(&bootstrap("send"), &[], environment).await?;
        Ok(Self { wire, function })
    }

    /// Delivers messages, lets the function finish, and gives those that are to come again.
    pub async fn deliver(&mut self, records: &[Record]) -> Result<BTreeSet<String>> {
        self.wire.arm();
        let (_, answer) = self.function.runtime.invoke(&event(records)).await?;
        failures(&answer)
    }

    /// As [`Sender::deliver`], while this operation is refused.
    pub async fn deliver_refused(
        &mut self,
        records: &[Record],
        operation: &str,
        side: Side,
    ) -> Result<BTreeSet<String>> {
        self.wire.arm_to_refuse(operation, side);
        let (_, answer) = self.function.runtime.invoke(&event(records)).await?;
        failures(&answer)
    }

    /// Delivers messages and stops the process at the moment of this number, from 1, or at the latest when it answers.
    pub async fn deliver_and_stop(mut self, records: &[Record], at: usize) -> Result<ProcessStop> {
        self.wire.arm_to_cut(self.function.pid()?, at)?;
        let event = event(records);
        let stop = tokio::select! {
            moment = self.wire.cut() => ProcessStop::At(moment?),
            answered = self.function.runtime.invoke(&event) => answered.map(|_| ProcessStop::Answering)?,
        };
        self.function.kill().await?;
        self.wire.settled().await?;
        Ok(stop)
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
