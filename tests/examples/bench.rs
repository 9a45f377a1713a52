//! The benchmarks: `make bench`. Prints a table, and fails if a value misses its limit.
//!
//! Sizes, memory and counts have absolute limits. Times depend on the machine, so the limit of a time is a ratio to the same
//! job in Python in the same run.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Result;
use stack::Stack;
use tests::{
    bench::{
        pace, root, send, sizes, slots,
        table::{Limit, ReportTable},
        webhooks,
    },
    harness::bootstrap,
};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let stack = Stack::from_env()?;
    let mut table = ReportTable::default();
    sizes::sizes(&mut table)?;
    sizes::signature(&python(), &mut table)?;
    webhooks(&stack, &mut table).await?;
    sending(&stack, &mut table).await?;
    std::io::stdout().write_all(table.text.as_bytes())?;
    Ok(if table.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn webhooks(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    webhooks::writes(stack, table).await?;
    let inbound = webhooks::measure(stack, &bootstrap("inbound"), &[], "InboundFunction").await?;
    inbound.report(table, "inbound", Some(Limit::AtMost(12.0)));
    webhooks::measure(stack, &bootstrap("status"), &[], "StatusFunction").await?.report(table, "status", None);
    let handler = root().join("tests/bench/inbound.py").display().to_string();
    let python = webhooks::measure(stack, &python(), &[&handler], "InboundFunction").await?;
    python.report(table, "the same in Python", None);
    let ratio = |python: f64, ours: f64| python / ours;
    table.add(
        "inbound starts sooner than Python",
        ratio(python.start, inbound.start),
        "times",
        Some(Limit::AtLeast(25.0)),
    );
    table.add("inbound needs less CPU than Python", ratio(python.cpu, inbound.cpu), "times", Some(Limit::AtLeast(6.0)));
    Ok(())
}

async fn sending(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    send::requests(stack, table).await?;
    send::resources(stack, table).await?;
    pace::functions(stack, table).await?;
    slots::pace(stack, table, 80, 1_500).await?;
    slots::pace(stack, table, 400, 4_000).await?;
    slots::adaptation(stack, table).await
}

/// The interpreter for which `make bench` installs Twilio's library and boto3.
fn python() -> PathBuf {
    root().join(".tools/bench/bin/python")
}
