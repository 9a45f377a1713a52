//! The rules: what a notification is, who may receive it, when, and how to respond to each failure.
//!
//! Everything here is a pure function over parsed values. There is no clock, no network and no AWS type: the caller
//! passes the time and the facts as arguments.
//!
//! - A notification: [`notification`], [`media`], [`email`], [`email_settings`], [`callback_url`], [`digest`], [`limits`].
//! - Its templates: [`templates`], [`template_settings`].
//! - Who may receive it: [`contact_key`], [`opt_out_keywords`], [`opt_out_request`], [`preference`], [`suppression`],
//!   [`consent`], [`policy`].
//! - What is known of them, and how it is forgotten: [`identities`], [`erasure`].
//! - When: [`region`], [`quiet_hours`], [`pause`], [`daily_cap`], [`route_health`], [`lane`], [`token_bucket`],
//!   [`planning`], [`waiting`].
//! - How to respond to a failure: [`failure_response`].
//! - What differs between accounts: [`tenants`], [`account_settings`], [`configured_senders`], [`caller`].
//! - A file that a person sent: [`media_settings`], [`file_type`], [`media_failure`].
//! - One-time passwords by Twilio Verify: [`verification`], [`verify_settings`].
//! - What log lines and events of a notification have in common: [`trace_id`].
//!
//! *Invariant:* the `Debug` of a type shows SIDs, ids of notifications, times, states, codes and counts. It leaves out
//! addresses, keys that hold an address, message bodies and every other free text. `debug_tests` checks it.
//!
//! *Imports:* `twilio-types`, and `twilio-webhook` in [`opt_out_request`] and [`contact_key`]. *Imported by:* `stores`,
//! `shared`, the functions and `wa`.

pub mod account_settings;
pub mod callback_url;
pub mod caller;
pub mod configured_senders;
pub mod consent;
pub mod contact_key;
pub mod daily_cap;
pub mod digest;
pub mod email;
pub mod email_settings;
pub mod erasure;
pub mod evidence;
pub mod failure_response;
pub mod file_type;
pub mod identities;
pub mod json;
pub mod json_fields;
pub mod lane;
pub mod limits;
pub mod media;
pub mod media_failure;
pub mod media_settings;
pub mod notification;
pub mod opt_out_keywords;
pub mod opt_out_request;
pub mod pause;
pub mod person;
pub mod planning;
pub mod policy;
pub mod preference;
pub mod progress;
pub mod quiet_hours;
pub mod region;
pub mod route;
pub mod route_health;
pub mod suppression;
pub mod suppression_request;
pub mod template_settings;
pub mod templates;
pub mod tenants;
pub mod token_bucket;
pub mod trace_id;
pub mod verification;
pub mod verify_settings;
pub mod waiting;

#[cfg(test)]
mod debug_tests;
