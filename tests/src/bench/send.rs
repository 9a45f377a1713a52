//! Measures the requests, CPU time and memory of sending.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stack::Stack;

use super::{
    counter::Counter,
    median, megabytes, milliseconds,
    notifications::{BATCH, event, failures, notifications},
    root,
    table::{Limit, ReportTable},
    twilio::BenchSandbox,
};
use crate::harness::{bootstrap, function::FunctionProcess};

/// Batches that open connections and fill caches before the measurement.
const WARMING: usize = 10;
const COUNTED: usize = 30;
/// Enough batches for a precise CPU time, although the kernel counts it in ticks of 10 ms.
const TIMED: usize = 100;
const STARTS: usize = 15;

/// Counts the requests to DynamoDB and Twilio for each message.
pub async fn requests(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    let twilio = BenchSandbox::start().await?;
    let (to_dynamodb, to_twilio) =
        (Counter::of_dynamodb(&stack.aws_endpoint).await?, Counter::of_everything(&twilio.url).await?);
    let environment = environment(stack, &to_dynamodb.url, &to_twilio.url, 80)?;
    let mut function = FunctionProcess::start(&bootstrap("send"), &[], &environment).await?;
    send(&mut function, stack, WARMING).await?;
    let before = [&to_dynamodb, &to_twilio].map(Counter::count);
    send(&mut function, stack, COUNTED).await?;
    let [dynamodb, twilio] = [to_dynamodb.count() - before[0], to_twilio.count() - before[1]].map(per_message);
    table.add("sent message, in batches of 10: requests to DynamoDB", dynamodb, "requests", Some(Limit::AtMost(2.5)));
    table.add("sent message, in batches of 10: requests to Twilio", twilio, "requests", Some(Limit::AtMost(1.0)));
    Ok(())
}

/// The times and the memory of a program that sends.
#[derive(Debug)]
pub struct SendResources {
    /// Milliseconds from exec to the first request for a batch.
    pub start: f64,
    /// CPU milliseconds of a sent message.
    pub cpu: f64,
    /// Resident memory in megabytes.
    pub resident: f64,
}

/// Measures the send function, and a program in Python that does a part of its job.
pub async fn resources(stack: &Stack, python: &Path, table: &mut ReportTable) -> Result<()> {
    let ours = measure(stack, &bootstrap("send"), &[]).await?;
    ours.report(table, "send", Some(Limit::AtMost(20.0)));
    let script = root().join("tests/bench/send.py").display().to_string();
    let theirs = measure(stack, python, &[&script]).await?;
    theirs.report(table, "a sender in Python", None);
    let ratios = [
        ("send is ready for its first batch sooner than the sender in Python", theirs.start / ours.start, 20.0),
        ("send needs less CPU than the sender in Python", theirs.cpu / ours.cpu, 8.0),
        ("send needs less memory than the sender in Python", theirs.resident / ours.resident, 6.0),
    ];
    for (name, ratio, limit) in ratios {
        table.add(name, ratio, "times", Some(Limit::AtLeast(limit)));
    }
    Ok(())
}

/// Measures several starts, and many batches in one process.
async fn measure(stack: &Stack, program: &Path, arguments: &[&str]) -> Result<SendResources> {
    let twilio = BenchSandbox::start().await?;
    let environment = environment(stack, &stack.aws_endpoint, &twilio.url, 80)?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(FunctionProcess::start(program, arguments, &environment).await?.start);
    }
    let mut function = FunctionProcess::start(program, arguments, &environment).await?;
    send(&mut function, stack, WARMING).await?;
    let before = function.cpu()?;
    send(&mut function, stack, TIMED).await?;
    let cpu = function.cpu()?.saturating_sub(before) / u32::try_from(TIMED * BATCH)?;
    Ok(SendResources {
        start: milliseconds(median(starts)),
        cpu: milliseconds(cpu),
        resident: megabytes(function.resident()?),
    })
}

impl SendResources {
    /// Adds a row for each value. The times have no limit here, because they depend on the machine.
    fn report(&self, table: &mut ReportTable, name: &str, resident: Option<Limit>) {
        table.add(&format!("{name}, exec to first request for work"), self.start, "ms", None);
        table.add(&format!("{name}, CPU per sent message, in batches of 10"), self.cpu, "ms", None);
        table.add(&format!("{name}, resident memory"), self.resident, "MB", resident);
    }
}

/// Sends batches in sequence, each to people who have had no message before.
async fn send(function: &mut FunctionProcess, stack: &Stack, batches: usize) -> Result<()> {
    for _ in 0..batches {
        let batch = notifications(BATCH);
        let (_, answer) = function.runtime.invoke(&event(&batch, &stack.outputs.outbound_queue_url)).await?;
        ensure!(answer.get("batchItemFailures").is_some(), "the send function answered {answer}");
        ensure!(failures(&answer).is_empty(), "the send function returned messages to the queue: {answer}");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "some thousand requests")]
fn per_message(requests: u64) -> f64 {
    requests as f64 / (COUNTED * BATCH) as f64
}

/// The send function's environment, with these endpoints of AWS and Twilio and this rate limit of each sender.
pub(super) fn environment(stack: &Stack, aws_endpoint: &str, twilio_url: &str, per_second: u32) -> Result<Value> {
    let environments = stack.function_environments();
    let mut environment = environments.get("SendFunction").cloned().context("no send function")?;
    let variables = environment.as_object_mut().context("an environment is an object")?;
    // Marketing needs no consent.
    let policy = json!({
        "rates": {"default": {"per_second": per_second, "burst": 1}}, "default": {"consent": {}},
    });
    variables.extend([
        ("AWS_ENDPOINT_URL".to_owned(), aws_endpoint.into()),
        ("TWILIO_API_BASE_URL".to_owned(), twilio_url.into()),
        ("SEND_POLICY".to_owned(), policy.to_string().into()),
    ]);
    Ok(environment)
}
