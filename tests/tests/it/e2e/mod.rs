//! The whole system, deployed by `sam deploy` to the local stack and driven over HTTP as Twilio drives it.
//!
//! Run by `make test`. All tests share one stack, so each uses people and notifications that no other test uses. The tests in
//! [`clock`] share another one, because they move its clock, and those in [`unread`] a third one, whose streams are not read.

mod access;
mod clock;
mod consent;
mod contacts;
mod emulator;
mod inbound;
mod limits;
mod media;
mod order;
mod outcome;
mod people;
pub(crate) mod receive;
mod reconcile;
mod refused;
mod reply;
mod rotation;
mod send;
mod status;
mod throttle;
mod timeline;
mod unknown;
mod unpublished;
mod unread;
mod window;
