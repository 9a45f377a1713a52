//! What the end-to-end tests and the benchmarks have in common.

pub mod bench;
pub mod harness;
