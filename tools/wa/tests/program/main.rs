//! The built command without a stack: which AWS account it works on, what it refuses before it calls anything, and what a shell
//! offers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod accounts;
mod completions;
mod program;
mod templates;
mod usage;
