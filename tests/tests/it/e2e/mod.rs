//! The whole system, deployed by `sam deploy` to the local stack and driven over HTTP as Twilio drives it.
//!
//! Run by `make test`. All tests share one stack, so each uses people and notifications that no other test uses. The tests in
//! [`clock`] and [`clock_of_page`], in [`waiting`], [`dead_letters`] and some in [`keys`] share another one, because they move its clock, those in
//! [`api_limits`] use it to reach its limits, and those in [`unread`] a third one, whose streams are not read.

mod access;
mod api_limits;
mod base_url;
pub(crate) mod cancel;
mod clock;
mod clock_of_page;
mod consent;
mod contacts;
mod dead_letters;
mod emulator;
mod inbound;
mod kept;
mod keys;
mod limits;
mod media;
mod order;
mod outcome;
mod pause;
mod people;
pub(crate) mod receive;
mod reconcile;
mod refused;
mod reply;
mod rotation;
mod send;
mod status;
mod strict;
mod suppression;
mod throttle;
mod timeline;
mod unknown;
mod unpublished;
mod unread;
mod waiting;
mod waiting_at_scale;
mod window;
