//! Measures whether several send functions together keep a sender's rate limit, with a backlog on three lanes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::StreamSpecification;
use futures::future::{join_all, try_join_all};
use serde_json::json;
use stack::Stack;

use super::{
    lanes::{LaneQueues, MARKETING, STANDARD, URGENT},
    median, milliseconds,
    notifications::notifications_of,
    send::environment,
    table::{Limit, ReportTable},
    twilio::{BenchSandbox, Rates},
};
use crate::harness::{bootstrap, function::FunctionProcess};

/// The number of workers that reserve slots at the same time.
pub(super) const CONCURRENT: usize = 8;
const PACE: u32 = 80;

/// The functions that run at the same time for each lane, the most urgent first.
const FUNCTIONS: [usize; 3] = [2, 6, 4];
/// The backlog.
const UTILITY: usize = 1_500;
const OFFERS: usize = 500;
/// One-time passwords are put on their queue meanwhile, one after the other.
const PASSWORDS: usize = 40;
const PASSWORD_EVERY: Duration = Duration::from_millis(500);
const MESSAGES: usize = UTILITY + OFFERS + PASSWORDS;

/// Longer than all messages need at their rate.
const DEADLINE: Duration = Duration::from_mins(5);

/// Runs send functions concurrently on queues with a backlog.
pub async fn functions(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    without_stream(stack).await?;
    let twilio = BenchSandbox::start().await?;
    twilio.limit(&json!({"messages_per_second": PACE})).await?;
    let queues = LaneQueues::create(stack).await?;
    let mut environment = environment(stack, &stack.aws_endpoint, &twilio.url, PACE)?;
    queues.set(&mut environment)?;
    let program = bootstrap("send");
    let lanes = FUNCTIONS.into_iter().enumerate().flat_map(|(lane, count)| std::iter::repeat_n(lane, count));
    let started =
        lanes.map(async |lane| anyhow::Ok((lane, FunctionProcess::start(&program, &[], &environment).await?)));
    let mut functions = join_all(started).await.into_iter().collect::<Result<Vec<_>>>()?;
    queues.put(STANDARD, &notifications_of("utility", UTILITY)).await?;
    queues.put(MARKETING, &notifications_of("marketing", OFFERS)).await?;
    let works = functions.iter_mut().map(|(lane, function)| work(function, *lane, &queues, &twilio));
    tokio::try_join!(put_passwords(&queues), try_join_all(works))?;
    queues.delete().await?;
    report_lanes(table, &queues, &twilio.rates().await?)
}

async fn put_passwords(queues: &LaneQueues) -> Result<()> {
    for password in notifications_of("authentication", PASSWORDS) {
        tokio::time::sleep(PASSWORD_EVERY).await;
        queues.put(URGENT, &[password]).await?;
    }
    Ok(())
}

/// Works on a lane's messages until all messages of all lanes are sent.
async fn work(function: &mut FunctionProcess, lane: usize, queues: &LaneQueues, twilio: &BenchSandbox) -> Result<()> {
    let started = Instant::now();
    loop {
        if queues.invoke(lane, function).await? == 0 && usize::try_from(twilio.rates().await?.messages)? >= MESSAGES {
            return Ok(());
        }
        ensure!(started.elapsed() < DEADLINE, "not all messages were sent within {DEADLINE:?}");
    }
}

fn report_lanes(table: &mut ReportTable, queues: &LaneQueues, rates: &Rates) -> Result<()> {
    let name = format!("{} send functions at {PACE} a second, three lanes", FUNCTIONS.iter().sum::<usize>());
    report(table, &name, rates, PACE, MESSAGES)?;
    let urgent = queues.urgent();
    let latest = urgent.last().copied().context("no one-time password was sent")?;
    table.add(&format!("{name}, one-time password, median"), milliseconds(median(urgent)), "ms", None);
    let limit = Some(Limit::AtMost(2_000.0));
    table.add(&format!("{name}, one-time password, slowest"), milliseconds(latest), "ms", limit);
    table.add(&format!("{name}, receives per notification"), per_message(queues.receives()), "receives", None);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "some thousand receives")]
fn per_message(receives: u64) -> f64 {
    receives as f64 / MESSAGES as f64
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
