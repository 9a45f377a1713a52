//! Measures a burst of webhooks: messages at a rate, some of them twice or forged, for several processes of `inbound` at the same
//! time, each under a Runtime API, on copies of the tables.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use axum::body::Bytes;
use futures::future::try_join_all;
use serde_json::Value;
use stack::{Stack, run::ACCOUNT_SID};

use super::{
    billed::{MEMORY, with_share_of_processor},
    mean, milliseconds,
    notifications::people,
    percentile, root,
    table::{Limit, ReportTable},
    tables::BenchTables,
    webhook_events::WrittenMessage,
};
use crate::harness::{
    bootstrap,
    capacity::{Consumed, difference},
    function::FunctionProcess,
    process_time,
};

/// The rate at which webhooks arrive, if the machine carries it.
const PER_SECOND: u32 = 500;
/// The environments of Lambda, each of which has one webhook at a time.
const PROCESSES: usize = 8;
/// Twenty seconds of the rate.
const WEBHOOKS: usize = 10_000;
/// A part of the burst for the peer in Python, which needs longer.
const WEBHOOKS_OF_PYTHON: usize = 3_000;
/// The people who write, each several times. All of them have written before.
const PEOPLE: usize = 1_000;

/// What a webhook of the burst is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A new message.
    First,
    /// The message of the webhook with this number once more.
    DuplicateOf(usize),
    /// A new message, which Twilio has not signed.
    Forged,
}

impl Kind {
    /// One in a hundred is forged, and five are duplicates: three of them of the webhook before, which is still being handled.
    fn of(number: usize) -> Self {
        match number % 100 {
            5 => Self::Forged,
            10 | 50 | 90 => Self::DuplicateOf(number - 1),
            30 | 70 => Self::DuplicateOf(number - 9),
            _ => Self::First,
        }
    }
}

struct Webhook {
    kind: Kind,
    message: WrittenMessage,
    event: Bytes,
}

/// The webhooks of a burst by their numbers.
fn burst(people: &[String], count: usize) -> Result<Vec<Webhook>> {
    let mut webhooks: Vec<Webhook> = Vec::with_capacity(count);
    for (number, person) in (0..count).zip(people.iter().cycle()) {
        let kind = Kind::of(number);
        let message = match kind {
            Kind::DuplicateOf(first) => webhooks.get(first).context("a duplicate follows its first")?.message.clone(),
            Kind::First | Kind::Forged => WrittenMessage::of(person, "Where is my order?"),
        };
        let event = if kind == Kind::Forged { message.forged_event() } else { message.event() };
        webhooks.push(Webhook { kind, message, event });
    }
    Ok(webhooks)
}

/// What a webhook was answered with, and what it took.
struct Handled {
    number: usize,
    status: u64,
    took: Duration,
    cpu: Duration,
}

/// A burst that is over.
struct Outcome {
    webhooks: Vec<Webhook>,
    handled: Vec<Handled>,
    took: Duration,
    /// The processor time of the emulator.
    emulator: Duration,
    /// The processor time of everything that ran on the machine.
    machine: Duration,
    consumed: Vec<Consumed>,
    /// How many items each message has.
    stored: BTreeMap<String, usize>,
}

/// Measures the function, and its peer in Python with a part of the burst.
pub async fn measure(stack: &Stack, python: &Path, table: &mut ReportTable) -> Result<()> {
    let ours = run(stack, &bootstrap("inbound"), &[], WEBHOOKS).await?;
    ours.report(table)?;
    let handler = root().join("tests/bench/inbound.py").display().to_string();
    let theirs = run(stack, python, &[&handler], WEBHOOKS_OF_PYTHON).await?;
    table.add("the same in Python, webhooks a second", theirs.per_second()?, "a second", None);
    table.add("the same in Python, CPU per webhook", theirs.cpu(), "ms", None);
    table.add("burst needs less CPU per webhook than Python", theirs.cpu() / ours.cpu(), "times", None);
    Ok(())
}

