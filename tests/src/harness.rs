//! The functions as they are deployed, the release binaries, as processes of ours: under a Lambda Runtime API, and where
//! a test wants it with a [`wire::Wire`] between them and the world.

pub mod function;
pub mod runtime_api;
pub mod sender;
pub mod wire;

use std::path::{Path, PathBuf};

/// Where `make` builds a function's binary.
pub fn bootstrap(function: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lambda").join(function).join("bootstrap")
}
