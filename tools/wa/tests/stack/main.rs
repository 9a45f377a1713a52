//! The built command against the local stack, as an operator runs it.
//!
//! `make test` starts the stack. All tests share it, so each test uses new people and new notifications.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod alerts;
mod contacts;
mod cost;
mod dlq;
mod doctor;
mod erase;
mod events;
mod isolated_stack;
mod listen;
mod messages;
mod notifications;
mod operator;
mod otp;
mod pause;
mod replay;
mod restorable_stack;
mod restore;
mod rotate;
mod send;
mod signatures;
mod smoke;
mod templates;
mod tenants;
mod trigger;
