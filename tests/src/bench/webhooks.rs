//! Measures the writes, times and memory of the webhook functions.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use axum::body::Bytes;
use serde_json::Value;
use stack::Stack;

use super::{
    base::BaseTables,
    counter::Counter,
    median, megabytes, milliseconds,
    notifications::people,
    table::{Limit, ReportTable},
    webhook_events::{inbound_event, status_event},
};
use crate::harness::{bootstrap, function::FunctionProcess};

const STARTS: usize = 20;
const INVOCATIONS: u32 = 2_000;
/// In the comparison of two versions each has as many turns, of as many invocations, and the turns alternate, so that both
/// meet the same machine.
const TURNS: u32 = 5;
const INVOCATIONS_OF_TURN: u32 = 1_000;
/// The people who write, each several times.
const PEOPLE: usize = 100;

/// Counts the requests to DynamoDB for each webhook, with a proxy before the emulator. The first webhook of a process, which also reads
/// the tenants, is not counted.
pub async fn writes(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    let counter = Counter::of_dynamodb(&stack.aws_endpoint).await?;
    let environments = stack.function_environments();
    let mut count = async |function: &str, first: Bytes, events: &[(&str, Bytes, u64)]| -> Result<()> {
        let mut environment = environments.get(function).cloned().unwrap_or_default();
        if let Some(variables) = environment.as_object_mut() {
            variables.insert("AWS_ENDPOINT_URL".to_owned(), counter.url.clone().into());
        }
        let binary = bootstrap(function.trim_end_matches("Function").to_lowercase().as_str());
        let mut function = FunctionProcess::start(&binary, &[], &environment).await?;
        answered(&mut function, &first).await?;
        for (name, event, expected) in events {
            let before = counter.count();
            answered(&mut function, event).await?;
            table.count(&format!("{name}: requests to DynamoDB"), counter.count() - before, *expected);
        }
        Ok(())
    };
    let (other, person): (String, String) = (people(1).collect(), people(1).collect());
    let [first, known, stop] = ["Hello", "Where is my order?", "STOP"].map(|body| inbound_event(&person, body));
    let inbound = [
        // The person has to be read, and the first attempt was in vain.
        ("first message of a person", first, 3),
        ("inbound message of a known person", known.clone(), 1),
        ("inbound message, its duplicate", known, 1),
        ("first STOP", stop.clone(), 2),
        ("first STOP, its duplicate", stop, 2),
    ];
    count("InboundFunction", inbound_event(&other, "Hello"), &inbound).await?;
    let status = status_event();
    let statuses = [("status", status.clone(), 1), ("status, its duplicate", status, 1)];
    count("StatusFunction", status_event(), &statuses).await
}

async fn answered(function: &mut FunctionProcess, event: &Bytes) -> Result<()> {
    let answer = function.invoke(event).await?;
    ensure!(answer.get("statusCode").and_then(Value::as_i64).is_some_and(|code| code < 300), "{answer}");
    Ok(())
}

/// The events of a webhook function: messages of people who have written before, or statuses.
struct Events {
    is_status: bool,
    people: Vec<String>,
    next: usize,
}

impl Events {
    /// Each person has written once before.
    async fn of(stack: &Stack, function: &str) -> Result<Self> {
        let mut events = Self { is_status: function == "StatusFunction", people: people(PEOPLE).collect(), next: 0 };
        let environments = stack.function_environments();
        let environment = environments.get("InboundFunction").context("no inbound function")?;
        let mut inbound = FunctionProcess::start(&bootstrap("inbound"), &[], environment).await?;
        for _ in 0..PEOPLE {
            let event = events.next();
            if !events.is_status {
                answered(&mut inbound, &event).await?;
            }
        }
        Ok(events)
    }

    fn next(&mut self) -> Bytes {
        self.next = (self.next + 1) % self.people.len();
        match self.people.get(self.next) {
            Some(person) if !self.is_status => inbound_event(person, "Where is my order?"),
            _ => status_event(),
        }
    }
}

/// Measures the start, CPU and memory of both webhooks beside those of another version, whose binaries are in this folder.
pub async fn compare(stack: &Stack, base: &Path, table: &mut ReportTable) -> Result<()> {
    let base_tables = BaseTables::create(stack).await?;
    for (name, function) in [("inbound", "InboundFunction"), ("status", "StatusFunction")] {
        let environments = stack.function_environments();
        let environment = environments.get(function).context("no such function")?;
        let base_environment = base_tables.environment(environment.clone());
        let (program, base_program) = (bootstrap(name), base.join(name).join("bootstrap"));
        let (mut starts, mut base_starts) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            starts.push(FunctionProcess::start(&program, &[], environment).await?.start);
            base_starts.push(FunctionProcess::start(&base_program, &[], &base_environment).await?.start);
        }
        compared(
            table,
            &format!("{name}, start"),
            "ms",
            milliseconds(median(starts)),
            milliseconds(median(base_starts)),
        );
        let mut ours = FunctionProcess::start(&program, &[], environment).await?;
        let mut theirs = FunctionProcess::start(&base_program, &[], &base_environment).await?;
        let mut events = Events::of(stack, function).await?;
        for process in [&mut ours, &mut theirs] {
            turn(process, &mut events).await?;
        }
        let (mut cpu, mut base_cpu) = (0.0, 0.0);
        for _ in 0..TURNS {
            cpu += turn(&mut ours, &mut events).await?;
            base_cpu += turn(&mut theirs, &mut events).await?;
        }
        let turns = f64::from(TURNS);
        compared(table, &format!("{name}, CPU"), "ms", cpu / turns, base_cpu / turns);
        compared(table, &format!("{name}, memory"), "MB", megabytes(ours.resident()?), megabytes(theirs.resident()?));
    }
    Ok(())
}

/// Adds the values of both versions, and how much more this one needs.
fn compared(table: &mut ReportTable, what: &str, unit: &str, ours: f64, base: f64) {
    table.add(&format!("{what} beside the other version"), ours, unit, None);
    table.add(&format!("{what} of the other version"), base, unit, None);
    let percent = (ours / base - 1.0) * 100.0;
    table.add(&format!("{what}, more than the other version"), percent, "%", Some(Limit::AtMost(10.0)));
}

/// The CPU milliseconds of an invocation, in one turn.
async fn turn(function: &mut FunctionProcess, events: &mut Events) -> Result<f64> {
    let before = function.cpu()?;
    for _ in 0..INVOCATIONS_OF_TURN {
        answered(function, &events.next()).await?;
    }
    Ok(milliseconds(function.cpu()?.saturating_sub(before)) / f64::from(INVOCATIONS_OF_TURN))
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
    let mut events = Events::of(stack, name).await?;
    let (mut starts, mut firsts) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut function = FunctionProcess::start(program, arguments, environment).await?;
        starts.push(function.start);
        firsts.push(function.runtime.invoke(&events.next()).await?.0);
    }
    let mut function = FunctionProcess::start(program, arguments, environment).await?;
    let mut times = Vec::new();
    for _ in 0..50 {
        function.runtime.invoke(&events.next()).await?;
    }
    let before = function.cpu()?;
    for _ in 0..INVOCATIONS {
        times.push(function.runtime.invoke(&events.next()).await?.0);
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