async fn run(stack: &Stack, program: &Path, arguments: &[&str], count: usize) -> Result<Outcome> {
    let tables = BenchTables::create(stack).await?;
    let mut environment =
        stack.function_environments().get("InboundFunction").cloned().context("no inbound function")?;
    tables.set(&mut environment)?;
    let started = (0..PROCESSES).map(|_| FunctionProcess::start(program, arguments, &environment));
    let mut processes = try_join_all(started).await?;
    let people: Vec<_> = people(PEOPLE).collect();
    // The first message of a person creates the person's item, and the first of a process opens its connections.
    let first: Vec<_> = people.iter().map(|person| WrittenMessage::of(person, "Hello")).collect();
    let warming: Vec<_> =
        first.into_iter().map(|message| Webhook { kind: Kind::First, event: message.event(), message }).collect();
    all(&mut processes, &warming, f64::INFINITY).await?;
    let webhooks = burst(&people, count)?;
    let before = tables.consumed(stack).await?;
    let emulator = emulator(stack)?;
    let (begin, cpu) = (Instant::now(), process_time::in_ticks(emulator)?);
    let of_machine = process_time::of_machine()?;
    let handled = all(&mut processes, &webhooks, f64::from(PER_SECOND)).await?;
    let (took, emulator) = (begin.elapsed(), process_time::in_ticks(emulator)?.saturating_sub(cpu));
    let machine = process_time::of_machine()?.saturating_sub(of_machine);
    let consumed = difference(&before, &tables.consumed(stack).await?);
    let stored = stored(&tables).await?;
    Ok(Outcome { webhooks, handled, took, emulator, machine, consumed, stored })
}

/// Lets the processes handle the webhooks, each as soon as it arrives and a process is free.
async fn all(processes: &mut [FunctionProcess], webhooks: &[Webhook], per_second: f64) -> Result<Vec<Handled>> {
    let (next, begin) = (&AtomicUsize::new(0), Instant::now());
    let works = processes.iter_mut().map(async |process| {
        let mut handled = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some(webhook) = webhooks.get(number) else { return anyhow::Ok(handled) };
            let arrives = begin + Duration::from_secs_f64(f64::from(u32::try_from(number)?) / per_second);
            tokio::time::sleep_until(arrives.into()).await;
            let measured = process.invoke_and_measure(&webhook.event).await?;
            let status = measured.answer.get("statusCode").and_then(Value::as_u64);
            let status = status.with_context(|| format!("expected an HTTP answer, not {}", measured.answer))?;
            handled.push(Handled { number, status, took: measured.took, cpu: measured.cpu });
        }
    });
    Ok(try_join_all(works).await?.into_iter().flatten().collect())
}

/// The emulator's process, which `stack` starts with its port.
fn emulator(stack: &Stack) -> Result<u32> {
    let port = stack.aws_endpoint.rsplit(':').next().unwrap_or_default();
    process_time::with_arguments(&["emulator.py", port])
}

/// How many items each message has, by the message's SID.
async fn stored(tables: &BenchTables) -> Result<BTreeMap<String, usize>> {
    let mut stored = BTreeMap::new();
    for item in tables.items("MESSAGES_TABLE").await? {
        let subject = item.get("subject").and_then(|subject| subject.as_s().ok()).context("an item has a subject")?;
        if let Some(sid) = subject.strip_prefix(ACCOUNT_SID).and_then(|rest| rest.strip_prefix('#')) {
            *stored.entry(sid.to_owned()).or_default() += 1;
        }
    }
    Ok(stored)
}

impl Outcome {
    fn per_second(&self) -> Result<f64> {
        Ok(f64::from(u32::try_from(self.handled.len())?) / self.took.as_secs_f64())
    }

    /// Milliseconds on a processor per webhook.
    fn cpu(&self) -> f64 {
        milliseconds(mean(&self.handled.iter().map(|handled| handled.cpu).collect::<Vec<_>>()))
    }

    /// The number of webhooks of a kind, and how many of them were answered with this status.
    fn answered(&self, is_of: impl Fn(Kind) -> bool, status: u64) -> (u64, u64) {
        let of_kind = self
            .handled
            .iter()
            .filter(|handled| self.webhooks.get(handled.number).is_some_and(|webhook| is_of(webhook.kind)));
        of_kind.fold((0, 0), |(all, answered), handled| (all + 1, answered + u64::from(handled.status == status)))
    }

