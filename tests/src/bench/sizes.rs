//! Measures the size of the release binaries and the time of a signature's verification.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{
    megabytes, root,
    table::{Limit, ReportTable},
};
use crate::harness::bootstrap;

/// Measures the size of each function's binary.
pub fn sizes(table: &mut ReportTable) -> Result<()> {
    let folders = fs::read_dir(root().join("functions"))?.collect::<Result<Vec<_>, _>>()?;
    let mut functions: Vec<_> =
        folders.iter().map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    functions.sort_unstable();
    for function in functions {
        let bytes = fs::metadata(bootstrap(&function)).context("no release binary: `make bench` builds it")?.len();
        table.add(&format!("{function}, size of bootstrap"), megabytes(bytes), "MB", Some(Limit::AtMost(6.75)));
    }
    Ok(())
}

/// In the comparison of two versions each has as many turns, and the turns alternate, so that both meet the same machine.
const TURNS: usize = 7;

/// Measures only the verification: in a program that is built as the functions are, and with Twilio's library for Python.
pub fn signature(python: &Path, base: Option<&Path>, table: &mut ReportTable) -> Result<()> {
    let script = root().join("tests/bench/signature.py");
    let ours = microseconds(&mut Command::new(bootstrap("signature")))?;
    let theirs = microseconds(Command::new(python).arg(script))?;
    table.add("signature of a form with 17 parameters", ours, "us", None);
    table.add("the same in Python", theirs, "us", None);
    table.add("the signature is verified faster than in Python", theirs / ours, "times", Some(Limit::AtLeast(10.0)));
    base.map_or(Ok(()), |base| compare_signature(&base.join("signature").join("bootstrap"), table))
}

/// Measures the verification beside that of another version, in alternating turns, and compares the medians.
fn compare_signature(base: &Path, table: &mut ReportTable) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        ours.push(microseconds(&mut Command::new(bootstrap("signature")))?);
        theirs.push(microseconds(&mut Command::new(base))?);
    }
    let median = |mut turns: Vec<f64>| {
        turns.sort_by(f64::total_cmp);
        turns.get(TURNS / 2).copied().unwrap_or_default()
    };
    let (ours, theirs) = (median(ours), median(theirs));
    table.add("signature beside the other version", ours, "us", None);
    table.add("signature of the other version", theirs, "us", None);
    let percent = (ours / theirs - 1.0) * 100.0;
    table.add("signature, more time than the other version", percent, "%", Some(Limit::AtMost(0.0)));
    Ok(())
}

/// The number of microseconds that a program prints.
fn microseconds(command: &mut Command) -> Result<f64> {
    let output = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().with_context(|| format!("{} printed no number", command.get_program().display()))
}
