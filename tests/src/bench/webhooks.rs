//! Measures the writes, times and memory of the webhook functions.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use axum::body::Bytes;
use serde_json::Value;
use stack::Stack;

use super::{
    counter::Counter,
    median, megabytes, milliseconds,
    table::{Limit, ReportTable},
    webhook_events::{inbound_event, status_event},
};
use crate::harness::{bootstrap, function::FunctionProcess};

const STARTS: usize = 20;
const INVOCATIONS: u32 = 2_000;

/// Counts the requests to DynamoDB for each webhook, with a proxy before the emulator.
pub async fn writes(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    let counter = Counter::of_dynamodb(&stack.aws_endpoint).await?;
    let environments = stack.function_environments();
    let mut count = async |name: &str, function: &str, events: [Bytes; 2]| -> Result<()> {
        let mut environment = environments.get(function).cloned().unwrap_or_default();
        if let Some(variables) = environment.as_object_mut() {
            variables.insert("AWS_ENDPOINT_URL".to_owned(), counter.url.clone().into());
        }
        let binary = bootstrap(function.trim_end_matches("Function").to_lowercase().as_str());
        let mut function = FunctionProcess::start(&binary, &[], &environment).await?;
        for (event, what) in events.iter().zip(["", ", its duplicate"]) {
            let before = counter.count();
            let (_, answer) = function.runtime.invoke(event).await?;
            ensure!(answer.get("statusCode").and_then(Value::as_i64).is_some_and(|code| code < 300), "{answer}");
            table.count(&format!("{name}{what}: requests to DynamoDB"), counter.count() - before, 1);
        }
        Ok(())
    };
    let twice = |event: Bytes| [event.clone(), event];
    count("inbound message", "InboundFunction", twice(inbound_event("Where is my order?"))).await?;
    count("first STOP", "InboundFunction", twice(inbound_event("STOP"))).await?;
    count("status", "StatusFunction", twice(status_event())).await
}

/// The times and the memory of a function.
#[derive(Debug)]
pub struct Measured {
    /// Milliseconds from exec to the first request for an event.
    pub start: f64,
    /// Milliseconds of the first invocation.
    pub first: f64,
    /// The median of an invocation in milliseconds.
    pub median: f64,
    /// CPU milliseconds of an invocation.
    pub cpu: f64,
    /// Resident memory in megabytes.
    pub resident: f64,
}

/// Measures several starts and many invocations of a function.
pub async fn measure(stack: &Stack, program: &Path, arguments: &[&str], name: &str) -> Result<Measured> {
    let environments = stack.function_environments();
    let environment = environments.get(name).context("no such function")?;
    let event = || if name == "StatusFunction" { status_event() } else { inbound_event("Where is my order?") };
    let (mut starts, mut firsts) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut function = FunctionProcess::start(program, arguments, environment).await?;
        starts.push(function.start);
        firsts.push(function.runtime.invoke(&event()).await?.0);
    }
    let mut function = FunctionProcess::start(program, arguments, environment).await?;
    let mut times = Vec::new();
    for _ in 0..50 {
        function.runtime.invoke(&event()).await?;
    }
    let before = function.cpu()?;
    for _ in 0..INVOCATIONS {
        times.push(function.runtime.invoke(&event()).await?.0);
    }
    let cpu = function.cpu()?.saturating_sub(before) / INVOCATIONS;
    Ok(Measured {
        start: milliseconds(median(starts)),
        first: milliseconds(median(firsts)),
        median: milliseconds(median(times)),
        cpu: milliseconds(cpu),
        resident: megabytes(function.resident()?),
    })
}

impl Measured {
    /// Adds a row for each value. The times have no limit here, because they depend on the machine.
    pub fn report(&self, table: &mut ReportTable, name: &str, resident: Option<Limit>) {
        table.add(&format!("{name}, exec to first request for work"), self.start, "ms", None);
        let later = self.first - self.median;
        table.add(&format!("{name}, first invocation over the median"), later, "ms", None);
        table.add(&format!("{name}, median invocation, emulator included"), self.median, "ms", None);
        table.add(&format!("{name}, CPU per warm invocation"), self.cpu, "ms", None);
        table.add(&format!("{name}, resident memory"), self.resident, "MB", resident);
    }
}
