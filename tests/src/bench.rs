//! Measures the functions' release binaries, under a Lambda Runtime API.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

mod base;
pub mod counter;
mod lanes;
mod notifications;
pub mod pace;
pub mod release;
pub mod send;
pub mod sizes;
pub mod slots;
pub mod table;
pub mod templates;
pub mod twilio;
pub mod units;
mod webhook_events;
pub mod webhooks;

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// As Lambda counts them: its limit of 250 MB is 262,144,000 bytes (AWS Lambda, "Lambda quotas").
#[expect(clippy::cast_precision_loss, reason = "a size in megabytes")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
