//! Measures whether several send functions together keep a sender's rate limit.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::StreamSpecification;
use futures::future::{join_all, try_join_all};
use serde_json::json;
use stack::Stack;

use super::{
    notifications::{BATCH, Queued, event, failures, notifications},
    send::environment,
    table::{Limit, ReportTable},
    twilio::{BenchSandbox, Rates},
};
use crate::harness::{bootstrap, function::FunctionProcess};

/// The number of functions that run at the same time.
pub(super) const CONCURRENT: usize = 8;
const PACE: u32 = 80;
const MESSAGES: usize = 1_500;
/// SQS delays by whole seconds.
const DELAY: Duration = Duration::from_secs(1);

/// Runs send functions concurrently on one queue that is never empty.
pub async fn functions(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    without_stream(stack).await?;
    let twilio = BenchSandbox::start().await?;
    twilio.limit(&json!({"messages_per_second": PACE})).await?;
    let environment = environment(stack, &stack.aws_endpoint, &twilio.url, PACE)?;
    let program = bootstrap("send");
    let started = join_all((0..CONCURRENT).map(|_| FunctionProcess::start(&program, &[], &environment))).await;
    let mut functions = started.into_iter().collect::<Result<Vec<_>>>()?;
    let queue = Queue::of(notifications(MESSAGES));
    try_join_all(functions.iter_mut().map(|function| work(function, &queue, stack))).await?;
    let rates = twilio.rates().await?;
    let name = format!("{CONCURRENT} send functions at {PACE} a second");
    report(table, &name, &rates, PACE, MESSAGES)?;
    table.add(&format!("{name}, handed back to the queue"), f64::from(queue.returned()), "messages", None);
    Ok(())
}

/// Adds the rates to the table: the rate limit must be kept, and at least 95 % of it used.
pub(super) fn report(table: &mut ReportTable, name: &str, rates: &Rates, pace: u32, messages: usize) -> Result<()> {
    ensure!(usize::try_from(rates.messages)? == messages, "{name}: {} messages of {messages}", rates.messages);
    let (limit, busiest) = (f64::from(pace), f64::from(rates.busiest_second));
    table.add(&format!("{name}, busiest second"), busiest, "messages", Some(Limit::AtMost(limit)));
    let used = rates.average() / limit * 100.0;
    table.add(&format!("{name}, used of that"), used, "%", Some(Limit::AtLeast(95.0)));
    Ok(())
}

/// Ends the stream of the Notifications table, because the emulator's work for it would distort the measurement: it runs in
/// one process, on the same processors.
async fn without_stream(stack: &Stack) -> Result<()> {
    let client = aws_sdk_dynamodb::Client::new(&stack.aws());
    let none = StreamSpecification::builder().stream_enabled(false).build()?;
    let update = client.update_table().table_name(&stack.outputs.notifications_table_name).stream_specification(none);
    update.send().await.context("cannot end the stream of the Notifications table")?;
    Ok(())
}

/// Sends the queue's messages until none is left.
async fn work(function: &mut FunctionProcess, queue: &Queue, stack: &Stack) -> Result<()> {
    loop {
        match queue.receive() {
            Received::Batch(batch) => {
                let (_, answer) = function.runtime.invoke(&event(&batch, &stack.outputs.outbound_queue_url)).await?;
                ensure!(answer.get("batchItemFailures").is_some(), "the send function answered {answer}");
                queue.settle(batch, &failures(&answer));
            }
            Received::NothingYet => tokio::time::sleep(Duration::from_millis(20)).await,
            Received::Finished => return Ok(()),
        }
    }
}

/// A queue that delivers a returned message after a delay.
#[derive(Debug)]
struct Queue(Mutex<QueueState>);

#[derive(Debug)]
struct QueueState {
    waiting: Vec<(Instant, Queued)>,
    in_flight: usize,
    returned: u32,
}

/// What a function receives from the queue.
enum Received {
    Batch(Vec<Queued>),
    /// All remaining messages are delayed or in flight.
    NothingYet,
    Finished,
}

impl Queue {
    fn of(messages: Vec<Queued>) -> Self {
        let now = Instant::now();
        let waiting = messages.into_iter().map(|message| (now, message)).collect();
        Self(Mutex::new(QueueState { waiting, in_flight: 0, returned: 0 }))
    }

    fn receive(&self) -> Received {
        let (mut state, now) = (self.state(), Instant::now());
        if state.waiting.is_empty() && state.in_flight == 0 {
            return Received::Finished;
        }
        let due = state.waiting.extract_if(.., |(at, _)| *at <= now);
        let batch: Vec<_> = due.take(BATCH).map(|(_, message)| message).collect();
        state.in_flight += batch.len();
        if batch.is_empty() { Received::NothingYet } else { Received::Batch(batch) }
    }

    fn settle(&self, batch: Vec<Queued>, failed: &[&str]) {
        let (mut state, due) = (self.state(), Instant::now() + DELAY);
        state.in_flight = state.in_flight.saturating_sub(batch.len());
        for message in batch.into_iter().filter(|message| failed.contains(&message.message_id.as_str())) {
            state.waiting.push((due, message));
            state.returned += 1;
        }
    }

    fn returned(&self) -> u32 {
        self.state().returned
    }

    fn state(&self) -> std::sync::MutexGuard<'_, QueueState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
