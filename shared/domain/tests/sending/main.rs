//! Sending at scale, in simulated time: what the functions decide with this package's code while hundreds of thousands of
//! notifications wait, with many functions at the same time, each with an outdated memory of the rate limits, and with requests
//! that take between some milliseconds and 200.
//!
//! Simulated are SQS (three queues, whole-second delays, batches, a limited number of functions), the index of what is due, the
//! table of rate limits ([`table`]), Twilio, and the order of the requests of `send` and `release` ([`simulation`]). Decided by
//! the real code are slots, plans, horizons, the rate of a recipient, the rate after a throttle, and how a notification waits.
//!
//! `SENDING_SCALE` is the number of waiting notifications, `SENDING_SEED` the seed of the latencies.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the simulations print what they showed")]

mod queue;
mod release;
mod report;
mod scenarios;
mod send;
mod simulation;
mod table;
