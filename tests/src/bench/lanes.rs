//! Queues of the emulator for the three lanes, made for one benchmark: no deployed function receives from them.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aws_sdk_sqs::{
    Client,
    types::{Message, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry},
};
use axum::body::Bytes;
use serde_json::{Map, Value, json};
use stack::Stack;

use super::notifications::{BATCH, Queued, failures};
use crate::harness::function::FunctionProcess;

/// The variables of the send function with the URLs of the queues, the most urgent lane first.
const VARIABLES: [&str; 3] = ["URGENT_QUEUE_URL", "OUTBOUND_QUEUE_URL", "MARKETING_QUEUE_URL"];

pub(super) const URGENT: usize = 0;
pub(super) const STANDARD: usize = 1;
pub(super) const MARKETING: usize = 2;

/// Three queues, and what was received from them.
#[derive(Debug)]
pub(super) struct LaneQueues {
    sqs: Client,
    urls: Vec<String>,
    receives: AtomicU64,
    /// When each urgent notification was put on its queue, and when an invocation with it ended, by its id.
    urgent: Mutex<HashMap<String, (Instant, Duration)>>,
}

impl LaneQueues {
    pub(super) async fn create(stack: &Stack) -> Result<Self> {
        let sqs = Client::new(&stack.aws());
        let mut urls = Vec::new();
        for lane in ["urgent", "standard", "marketing"] {
            let name = format!("bench-{lane}-{}", uuid::Uuid::new_v4());
            let create = sqs.create_queue().queue_name(name).attributes(QueueAttributeName::VisibilityTimeout, "270");
            urls.push(create.send().await?.queue_url.context("a queue without a URL")?);
        }
        Ok(Self { sqs, urls, receives: AtomicU64::new(0), urgent: Mutex::default() })
    }

    pub(super) async fn delete(&self) -> Result<()> {
        for url in &self.urls {
            self.sqs.delete_queue().queue_url(url).send().await?;
        }
        Ok(())
    }

    /// Sets the queues in the environment of the send function.
    pub(super) fn set(&self, environment: &mut Value) -> Result<()> {
        let variables = environment.as_object_mut().context("an environment is an object")?;
        let urls = self.urls.iter().map(|url| url.clone().into());
        variables.extend(VARIABLES.map(str::to_owned).into_iter().zip(urls));
        Ok(())
    }

    /// Puts notifications on the queue of a lane.
    pub(super) async fn put(&self, lane: usize, notifications: &[Queued]) -> Result<()> {
        for batch in notifications.chunks(BATCH) {
            let entries: Result<Vec<_>, _> = batch
                .iter()
                .map(|queued| {
                    let entry = SendMessageBatchRequestEntry::builder().id(&queued.message_id);
                    entry.message_body(&queued.body).build()
                })
                .collect();
            if lane == URGENT {
                let put = batch
                    .iter()
                    .map(|queued| (format!("order-{}", queued.message_id), (Instant::now(), Duration::ZERO)));
                self.urgent.lock().unwrap_or_else(PoisonError::into_inner).extend(put);
            }
            let url = self.url(lane)?;
            self.sqs.send_message_batch().queue_url(url).set_entries(Some(entries?)).send().await?;
        }
        Ok(())
    }

    /// Receives a batch, lets a function work on it, and deletes what it is done with, as Lambda does. Returns the number of
    /// messages.
    pub(super) async fn invoke(&self, lane: usize, function: &mut FunctionProcess) -> Result<usize> {
        let url = self.url(lane)?;
        let receive = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(1);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
        let messages = receive.message_attribute_names("All").send().await?.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(0);
        }
        self.receives.fetch_add(messages.len() as u64, Ordering::SeqCst);
        let answer = function.invoke(&event(&messages, url)).await?;
        anyhow::ensure!(answer.get("batchItemFailures").is_some(), "the send function answered {answer}");
        let failed = failures(&answer);
        let done = messages.iter().filter(|message| !failed.contains(&message.message_id().unwrap_or_default()));
        let deletions = done.map(|message| {
            self.note_end(message);
            self.sqs.delete_message().queue_url(url).receipt_handle(message.receipt_handle().unwrap_or_default()).send()
        });
        futures::future::try_join_all(deletions).await?;
        Ok(messages.len())
    }

    /// The last invocation with a notification is the one that sent it.
    fn note_end(&self, message: &Message) {
        let body: Value = serde_json::from_str(message.body().unwrap_or_default()).unwrap_or_default();
        let id = body.get("id").or_else(|| body.get("stored_notification")?.get("id")).and_then(Value::as_str);
        let mut urgent = self.urgent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((put_at, took)) = urgent.get_mut(id.unwrap_or_default()) {
            *took = put_at.elapsed();
        }
    }

    /// How long each urgent notification took from its queue until Twilio's answer was written down, the longest last.
    pub(super) fn urgent(&self) -> Vec<Duration> {
        let urgent = self.urgent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times: Vec<_> = urgent.values().map(|(_, took)| *took).collect();
        times.sort_unstable();
        times
    }

    pub(super) fn receives(&self) -> u64 {
        self.receives.load(Ordering::SeqCst)
    }

    fn url(&self, lane: usize) -> Result<&str> {
        self.urls.get(lane).map(String::as_str).context("there are three lanes")
    }
}

/// The Lambda event of received messages.
fn event(messages: &[Message], queue_url: &str) -> Bytes {
    let queue = queue_url.rsplit('/').next().unwrap_or_default();
    let record = |message: &Message| {
        let system = message.attributes().into_iter().flatten();
        let system: Map<_, Value> = system.map(|(name, value)| (name.to_string(), value.as_str().into())).collect();
        let attributes = message.message_attributes().into_iter().flatten().map(|(name, value)| {
            let value = json!({
                "stringValue": value.string_value(), "dataType": value.data_type(),
                "stringListValues": [], "binaryListValues": [],
            });
            (name.clone(), value)
        });
        json!({
            "messageId": message.message_id(), "receiptHandle": message.receipt_handle(), "body": message.body(),
            "attributes": system, "messageAttributes": attributes.collect::<Map<_, _>>(),
            "md5OfBody": message.md5_of_body(), "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"), "awsRegion": "us-east-1",
        })
    };
    let records: Vec<_> = messages.iter().map(record).collect();
    Bytes::from(json!({"Records": records}).to_string())
}
