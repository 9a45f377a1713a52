//! Starts the functions' release binaries as processes, under a Lambda Runtime API. A test may put a [`wire::Wire`] between
//! a process and AWS and Twilio.

pub mod capacity;
pub mod emulator;
pub mod faults;
pub mod function;
pub mod outages;
pub mod process_time;
pub mod receiver;
pub mod refusals;
pub mod runtime_api;
pub mod sender;
pub mod wire;

use std::path::{Path, PathBuf};

/// Where `make` builds a function's binary.
pub fn bootstrap(function: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lambda").join(function).join("bootstrap")
}
