//! The whole system, deployed by `sam deploy` to the local stack and driven over HTTP as Twilio drives it.
//!
//! Run by `make test`. All tests share one stack, so each has people and notifications of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod contacts;
mod inbound;
mod limits;
mod media;
mod receive;
mod reconcile;
mod refused;
mod rotation;
mod send;
mod status;
#[path = "../support/mod.rs"]
mod support;
mod timeline;
mod unknown;
mod unpublished;
mod world;
