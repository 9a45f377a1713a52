//! The sandbox over HTTP.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod api;
mod business;
mod choices;
mod clock;
mod command;
mod control;
mod event_streams;
mod faults;
mod people;
mod products;
mod queue;
mod role;
mod scenario;
mod stream;
mod timeline;
mod until;
