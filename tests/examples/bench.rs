//! The benchmarks: `make bench`. Prints a table, and fails where a limit is missed.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Result;
use stack::Stack;
use tests::{
    bench::{pace, root, send, sizes, slots, table::Table, webhooks},
    harness::bootstrap,
};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let stack = Stack::from_env()?;
    let mut table = Table::default();
    sizes::sizes(&mut table)?;
    sizes::signature(&mut table)?;
    webhooks(&stack, &mut table).await?;
    sending(&stack, &mut table).await?;
    std::io::stdout().write_all(table.text.as_bytes())?;
    Ok(if table.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn webhooks(stack: &Stack, table: &mut Table) -> Result<()> {
    webhooks::writes(stack, table).await?;
    let limits = webhooks::Limits { start: 8.0, first: 3.0, cpu: 0.35, resident: 12.0 };
    let inbound = webhooks::measure(stack, &bootstrap("inbound"), &[], "InboundFunction").await?;
    inbound.report(table, "inbound", Some(&limits));
    webhooks::measure(stack, &bootstrap("status"), &[], "StatusFunction").await?.report(table, "status", None);
    if let Some((python, handler)) = python() {
        let python = webhooks::measure(stack, &python, &[&handler], "InboundFunction").await?;
        python.report(table, "the same in Python", None);
        table.add("inbound, CPU: Python's to ours", python.cpu / inbound.cpu, "times", None);
        table.add("inbound, start: Python's to ours", python.start / inbound.start, "times", None);
    }
    Ok(())
}

async fn sending(stack: &Stack, table: &mut Table) -> Result<()> {
    send::requests(stack, table).await?;
    send::resources(stack, table).await?;
    pace::functions(stack, table).await?;
    slots::pace(stack, table, 80, 1_500).await?;
    slots::pace(stack, table, 400, 4_000).await?;
    slots::adaptation(stack, table).await
}

/// The same job with Twilio's library and boto3, where `make bench` has installed them.
fn python() -> Option<(PathBuf, String)> {
    let python = root().join(".tools/bench/bin/python");
    let handler = root().join("tests/bench/inbound.py");
    python.exists().then(|| (python, handler.display().to_string()))
}
