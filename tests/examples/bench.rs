//! The benchmarks: `make bench`. Prints a table, and fails if a value misses its limit.
//!
//! Sizes, memory and counts have absolute limits. Times depend on the machine, so the limit of a time is a ratio to the same
//! job in the same run: in Python, or in an earlier version.
//!
//! Arguments: the names of the parts to measure (all, if none is named), and `--base FOLDER` with the binaries of an earlier
//! version to compare the webhooks with. `units` needs no release binaries.

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use stack::Stack;
use tests::{
    bench::{
        burst, pace, release, root, scale, send, sizes, slots,
        table::{Limit, ReportTable},
        templates, units, webhooks,
    },
    harness::bootstrap,
};

/// The parts, in the order in which they are measured.
const PARTS: [&str; 9] = ["units", "sizes", "webhooks", "burst", "scale", "sending", "release", "pace", "templates"];

/// What is measured.
struct Arguments {
    parts: Vec<String>,
    base: Option<PathBuf>,
}

impl Arguments {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut read = Self { parts: Vec::new(), base: None };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--base" => read.base = Some(arguments.next().context("--base needs a folder")?.into()),
                part if PARTS.contains(&part) => read.parts.push(argument),
                other => bail!("{other}: expected --base FOLDER, or some of {}", PARTS.join(", ")),
            }
        }
        Ok(read)
    }

    fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|named| named == part)
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::read(env::args().skip(1))?;
    let stack = Stack::from_env()?;
    let mut table = ReportTable::default();
    if arguments.has("units") {
        units::units(&stack, &mut table).await?;
    }
    if arguments.has("sizes") {
        sizes::sizes(&mut table)?;
        sizes::signature(&python(), arguments.base.as_deref(), &mut table)?;
    }
    if arguments.has("webhooks") {
        webhooks(&stack, arguments.base.as_deref(), &mut table).await?;
    }
    if arguments.has("burst") {
        burst::measure(&stack, &python(), &mut table).await?;
    }
    if arguments.has("scale") {
        scale::scale(&stack, &mut table).await?;
    }
    if arguments.has("sending") {
        send::requests(&stack, &mut table).await?;
        send::resources(&stack, &python(), &mut table).await?;
    }
    if arguments.has("release") {
        release::release(&stack, &mut table).await?;
    }
    if arguments.has("pace") {
        pace(&stack, &mut table).await?;
    }
    if arguments.has("templates") {
        templates::templates(&mut table);
    }
    std::io::stdout().write_all(table.text.as_bytes())?;
    Ok(if table.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn webhooks(stack: &Stack, base: Option<&Path>, table: &mut ReportTable) -> Result<()> {
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
    match base {
        Some(base) => webhooks::compare(stack, base, table).await,
        None => Ok(()),
    }
}

async fn pace(stack: &Stack, table: &mut ReportTable) -> Result<()> {
    pace::functions(stack, table).await?;
    slots::pace(stack, table, 80, 1_500).await?;
    slots::pace(stack, table, 400, 4_000).await?;
    slots::adaptation(stack, table).await
}

/// The interpreter for which `make bench` installs Twilio's library and boto3.
fn python() -> PathBuf {
    root().join(".tools/bench/bin/python")
}
