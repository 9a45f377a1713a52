//! Measures the functions' release binaries, under a Lambda Runtime API.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

mod base;
mod billed;
pub mod burst;
pub mod counter;
mod lanes;
mod notifications;
pub mod pace;
pub mod release;
pub mod scale;
pub mod send;
pub mod sizes;
pub mod slots;
pub mod table;
mod tables;
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

pub(crate) fn mean(times: &[Duration]) -> Duration {
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX).max(1);
    times.iter().sum::<Duration>() / count
}

/// The time that this many of a hundred do not exceed.
pub(crate) fn percentile(mut times: Vec<Duration>, of_hundred: usize) -> Duration {
    times.sort_unstable();
    let place = (times.len() * of_hundred).div_ceil(100).saturating_sub(1);
    times.get(place).copied().unwrap_or_default()
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// As Lambda counts them: its limit of 250 MB is 262,144,000 bytes (AWS Lambda, "Lambda quotas").
#[expect(clippy::cast_precision_loss, reason = "a size in megabytes")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
