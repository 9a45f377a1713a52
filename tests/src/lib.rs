//! The harness of the end-to-end tests and the benchmarks, and the benchmarks themselves.

pub mod bench;
pub mod harness;