    /// The new messages that have a number of items for which this is true.
    fn with_items(&self, kind: Kind, is_counted: impl Fn(usize) -> bool) -> u64 {
        let of_kind = self.webhooks.iter().filter(|webhook| webhook.kind == kind);
        let items = of_kind.map(|webhook| self.stored.get(&webhook.message.sid).copied().unwrap_or_default());
        items.map(|items| u64::from(is_counted(items))).sum()
    }

    fn report(&self, table: &mut ReportTable) -> Result<()> {
        ensure!(self.handled.len() == self.webhooks.len(), "{} were handled", self.handled.len());
        table.add(&format!("burst at {PER_SECOND} a second: webhooks"), self.per_second()?, "a second", None);
        let (valid, answered) = self.answered(|kind| kind != Kind::Forged, 200);
        table.count("burst, answered with 200", answered, valid);
        let (forged, refused) = self.answered(|kind| kind == Kind::Forged, 403);
        table.count("burst, forged and refused", refused, forged);
        table.count("burst, messages lost", self.with_items(Kind::First, |items| items == 0), 0);
        table.count("burst, messages stored twice", self.with_items(Kind::First, |items| items > 1), 0);
        table.count("burst, forged messages stored", self.with_items(Kind::Forged, |items| items > 0), 0);
        let requests = f64::from(u32::try_from(requests(&self.consumed))?) / f64::from(u32::try_from(valid)?);
        let name = "burst, requests to DynamoDB per signed webhook";
        table.add(name, requests, "requests", Some(Limit::AtMost(1.1)));
        self.report_times(table);
        Ok(())
    }

    fn report_times(&self, table: &mut ReportTable) {
        let times = |of: fn(&Handled) -> Duration| self.handled.iter().map(of).collect::<Vec<_>>();
        let cpu = milliseconds(percentile(times(|handled| handled.cpu), 95));
        table.add("burst, CPU per webhook", self.cpu(), "ms", None);
        table.add("burst, 95th percentile of the CPU per webhook", cpu, "ms", None);
        let own = with_share_of_processor(cpu);
        let name = format!("burst, 95th percentile of the handler's own time with {MEMORY} MB");
        table.add(&name, own, "ms", Some(Limit::AtMost(50.0)));
        let took = milliseconds(percentile(times(|handled| handled.took), 95));
        table.add("burst, 95th percentile, emulator included", took, "ms", None);
        let of_processor = |cpu: Duration| cpu.as_secs_f64() / self.took.as_secs_f64() * 100.0;
        let functions: Duration = times(|handled| handled.cpu).iter().sum();
        let others = self.machine.saturating_sub(self.emulator + functions);
        table.add("burst, of a processor: emulator", of_processor(self.emulator), "%", None);
        table.add("burst, of a processor: functions together", of_processor(functions), "%", None);
        table.add("burst, of a processor: the benchmark and all else", of_processor(others), "%", None);
    }
}

/// The requests to DynamoDB. One to several tables is counted for each of them.
fn requests(consumed: &[Consumed]) -> u64 {
    let mut of_operations = BTreeMap::<_, BTreeMap<_, u64>>::new();
    for counter in consumed {
        *of_operations.entry(&counter.operation).or_default().entry(&counter.table).or_default() += counter.requests;
    }
    of_operations.values().filter_map(|tables| tables.values().max()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_of_a_hundred_are_duplicates_and_one_is_forged() {
        let kinds: Vec<_> = (0..100).map(Kind::of).collect();
        let duplicates: Vec<_> = kinds
            .iter()
            .filter_map(|kind| if let Kind::DuplicateOf(first) = kind { Some(*first) } else { None })
            .collect();
        assert_eq!(duplicates.len(), 5);
        assert!(duplicates.iter().all(|first| kinds[*first] == Kind::First), "{duplicates:?}");
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Forged).count(), 1);
    }
}
