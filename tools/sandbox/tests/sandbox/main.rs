//! The sandbox over HTTP.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod api;
mod command;
mod control;
mod faults;
mod people;
mod queue;
mod role;
mod stream;
mod until;
