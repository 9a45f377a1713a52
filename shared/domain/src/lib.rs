//! The rules: what a notification is, who may receive it, when, and what to do after each failure.
//!
//! Pure functions over parsed values. There is no clock, no network and no AWS type: the time is an argument, and the
//! functions and the stores bring the facts.
//!
//! - A notification: [`notification`], [`media`], [`callback_url`], [`digest`], [`limits`].
//! - Who may receive it: [`contact_key`], [`opt_out_keywords`], [`opt_out_request`], [`preference`], [`suppression`],
//!   [`consent`], [`policy`].
//! - When: [`region`], [`quiet_hours`], [`token_bucket`].
//! - What follows from a failure: [`failure_response`].
//!
//! *Imports:* `twilio-types`, and `twilio-webhook` in [`opt_out_request`] and [`contact_key`]. *Imported by:* `stores`,
//! `shared`, the functions and `wa`.

pub mod callback_url;
pub mod consent;
pub mod contact_key;
pub mod digest;
pub mod failure_response;
mod json_fields;
pub mod limits;
pub mod media;
pub mod notification;
pub mod opt_out_keywords;
pub mod opt_out_request;
pub mod policy;
pub mod preference;
pub mod quiet_hours;
pub mod region;
pub mod suppression;
pub mod token_bucket;
