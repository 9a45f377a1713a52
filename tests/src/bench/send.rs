//! Measures the requests, CPU time and memory of sending.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stack::Stack;

use super::{
    counter::Counter,
    megabytes, milliseconds,
    notifications::{BATCH, event, failures, notifications},
    table::{Limit, ReportTable},
    twilio::BenchSandbox,
};
use crate::harness::{bootstrap, function::FunctionProcess};

/// Batches that open connections and fill caches before the measurement.
const WARMING: usize = 10;
const COUNTED: usize = 30;
/// Enough batches for a precise CPU time, although the kernel counts it in ticks of 10 ms.
const TIMED: u32 = 100;

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

/// Measures CPU time and memory.
pub async fn resources(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    let twilio = BenchSandbox::start().await?;
    let environment = environment(stack, &stack.aws_endpoint, &twilio.url, 80)?;
    let mut function = FunctionProcess::start(&bootstrap("send"), &[], &environment).await?;
    let start = milliseconds(function.start);
    send(&mut function, stack, WARMING).await?;
    let before = function.cpu()?;
    for _ in 0..TIMED {
        send(&mut function, stack, 1).await?;
    }
    let cpu = function.cpu()?.saturating_sub(before) / TIMED;
    let resident = megabytes(function.resident()?);
    table.add("send, exec to first request for work", start, "ms", None);
    let cpu = milliseconds(cpu) / 10.0;
    table.add("send, CPU per sent message, in batches of 10", cpu, "ms", None);
    table.add("send, resident memory", resident, "MB", Some(Limit::AtMost(20.0)));
    Ok(())
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
    let policy = json!({"rates": {"default": {"per_second": per_second, "burst": 1}}});
    variables.extend([
        ("AWS_ENDPOINT_URL".to_owned(), aws_endpoint.into()),
        ("TWILIO_API_BASE_URL".to_owned(), twilio_url.into()),
        ("SEND_POLICY".to_owned(), policy.to_string().into()),
    ]);
    Ok(environment)
}
