//! The state: five DynamoDB tables, and the transactions over several of them.
//!
//! | table | keys | items | kept |
//! |---|---|---|---|
//! | Messages ([`messages`]) | `message_sid`, `event` | each inbound message, and each status of a message | as configured, 30 days by default |
//! | Contacts ([`contacts`]) | `contact`, `facet` | each person's preferences, consents, identities, service windows and marketing messages | opt-outs, consents and identities: without end |
//! | Notifications ([`notifications`]) | `notification` | each notification with its claim, attempts and outcome | 30 days |
//! | `RateLimits` ([`rate_limits`], [`daily_counts`], [`route_health`], [`pauses`], [`sweeps`]) | `sender` | buckets, counters of a day and of an hour, what is paused, and how far each account was reconciled | two days at most, except for the pauses and the marks |
//! | Tenants ([`tenants`]) | `document`, `version` | each version of the tenants document, and which one counts | without end |
//! | Templates ([`templates`]) | `account`, `template` | what Twilio and WhatsApp say of each template | without end |
//! | Verifications ([`verifications`]) | `verification` | each one-time password that was asked for, without its code and number | a day |
//!
//! The file of each table lists its kinds of items, who writes them and when they expire.
//!
//! - Over several tables: [`personal_data`], [`record_inbound`], [`notification_log`], [`cancel_notification`], [`mod@republish`].
//! - Shared: [`mod@dynamodb`] (conditional writes, transactions, batch reads), [`scan`], `attribute` and [`fault`].
//!
//! *Invariants:*
//! - No write relies on an earlier read: its condition says what it assumes, and a refusal brings the stored item. A
//!   refused condition is an outcome, not an error.
//! - A condition compares expiry times itself, because DynamoDB deletes late.
//! - The `Debug` of a type shows no address, no text and no item, as in `domain`. `debug_tests` checks it.
//! - This crate never calls Twilio: only a function joins a store and the Twilio client.
//!
//! *Imports:* `domain`, `twilio-types`, `twilio-webhook`, and DynamoDB's SDK. *Imported by:* `shared`, the functions
//! and the tools.

mod attribute;
pub mod cancel_notification;
pub mod contacts;
pub mod daily_counts;
pub mod dynamodb;
pub mod erased_status;
pub mod fault;
pub mod format;
pub mod messages;
pub mod notification_log;
pub mod notifications;
pub mod pauses;
pub mod pending_cancellations;
pub mod personal_data;
pub mod rate_limits;
pub mod record_inbound;
pub mod record_status;
pub mod republish;
pub mod restores;
pub mod route_health;
pub mod scan;
pub mod senders;
pub mod sweeps;
pub mod templates;
pub mod tenants;
pub mod verifications;

#[cfg(test)]
mod debug_tests;
