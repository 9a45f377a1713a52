//! The built command against the local stack, as an operator runs it.
//!
//! Run by `make test`, which starts the stack. All tests share it, so each has people and notifications of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod contacts;
mod doctor;
mod events;
mod messages;
mod notifications;
mod operator;
mod own_stack;
mod rotate;
mod send;
mod signatures;
