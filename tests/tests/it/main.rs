//! The tests of the whole system, in one binary. `make test` runs it inside the local stack; `cargo test --package tests`
//! with a filter such as `e2e::send` runs a part of it, inside `make run` or the stack's `exec`.
//!
//! - [`e2e`]: the functions as `sam deploy` deploys them, driven over HTTP as Twilio drives them.
//! - [`crash`] and [`race`]: the send function's process is killed at each of its requests, and races a STOP.
//! - [`sweep`]: the reconcile function meets long lists and what cannot be read.
//! - [`twilio`], [`events`], [`documents`], [`template`] and [`emulator`] need no stack.
//!
//! All tests share one stack, so each has people and notifications that no other test uses.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "crash and race print their seed and what they measured")]

mod crash;
mod documents;
mod e2e;
mod emulator;
mod events;
mod race;
mod soak;
mod support;
mod sweep;
mod template;
mod twilio;
mod world;
