//! The functions as they are deployed, the release binaries, as processes of ours under a Lambda Runtime API.

pub mod function;
pub mod runtime_api;

use std::path::{Path, PathBuf};

/// Where `make` builds a function's binary.
pub fn bootstrap(function: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lambda").join(function).join("bootstrap")
}
