//! Fuzz tests of what the libraries read. Those of what a function reads are in the function.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod json;
mod twilio_answers;
mod webhooks;
