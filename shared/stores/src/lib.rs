//! The state: four DynamoDB tables, and the transactions over several of them.
//!
//! - One table each: [`messages`], [`contacts`], [`notifications`], [`rate_limits`]; [`sweeps`] are kept in the last one.
//! - Over several tables: [`record_inbound`], [`record_status`], [`eligibility`], [`notification_log`].
//! - What they have in common: [`mod@dynamodb`] (transactions, retries, batch reads) and [`fault`].
//!
//! A refused condition is an outcome, not an error. This crate never calls Twilio: only a function joins a store and the
//! Twilio client.
//!
//! *Imports:* `domain`, `twilio-types`, `twilio-webhook`, and DynamoDB's SDK. *Imported by:* `shared`, the functions and
//! the tools.

mod attribute;
pub mod contacts;
pub mod dynamodb;
pub mod eligibility;
pub mod fault;
pub mod messages;
pub mod notification_log;
pub mod notifications;
pub mod rate_limits;
pub mod record_inbound;
pub mod record_status;
pub mod sweeps;
