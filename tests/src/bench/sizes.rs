//! What the release binaries are like before they serve anybody.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};

use super::{
    megabytes,
    table::{Limit, Table},
};
use crate::harness::bootstrap;

/// The size of each function.
pub fn sizes(table: &mut Table) -> Result<()> {
    for function in ["inbound", "status", "send", "presign", "contacts", "publish", "reconcile"] {
        let bytes = fs::metadata(bootstrap(function)).context("no release binary: `make bench` builds it")?.len();
        table.add(&format!("{function}, size of bootstrap"), megabytes(bytes), "MB", Some(Limit::AtMost(6.5)));
    }
    Ok(())
}

/// The check alone, in a program that is built as the functions are.
pub fn signature(table: &mut Table) -> Result<()> {
    let output = Command::new(bootstrap("signature")).output().context("no signature benchmark")?;
    let microseconds = String::from_utf8(output.stdout)?.trim().parse()?;
    table.add("signature check of a form with 17 parameters", microseconds, "us", Some(Limit::AtMost(5.0)));
    Ok(())
}
