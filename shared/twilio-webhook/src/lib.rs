#![doc = include_str!("../README.md")]
//!
//! *Imports:* `twilio-types` and the crates of the signature; no runtime, no HTTP client, no web framework.

#![warn(missing_docs)]

pub mod contact_card;
mod fields;
pub mod form;
pub mod inbound_message;
mod redacted;
pub mod signature;
pub mod status_callback;
pub mod twiml;
pub mod webhook;
