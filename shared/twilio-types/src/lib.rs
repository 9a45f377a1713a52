#![doc = include_str!("../README.md")]
//!
//! *Imports:* serde and thiserror; nothing that does input or output.

#![warn(missing_docs)]

pub mod address;
pub mod base_url;
pub mod error_code;
pub mod limits;
pub mod media;
pub mod message_status;
pub mod sid;
pub mod verification;
