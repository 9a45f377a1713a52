//! Measuring the functions as they are deployed: the release binaries, under a Lambda Runtime API.

pub mod counter;
pub mod function;
pub mod runtime_api;
