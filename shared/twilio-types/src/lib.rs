//! The names and numbers that Twilio's API, its webhooks and its console have in common: SIDs, addresses, message
//! statuses, error codes, limits and base URLs.
//!
//! Each type is parsed once and cannot hold a wrong value. Nothing here does input or output.
//!
//! *Imports:* serde and thiserror. *Imported by:* `twilio-webhook`, `twilio-client`, and everything that builds on them.

#![warn(missing_docs)]

pub mod address;
pub mod base_url;
pub mod error_code;
pub mod limits;
pub mod message_status;
pub mod sid;
